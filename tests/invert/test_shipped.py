"""The weights that come with the package: half as large, as good, found last, and said to be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from msft_cli.inversion import app as invert
from typer.testing import CliRunner

from augment import log_scale
from invert import checkpoint, shipped
from invert.data import read_dataset
from invert.evaluate import evaluate
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL


@pytest.fixture(scope="module")
def patterns(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shipped") / "exp.h5"
    generate(path, 30, 8, ParticleDistribution((45.0, 75.0)), SMALL)
    return path


@pytest.fixture
def folder(small_model: Path, patterns: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "package" / "weights"
    place.parent.mkdir()
    loaded = checkpoint.load(small_model)
    errors = evaluate(loaded.model, read_dataset(patterns)).as_dict()
    shipped.ship(loaded, errors, {"patterns": 30, "seed": 8}, place)
    monkeypatch.setattr(shipped, "FOLDER", place)
    monkeypatch.chdir(tmp_path)
    return place


def test_half_precision_answers_almost_alike(folder: Path, small_model: Path, patterns: Path) -> None:
    whole, half = checkpoint.load(small_model), checkpoint.load(folder)
    assert (folder / checkpoint.WEIGHTS).stat().st_size < 0.65 * whole.path.stat().st_size
    assert {parameter.dtype for parameter in half.model.parameters()} == {torch.float32}
    images = log_scale(read_dataset(patterns).intensity)
    one, other = whole.model.invert(images), half.model.invert(images)
    assert np.abs(one.radius - other.radius).max() < 0.2
    assert other.radius_sigma == pytest.approx(one.radius_sigma, rel=0.02)
    assert half.training == whole.training


def test_the_card_says_what_it_was_trained_on_how_good_it_is_and_what_it_cannot(folder: Path) -> None:
    card = json.loads((folder / "card.json").read_text())
    assert card["model"]["radius_range"][1] < 80
    assert card["provenance"]["dataset"]["patterns"] == 600
    assert card["errors"]["identity"]["patterns"] == 30
    page = (folder / "card.md").read_text()
    for text in ("uniform_noise", "8 filters", "| experiment |", "Icosahedra only"):
        assert text in page, text


def test_weights_that_are_too_large_do_not_ship(
    folder: Path, small_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (folder / checkpoint.WEIGHTS).read_bytes()
    monkeypatch.setattr(shipped, "LARGEST", 1000)
    with pytest.raises(ParameterError, match="MB"):
        shipped.ship(checkpoint.load(small_model), {}, {}, folder)
    assert (folder / checkpoint.WEIGHTS).read_bytes() == before


def predict(frames: Path, out: Path, *arguments: str) -> Any:
    command = ["predict", str(frames), "-o", str(out), "--pictures", "0", *arguments]
    return CliRunner().invoke(invert, command)


def test_predict_takes_the_model_named_then_the_folder_then_what_ships(
    folder: Path, small_model: Path, patterns: Path, tmp_path: Path
) -> None:
    assert shipped.find(Path("some/where")) == Path("some/where")
    result = predict(patterns, tmp_path / "a.h5")
    assert result.exit_code == 0, result.output
    assert "the weights that ship" in result.output
    assert "on 30 held-out patterns" in result.output
    assert checkpoint.load(folder).digest in result.output
    (tmp_path / "model").symlink_to(small_model)
    assert "the weights that ship" not in predict(patterns, tmp_path / "b.h5").output
    (tmp_path / "model").unlink()
    (folder / checkpoint.WEIGHTS).unlink()
    result = predict(patterns, tmp_path / "c.h5")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: model: ")
    assert result.stderr.count("\n") == 1


@pytest.mark.skipif(not shipped.FOLDER.exists(), reason="NO WEIGHTS SHIP YET")
def test_the_weights_in_the_package_are_small_and_answer() -> None:
    loaded = checkpoint.load(shipped.FOLDER)
    assert loaded.path.stat().st_size < shipped.LARGEST
    configuration = loaded.model.configuration
    particles = ParticleDistribution(configuration.radius_range).draw(77, range(16))
    intensity = torch.from_numpy(configuration.simulation.intensity(particles))
    found = loaded.model.invert(log_scale(intensity))
    typical = loaded.errors["identity"]
    assert np.median(np.abs(found.radius - particles.radius)) < 4 * typical["radius_median_nm"]
    assert json.loads((shipped.FOLDER / "card.json").read_text())["errors"] == loaded.errors


def test_weights_that_ship_have_a_name_unless_something_else_has_it(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert shipped.find(None) == Path("model")
    assert shipped.find(Path("shipped")) == folder
    (tmp_path / "shipped").mkdir()
    assert shipped.find(Path("shipped")) == Path("shipped")
