"""Hot and dead pixels that no mask names, and a dark frame that nobody subtracted."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from numpy.typing import NDArray
from typer.testing import CliRunner

from invert.frames import Reading, open_frames
from msft.detector import EwaldDetector
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

HOT, DEAD = ((20, 30), (90, 100), (0, 127)), ((64, 75), (58, 64))


@pytest.fixture(scope="module")
def counts() -> NDArray[np.float32]:
    """Photons of sixteen patterns, 10^7 in each."""
    patterns = Simulation().intensity(ParticleDistribution().draw(0, range(16)))
    rates = patterns / patterns.sum(axis=(1, 2), keepdims=True) * 1e7
    return np.asarray(np.random.default_rng(1).poisson(rates), dtype=np.float32)


def seen(path: Path, stack: NDArray[np.float32], **options: object) -> tuple[list[str], NDArray[np.bool_]]:
    """Warnings and valid pixels of frames as a model with the default detector gets them."""
    with h5py.File(path, "w") as file:
        file["data"] = stack
    with open_frames(path, Reading(**options)) as source:  # type: ignore[arg-type]
        source.onto(EwaldDetector(), 13.5)
        return source.warnings, source.read(range(len(source))).valid


def spoilt(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    stack = counts.copy()
    for row, column in HOT:
        stack[:, row, column] = (
            4 * stack.max(axis=0)[max(row - 1, 0) : row + 2, column - 1 : column + 2].max() + 9
        )
    for row, column in DEAD:
        stack[:, row, column] = 0
    return stack


def test_hot_and_dead_pixels_are_hidden_and_told(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    warnings, valid = seen(tmp_path / "a.h5", spoilt(counts))
    hidden = {(int(row), int(column)) for row, column in np.argwhere(~valid.all(axis=0))}
    assert hidden == {*HOT, *DEAD}
    assert not valid[:, *np.transpose([*HOT, *DEAD])].any()
    assert [warning for warning in warnings if warning.startswith("warning: 5 pixels are")]


def test_beside_a_mask_defects_are_hidden_too(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    np.save(tmp_path / "mask.npy", np.pad(np.ones((4, 128), dtype=np.uint8), ((0, 124), (0, 0))))
    _, valid = seen(tmp_path / "a.h5", spoilt(counts), mask=tmp_path / "mask.npy")
    assert not valid[:, :4].any()
    assert (~valid[:, 4:]).sum() == 16 * 4  # one of the hot ones is masked already


@pytest.mark.parametrize("photons", [1.0, 30.0, 1e3, 1e5])
def test_no_good_pixel_is_hidden_for_its_photons(
    tmp_path: Path, counts: NDArray[np.float32], photons: float
) -> None:
    sparse = np.random.default_rng(2).poisson(counts * (photons / 1e7)).astype(np.float32)
    warnings, valid = seen(tmp_path / "a.h5", sparse)
    assert valid.all()
    assert not [warning for warning in warnings if "defective" in warning or "darkest" in warning]


def test_few_frames_and_logarithms_are_left_alone(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    assert seen(tmp_path / "few.h5", spoilt(counts)[:7])[1].all()
    assert seen(tmp_path / "log.h5", np.log10(spoilt(counts) + 1), scale="log")[1].all()


def test_forward_fits_do_without_them_too(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = spoilt(counts)[:8]
    options = ("--starts", "2", "--steps", "1", "--no-polish", "--pictures", "0", "--no-report")
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "a.h5"), *options])
    assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "a.predictions.h5") as file:
        valid = file["/entry_1/result_1/mask"][:] == 0
    assert not valid[:, *np.transpose([*HOT, *DEAD])].any()


@pytest.mark.parametrize(("pedestal", "told"), [(0.0, False), (1.0, False), (100.0, True), (5e3, True)])
def test_a_pedestal_is_told(tmp_path: Path, counts: NDArray[np.float32], pedestal: float, told: bool) -> None:
    noise = np.random.default_rng(3).normal(pedestal, 1.0, counts.shape).astype(np.float32)
    warnings, _ = seen(tmp_path / "a.h5", counts + noise)
    assert bool([warning for warning in warnings if "a dark frame not subtracted" in warning]) == told
