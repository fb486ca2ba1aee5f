"""Particles to numbers and back."""

from __future__ import annotations

import numpy as np
import pytest

from invert.targets import RADIUS_WEIGHT, Target, target_named
from msft.symmetry import misorientation, random_orientations

RANGE = (30.0, 160.0)


@pytest.fixture(params=["vector", "code"])
def target(request: pytest.FixtureRequest) -> Target:
    return target_named(request.param, RANGE)


def test_decode_inverts_encode(target: Target) -> None:
    generator = np.random.default_rng(0)
    radius, orientation = generator.uniform(*RANGE, 200), random_orientations(generator, 200)
    numbers = target.encode(radius, orientation)
    assert numbers.shape == (200, target.size)
    back_radius, back_orientation = target.decode(numbers)
    assert np.allclose(back_radius, radius)
    assert misorientation(back_orientation, orientation).max() < 1e-7


def test_numbers_do_not_exceed_one_and_the_scaled_ones_fill_their_range(target: Target) -> None:
    generator = np.random.default_rng(1)
    numbers = target.encode(generator.uniform(*RANGE, 5000), random_orientations(generator, 5000))
    assert np.abs(numbers[:, :-1]).max() <= 1
    largest = 1 if target.size == 5 else RADIUS_WEIGHT
    assert 0 <= numbers[:, -1].min() < 0.01 * largest < 0.99 * largest < numbers[:, -1].max() <= largest
    if target.size == 5:
        assert 0 <= numbers[:, 0].min() < 0.2 < 0.99 < numbers[:, 0].max() <= 1


def test_any_answer_of_a_network_is_a_particle(target: Target) -> None:
    wild = np.concatenate(
        [np.zeros((1, target.size)), 50 * np.random.default_rng(2).standard_normal((20, target.size))]
    )
    radius, orientation = target.decode(wild)
    assert (radius > 0).all()
    assert np.allclose(np.linalg.norm(orientation, axis=1), 1)
    assert np.degrees(2 * np.arccos(orientation[:, 0])).max() < 44.49
