"""Datasets that were recorded: what travels along with every image of a pattern."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from augment import PAPER_FILTERS, log_scale
from augment.files import augment_file
from msft.dataset import create, missing_pixels, open_patterns
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.generate import generate_shard
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.shards import Shard, merge
from msft.shots import Recipe

COUNT = 70  # more than one batch
Q_STEP = 0.06  # nm^-1: the outermost pixels lie outside the Ewald sphere
NAMES = ("round", "strange")


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Several bodies, stretches, optics that differ, and labels that nobody could tell from the particles."""
    random = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("files") / "labelled.h5"
    particles = Particles(
        random.uniform(50, 150, COUNT),
        random.normal(size=(COUNT, 4)),
        random.choice(["sphere", "cube", "icosahedron"], COUNT),
        random.uniform(0.5, 2.0, COUNT),
    )
    simulation = Simulation(Optics(absorption="refractive"), EwaldDetector(16, Q_STEP), solver="chebyshev")
    optics = {"wavelength": random.uniform(13, 14, COUNT), "beta": random.uniform(0, 0.1, COUNT)}
    provenance = {"program": "test"}
    with create(path, COUNT, simulation, provenance, varying=list(optics), labels=NAMES) as writer:
        patterns = random.exponential(size=(COUNT, 16, 16)).astype(np.float32)
        labels = random.integers(0, 2, (COUNT, 2)).astype(np.uint8)
        writer.append(patterns, particles, optics, labels)
    return path


@pytest.mark.parametrize(("preset", "times"), [("paper", 11), ("experiment", 1)])
def test_every_image_keeps_what_its_pattern_shows(
    labelled: Path, tmp_path: Path, preset: str, times: int
) -> None:
    before = labelled.read_bytes()
    out = tmp_path / "out.h5"
    assert augment_file(labelled, out, preset) == times * COUNT
    with open_patterns(labelled) as given, open_patterns(out) as made:
        assert made.scale == "log"
        assert made.label_names == NAMES
        assert made.simulation == given.simulation
        for image in range(times):
            rows = slice(image, None, times)
            assert np.array_equal(made.labels[rows], given.labels)
            particles = made.particles[rows]
            for field in ("radius", "orientation", "stretch"):
                assert getattr(particles, field) == pytest.approx(getattr(given.particles, field), abs=1e-12)
            assert np.array_equal(particles.bodies, given.particles.bodies)
            for name, values in given.shots.optics.items():
                assert made.shots.optics[name][rows] == pytest.approx(values, rel=1e-12)
        if preset == "paper":
            first = made.patterns(slice(0, None, times))
            patterns = torch.from_numpy(given.patterns(slice(None)))
            assert PAPER_FILTERS[0] == "identity"
            assert np.array_equal(first, log_scale(patterns).numpy())
    with h5py.File(out) as file:
        mask = file["/entry_1/data_1/mask"][:]
    q = Q_STEP * (np.arange(16) - 8)
    outside = np.hypot(q[:, None], q) >= 2 * np.pi / 13.5
    assert outside.any()
    # the wavelength differs from pattern to pattern, and with it what the sphere reaches; shifts move that
    with open_patterns(labelled) as given:
        own = np.stack([missing_pixels(given.shots.simulation_of(row)) for row in range(COUNT)])
    assert len(np.unique(own, axis=0)) > 1
    if preset == "paper":
        assert np.array_equal(mask[::times], own)
    with open_patterns(out) as made:
        images, names = made.patterns(slice(None)), PAPER_FILTERS if preset == "paper" else ()
    for place, name in enumerate(names):
        if name == "shift":  # what is dark because no light arrives is not told to be measured
            good = mask[place::times] == 0
            assert (images[place::times][good] > 0).all()
            assert good.any(axis=(1, 2)).all()
    assert labelled.read_bytes() == before


def test_no_shard_of_what_is_read_is_replaced(tmp_path: Path) -> None:
    recipe = Recipe(simulation=Simulation(detector=EwaldDetector(16, Q_STEP)))
    shards = [generate_shard(tmp_path / "shards", Shard(number, 2), 2, recipe) for number in (1, 2)]
    whole = tmp_path / "whole.h5"
    merge(shards, whole)
    before = [shard.read_bytes() for shard in shards]
    with pytest.raises(ParameterError, match="another file than those that are read"):
        augment_file(whole, shards[0], "experiment", force=True)
    assert [shard.read_bytes() for shard in shards] == before
