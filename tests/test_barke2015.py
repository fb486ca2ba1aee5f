"""The eight measured patterns go in, predictions and pictures come out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from typer.testing import CliRunner

from invert.backbone import ResidualConfiguration
from invert.checkpoint import save
from invert.model import Model, ModelConfiguration
from invert.presets import TrainingConfiguration
from msft.symmetry import misorientation

from .barke2015 import convert, linearise

PATTERNS = Path(__file__).parents[1].parent / "shared/data/barke2015"


def test_the_colour_map_is_undone_by_a_continuous_curve() -> None:
    x = np.array([0.0, 0.15, 0.30, 0.59, 0.88, 0.94, 1.0])
    by_formula = [
        0.0,
        0.38 / 0.30 * 0.15,
        0.38,
        0.25 / 0.40 * 0.29 + 0.38,
        0.7425,
        (1 - 0.7425) / (1 - 0.88) * 0.06 + 0.7425,
        1.0,
    ]
    assert linearise(x) == pytest.approx(by_formula, abs=1e-9)


@pytest.mark.skipif(not PATTERNS.exists(), reason="MEASURED PATTERNS ARE NOT THERE: shared/data/barke2015")
def test_predict_runs_on_the_measured_patterns(tmp_path: Path) -> None:
    convert(PATTERNS, tmp_path / "exp.h5")
    errors: dict[str, Any] = {}
    model = Model(ModelConfiguration(ResidualConfiguration((1, 1), 4)))
    save(tmp_path, model, TrainingConfiguration(), errors)
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "exp.h5"), "--model", str(tmp_path)])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "exp.predictions.png").exists()
    with h5py.File(tmp_path / "exp.predictions.h5") as file:
        assert file["/entry_1/result_1/quaternion"].shape == (8, 4)
        measured = file["/entry_1/result_1/measured"][:]
    assert (measured[:, 64, 64] == 0).all()  # the beam hole is masked
    # logarithms within [0, 1] are shown as they are
    assert (measured.max(axis=(1, 2)) > 0.7).all()
    assert (measured <= 1).all()


@pytest.mark.slow
@pytest.mark.skipif(not PATTERNS.exists(), reason="MEASURED PATTERNS ARE NOT THERE: shared/data/barke2015")
def test_every_measured_frame_is_told_its_published_body(tmp_path: Path) -> None:
    convert(PATTERNS, tmp_path / "exp.h5")
    bodies = ["icosahedron", "decahedron", "truncated octahedron", "truncated twinned tetrahedron(0.09,0.5)"]
    options = [option for body in bodies for option in ("--body", body)]
    out = tmp_path / "told.h5"
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "exp.h5"), *options, "-o", str(out)])
    assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "exp.h5") as file:
        published = file["/entry_1/note_1/body"].asstr()[:].tolist()
    with h5py.File(out) as file:
        told = file["/entry_1/result_1/body"].asstr()[:].tolist()
        agreement = file["/entry_1/result_1/agreement"][:]
    assert [body.split("(")[0] for body in told] == published
    assert agreement.min() > 0.78


@pytest.mark.slow
@pytest.mark.skipif(not PATTERNS.exists(), reason="MEASURED PATTERNS ARE NOT THERE: shared/data/barke2015")
def test_fits_of_the_measured_icosahedra_agree_with_them_whatever_the_seed(tmp_path: Path) -> None:
    convert(PATTERNS, tmp_path / "exp.h5")
    radius, orientation, agreement = [], [], []
    for seed in (0, 1):
        out = tmp_path / f"{seed}.h5"
        options = ["--frames", "4:6", "--fixed-beam", "--pictures", "0", "--seed", str(seed), "-o", str(out)]
        result = CliRunner().invoke(app, ["fit", str(tmp_path / "exp.h5"), *options])
        assert result.exit_code == 0, result.output
        with h5py.File(out) as file:
            fitted = file["/entry_1/result_1"]
            assert fitted["frame"][:].tolist() == [4, 5]
            assert (fitted["beam"][:] == 0).all()
            radius.append(fitted["radius"][:] * 1e9)
            orientation.append(fitted["quaternion"][:])
            agreement.append(fitted["agreement"][:])
    assert np.min(agreement) >= 0.77
    assert abs(radius[0] - radius[1]).max() < 0.5
    assert np.degrees(misorientation(*orientation)).max() < 0.5
