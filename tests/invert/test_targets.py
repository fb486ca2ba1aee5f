"""Particles to numbers and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from invert.dihedral import HALF_TURN, turned_orientations
from invert.targets import RADIUS_WEIGHT, Target, target_named
from msft.rotation import from_rotation_vector, multiply
from msft.symmetry import misorientation, random_orientations, to_fundamental_domain

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


def viewed(target: Target, views: list[int], count: int, angle: float, seed: int) -> Any:
    """Particles, and the numbers (V, N, size) of views that each err by `angle` degrees and 1 nm."""
    generator = np.random.default_rng(seed)
    radius, orientation = generator.uniform(*RANGE, count), random_orientations(generator, count)
    turned = turned_orientations(orientation, 8)
    numbers = []
    for view in views:
        errors = generator.standard_normal((count, 3))
        errors *= np.radians(angle) / np.linalg.norm(errors, axis=1, keepdims=True)
        off = to_fundamental_domain(multiply(from_rotation_vector(errors), turned[:, view]))
        numbers.append(target.encode(radius + generator.choice([-1, 1], count), off))
    return radius, orientation, np.array(numbers)


def test_views_that_err_apart_are_better_together() -> None:
    target = target_named("code", RANGE)
    views = target.views(8)
    assert views == list(range(8))
    radius, orientation, numbers = viewed(target, views, 400, 2.0, 2)
    joined = target.joined(numbers, views)
    found_radius, found = target.decode(joined.numbers)
    # independent errors of 2 degrees in eight views leave 2 / sqrt(8)
    error = np.degrees(misorientation(found, orientation))
    assert np.sqrt((error**2).mean()) == pytest.approx(2 / np.sqrt(8), rel=0.05)
    assert np.sqrt(((found_radius - radius) ** 2).mean()) == pytest.approx(1 / np.sqrt(8), rel=0.1)
    expected = np.sqrt(7 / 8)  # of the spread about their own mean
    assert np.sqrt((joined.spread[:, 0] ** 2).mean()) == pytest.approx(expected, rel=0.05)
    assert np.degrees(np.sqrt((joined.spread[:, 1] ** 2).mean())) == pytest.approx(2 * expected, rel=0.05)


def test_numbers_that_jump_are_not_averaged() -> None:
    target = target_named("vector", RANGE)
    views = target.views(8)
    assert views == [0, HALF_TURN]
    _, _, numbers = viewed(target, views, 400, 2.0, 3)
    joined = target.joined(numbers, views)
    assert np.array_equal(joined.numbers, numbers[0])
    assert set(np.round(joined.spread[:, 0], 6)) == {0.0, 2.0}
    assert np.degrees(joined.spread[:, 1]).max() == pytest.approx(4.0, abs=0.05)
    assert np.sqrt((joined.spread[:, 1] ** 2).mean()) == pytest.approx(np.radians(2 * np.sqrt(2)), rel=0.05)
