"""A small dataset and a small network, trained once for all tests that need one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from invert.backbone import ResidualConfiguration
from invert.presets import Preset, TrainingConfiguration
from invert.train import train
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.generate import generate
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

SMALL = Simulation(detector=EwaldDetector(pixels=32, q_step=2 * PAPER_Q_STEP))
SMALL_PRESET = Preset(
    ResidualConfiguration(blocks=(1, 1), width=8, activation="relu"),
    "code",
    TrainingConfiguration(images=12_000, batch=32, learning_rate=6e-3, filters=("identity", "uniform_noise")),
)


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "dataset.h5"
    generate(path, 600, 1, ParticleDistribution((40.0, 80.0)), SMALL)
    return path


@pytest.fixture(scope="session")
def small_model(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    torch.set_num_threads(2)
    train(small_dataset, folder, SMALL_PRESET, torch.device("cpu"))
    return folder


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)
