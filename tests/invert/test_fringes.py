"""Fringes of two particles: found where two-beam interference puts them, not where one particle shines."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.scaling import log_scale
from invert.fringes import fringes
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

PIXELS = 96
DETECTOR = EwaldDetector(pixels=PIXELS, q_step=4 / 3 * PAPER_Q_STEP)


def strength(grey: torch.Tensor, radius: float, valid: np.ndarray | None = None) -> np.ndarray:
    weight = torch.ones(grey.shape) if valid is None else torch.from_numpy(valid).float()
    radii = torch.full((len(grey),), radius)
    return np.asarray(fringes(grey.float(), weight, radii, 100.0, DETECTOR.q_step).numpy())


@pytest.mark.parametrize("angle", [0.0, 0.4, 1.571, 2.5])
def test_two_beams_interfere_at_their_distance(angle: float) -> None:
    q = DETECTOR.axis
    phase = 200 * (q[None, :] * np.cos(angle) + q[:, None] * np.sin(angle))
    grey = torch.from_numpy(0.5 + 0.1 * np.cos(phase))[None]
    # 200 nm are outside of a particle of 2 x 90 nm, inside one of 2 x 110 nm
    assert strength(grey, 90.0)[0] > 1
    assert strength(grey, 110.0)[0] < -1


def test_two_icosahedra_have_them_and_one_has_not() -> None:
    simulation = Simulation(detector=DETECTOR)
    particles = ParticleDistribution((50.0, 80.0)).draw(1, range(24))
    amplitude = simulation.amplitude(particles)
    far = np.exp(-1j * 230 * DETECTOR.axis)[None, None, :]
    one = log_scale(torch.from_numpy(np.abs(amplitude[:12]) ** 2))
    two = log_scale(torch.from_numpy(np.abs(amplitude[:12] + far * amplitude[12:]) ** 2))
    lit = np.broadcast_to(np.hypot(*np.meshgrid(DETECTOR.axis, DETECTOR.axis)) < 0.44, one.shape).copy()
    lit[:, PIXELS // 2 - 4 : PIXELS // 2 + 4, PIXELS // 2 - 4 : PIXELS // 2 + 4] = False  # a hole
    with_fringes, without = strength(two, 80.0, lit), strength(one, 80.0, lit)
    assert np.mean(with_fringes[:, None] > without[None]) > 0.97


def test_any_frame_has_a_finite_answer() -> None:
    blank = torch.zeros((2, PIXELS, PIXELS))
    blank[1] = 1
    assert np.isfinite(strength(blank, 80.0)).all()
    nothing_seen = np.zeros(blank.shape, dtype=bool)
    assert np.isfinite(strength(torch.rand(2, PIXELS, PIXELS), 80.0, nothing_seen)).all()
    # a detector too coarse for any such period says nothing
    assert strength(blank, 1e4).tolist() == [0, 0]
