"""Mirrored patterns are those that turned particles give: compared with simulating them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from invert import dihedral
from invert.data import PatternDataset
from invert.targets import target_named
from invert.training.examples import Stored
from msft.detector import PAPER_Q_STEP, Detector, EwaldDetector, FlatDetector
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.symmetry import misorientation

PARTICLES = ParticleDistribution((50.0, 120.0)).draw(3, range(3))

DETECTORS: dict[str, Detector] = {
    "even": EwaldDetector(pixels=64, q_step=2 * PAPER_Q_STEP),
    "odd": EwaldDetector(pixels=63, q_step=2 * PAPER_Q_STEP),
    "polarised": EwaldDetector(pixels=63, q_step=2 * PAPER_Q_STEP, polarisation="y"),
    "flat": FlatDetector(pixels=63),
}


def patterns(detector: Detector, orientation: np.ndarray) -> torch.Tensor:
    simulation = Simulation(detector=detector, precision="double")
    return torch.from_numpy(simulation.intensity(Particles(PARTICLES.radius, orientation)))


@pytest.mark.parametrize("detector", DETECTORS.values(), ids=DETECTORS.keys())
def test_a_turned_particle_has_the_turned_pattern(detector: Detector) -> None:
    symmetries = dihedral.order(detector)
    turned = dihedral.turned_orientations(PARTICLES.orientation, symmetries)
    image = patterns(detector, PARTICLES.orientation)
    for symmetry in range(symmetries):
        expected = patterns(detector, turned[:, symmetry])
        found = dihedral.turned_patterns(image, torch.full((3,), symmetry))
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6 * float(image.max()))
        if symmetry:
            assert float((found - image).abs().max()) > 1e-3 * float(image.max())
            assert misorientation(turned[:, symmetry], PARTICLES.orientation).max() > 0.05


def test_linearly_polarised_light_tells_rows_from_columns() -> None:
    assert dihedral.order(DETECTORS["even"]) == 8
    assert dihedral.order(DETECTORS["polarised"]) == 4
    image = patterns(DETECTORS["polarised"], PARTICLES.orientation)
    orientation = dihedral.turned_orientations(PARTICLES.orientation, 8)[:, 4]
    exchanged = dihedral.turned_patterns(image, torch.full((3,), 4))
    assert not torch.allclose(exchanged, patterns(DETECTORS["polarised"], orientation), rtol=1e-2)


def test_each_pattern_of_a_batch_has_its_own_symmetry() -> None:
    images = torch.arange(8 * 25.0).reshape(8, 5, 5)
    together = dihedral.turned_patterns(images, torch.arange(8))
    alone = [dihedral.turned_patterns(images[k : k + 1], torch.tensor([k]))[0] for k in range(8)]
    assert torch.equal(together, torch.stack(alone))
    corners = {tuple(sorted(image[::4, ::4].flatten().tolist())) for image in together}
    assert len(corners) == 8, "each keeps its own four corners"
    assert len({tuple((image - image.mean()).flatten().tolist()) for image in together}) == 8


def test_stored_examples_know_the_numbers_of_each_symmetry() -> None:
    target = target_named("code", (30.0, 160.0))
    dataset = PatternDataset(torch.zeros((3, 4, 4)), PARTICLES, Simulation())
    _, numbers = Stored(dataset, target, 8).__getitems__([0, 2])
    assert numbers.shape == (2, 8, target.size)
    _, orientation = target.decode(numbers[1].double().numpy())
    expected = dihedral.turned_orientations(PARTICLES.orientation, 8)[2]
    assert np.degrees(misorientation(orientation, expected)).max() < 0.01
    assert torch.equal(Stored(dataset, target).__getitems__([0, 2])[1], numbers[:, :1])
