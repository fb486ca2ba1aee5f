"""A small dataset and a small network, trained once for all tests that need one; frames for fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from invert.backbone import ResidualConfiguration
from invert.frames import Frames
from invert.labelling.classification import train as train_classifier
from invert.labelling.classification_presets import ClassificationPreset, ClassificationTraining
from invert.labelling.inputs import InputConfiguration
from invert.labelling.labels import read_labelled
from invert.presets import Preset, TrainingConfiguration
from invert.training.train import train
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.generate import generate
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.solvers import exact
from msft.symmetry import misorientation
from tests.invert import unmasked
from tests.invert.labelled import images_and_labels, write_labelled

SMALL = Simulation(detector=EwaldDetector(pixels=32, q_step=2 * PAPER_Q_STEP))
SMALL_PRESET = Preset(
    ResidualConfiguration(blocks=(1, 1), width=8, activation="relu"),
    "code",
    TrainingConfiguration(images=12_000, batch=32, learning_rate=6e-3, filters=("identity", "uniform_noise")),
)
RESUMED_PRESET = replace(SMALL_PRESET, training=replace(SMALL_PRESET.training, images=2_400))


@pytest.fixture(scope="session")
def small_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("small") / "dataset.h5"
    generate(path, 600, 1, ParticleDistribution((40.0, 80.0)), SMALL)
    return path


@pytest.fixture(scope="session")
def small_model(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "model"
    torch.set_num_threads(1)  # more only wait for each other with networks this small
    train(small_dataset, folder, SMALL_PRESET, torch.device("cpu"))
    return folder


@pytest.fixture(scope="session")
def counts() -> NDArray[np.float32]:
    """Photons of sixteen patterns of the default detector, 10^7 in each."""
    return unmasked.photons(Simulation().intensity(ParticleDistribution().draw(0, range(16))), 1e7)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's convolutions as a processor computes them: by default they round to the 11 bits of TF32."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def frames_of(
    images: NDArray[Any],
    scale: str = "linear",
    valid: NDArray[np.bool_] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> Frames:
    """Images (N, H, W) as if they had been read from a file that says nothing else."""
    images = np.asarray(images, dtype=np.float32)
    usable = np.isfinite(images)
    if valid is not None:
        usable &= valid
    if numbers is None:
        numbers = np.arange(len(images), dtype=np.int64)
    return Frames(images, usable, scale, numbers, "memory", None, None, None, None)


def photons(intensity: NDArray[Any], count: float, generator: np.random.Generator) -> NDArray[np.float32]:
    """Photons that a detector counts in each image (N, H, W), `count` an image on average."""
    mean = intensity / intensity.sum(axis=(1, 2), keepdims=True, dtype=np.float64) * count
    return np.asarray(generator.poisson(mean), dtype=np.float32)


def degrees_off(found: Any, true: Any) -> NDArray[np.float64]:
    """Distance of orientations in degrees, whichever of the 60 equivalents they are."""
    return np.asarray(np.degrees(misorientation(found, true)))


class Counter:
    """How many patterns were simulated since."""

    def __init__(self) -> None:
        self.patterns = 0

    def reset(self) -> None:
        self.patterns = 0


@pytest.fixture
def counter(monkeypatch: pytest.MonkeyPatch) -> Counter:
    """Counts the amplitudes that leave the solvers, below everything that counts patterns itself."""
    counted = Counter()
    through = exact.amplitudes_of

    def amplitudes_of(mesh: Any, radii: Any, *others: Any) -> Any:
        counted.patterns += len(radii)
        return through(mesh, radii, *others)

    monkeypatch.setattr(exact, "amplitudes_of", amplitudes_of)
    return counted


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier of lines and crosses, as `invert train` leaves it."""
    folder = tmp_path_factory.mktemp("classifier")
    path = write_labelled(folder / "labelled.h5", *images_and_labels(600, 1))
    preset = ClassificationPreset(
        ResidualConfiguration(
            (1, 1), 8, "leaky_relu", preactivated=True, pool=3, first_stride=1, first_activation="logarithmic"
        ),
        InputConfiguration(pixels=32),
        ClassificationTraining(epochs=12, batch=32, decay_epochs=8, learning_rate=0.05, momentum=0.9),
    )
    train_classifier(read_labelled(path), folder / "model", preset, torch.device("cpu"))
    return folder / "model"
