"""The model's file: what is saved comes back, what is broken is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from invert import checkpoint
from invert.backbone import ResidualConfiguration
from invert.labelling import classifier
from invert.model import Model, ModelConfiguration
from invert.presets import TrainingConfiguration
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.pattern import Simulation


def test_a_model_comes_back_with_its_configuration(tmp_path: Path) -> None:
    configuration = ModelConfiguration(
        ResidualConfiguration((1, 2), 4, "leaky_relu"),
        "vector",
        radius_range=(11.0, 22.5),
        floor_decades=4.5,
        simulation=Simulation(Optics(20.0, "intensity"), EwaldDetector(48, 0.01)),
    )
    model = Model(configuration).eval()
    checkpoint.save(tmp_path, model, TrainingConfiguration(), {"identity": {"radius_median_nm": 1.0}})
    loaded = checkpoint.load(tmp_path)
    assert loaded.model.configuration == configuration
    assert loaded.errors["identity"]["radius_median_nm"] == 1.0
    images = torch.rand(3, 48, 48)
    assert torch.equal(loaded.model(images), model(images))
    assert checkpoint.load(tmp_path / "weights.safetensors").digest == loaded.digest


def test_folders_without_weights_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match="weights"):
        checkpoint.load(tmp_path)
    with pytest.raises(ParameterError, match="weights"):
        checkpoint.load(tmp_path / "nothing")
    (tmp_path / "weights.safetensors").write_bytes(b"not weights")
    with pytest.raises(ParameterError, match="safetensors"):
        checkpoint.load(tmp_path)
    save_file({"a": torch.zeros(3)}, str(tmp_path / "weights.safetensors"))
    with pytest.raises(ParameterError, match="format"):
        checkpoint.load(tmp_path)


def test_weights_of_another_kind_are_told_from_those_of_another_version(tmp_path: Path) -> None:
    model = Model(ModelConfiguration(ResidualConfiguration((1,), 2)))
    particles = "weights that find particles, as `invert predict` takes them"
    labels = "weights that find labels, as `invert classify` takes them"
    checkpoint.save(tmp_path, model, TrainingConfiguration(), {})
    with pytest.raises(ParameterError, match=f"got .*safetensors, {particles}; allowed: {labels}$"):
        classifier.load(tmp_path)
    checkpoint.write(tmp_path, classifier.FORMAT, model, {}, {})
    with pytest.raises(ParameterError, match=f"got .*safetensors, {labels}; allowed: {particles}$"):
        checkpoint.load(tmp_path)
    for given in ("msft-invert 2", "something else"):
        checkpoint.write(tmp_path, given, model, {}, {})
        with pytest.raises(ParameterError, match=f"of the format {given}; allowed: .* {checkpoint.FORMAT}$"):
            checkpoint.load(tmp_path)


def test_truncated_weights_are_refused(tmp_path: Path) -> None:
    model = Model(ModelConfiguration(ResidualConfiguration((1,), 2)))
    checkpoint.save(tmp_path, model, TrainingConfiguration(), {})
    whole = (tmp_path / "weights.safetensors").read_bytes()
    (tmp_path / "weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ParameterError, match="safetensors"):
        checkpoint.load(tmp_path)
