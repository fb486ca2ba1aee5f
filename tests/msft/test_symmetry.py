"""The icosahedral group and its fundamental domain against brute force."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.transform import Rotation

from msft.rotation import from_axis_angle, multiply, random_rotations, rotation_angle, rotation_matrix
from msft.symmetry import (
    component_ranges,
    distance_to_surface,
    icosahedral_group,
    misorientation,
    random_orientations,
    to_fundamental_domain,
)

FloatArray = NDArray[np.float64]

PHI = (1 + math.sqrt(5)) / 2
# (0, +-1, +-phi) and its cyclic permutations, written out
VERTICES = np.array(
    [(0, a, b * PHI) for a in (-1, 1) for b in (-1, 1)]
    + [(b * PHI, 0, a) for a in (-1, 1) for b in (-1, 1)]
    + [(a, b * PHI, 0) for a in (-1, 1) for b in (-1, 1)]
)
INSPHERE = math.pi / 5
"""Rotation angle at the middle of the domain's faces, half a fivefold turn: all smaller ones lie inside."""


@cache
def group_of_scipy() -> FloatArray:
    """The 60 rotations (w, x, y, z) by SciPy, whose icosahedron may be turned by 90 degrees about z."""
    for turn in (Rotation.identity(), Rotation.from_euler("z", 90, degrees=True)):
        group = turn * Rotation.create_group("I") * turn.inv()
        if all(same_points(VERTICES @ matrix.T, VERTICES) for matrix in group.as_matrix()):
            return np.roll(group.as_quat(), 1, axis=1)
    raise AssertionError("SciPy's icosahedral group has other axes")


def same_points(left: FloatArray, right: FloatArray) -> bool:
    distance = np.linalg.norm(left[:, None] - right[None], axis=-1)
    return bool((distance.min(axis=0) < 1e-9).all() and (distance.min(axis=1) < 1e-9).all())


def smallest_angle(q: FloatArray) -> FloatArray:
    """Smallest rotation angle of q s over SciPy's group, shape (N,)."""
    w = np.abs(multiply(q[:, None], group_of_scipy())[..., 0])
    return np.asarray(2 * np.arccos(np.minimum(w.max(axis=1), 1.0)))


def uniform(count: int, seed: int = 5) -> FloatArray:
    return random_rotations(np.random.default_rng(seed), count)


def test_the_group_has_the_rotations_of_scipy() -> None:
    ours, theirs = icosahedral_group(), group_of_scipy()
    assert ours.shape == theirs.shape == (60, 4)
    overlap = np.abs(ours @ theirs.T)
    assert ((overlap > 1 - 1e-12).sum(axis=0) == 1).all()
    assert ((overlap > 1 - 1e-12).sum(axis=1) == 1).all()


def test_the_group_maps_the_vertices_onto_themselves_and_starts_with_the_identity() -> None:
    np.testing.assert_array_equal(icosahedral_group()[0], [1, 0, 0, 0])
    assert all(same_points(VERTICES @ matrix.T, VERTICES) for matrix in rotation_matrix(icosahedral_group()))


def test_the_projection_takes_the_smallest_angle_of_all_equivalents() -> None:
    q = uniform(2000)
    projected = to_fundamental_domain(q)
    np.testing.assert_allclose(rotation_angle(projected), smallest_angle(q), atol=1e-7)
    assert (projected[:, 0] >= 0).all()
    np.testing.assert_allclose(np.linalg.norm(projected, axis=1), 1, atol=1e-14)


def test_the_projected_orientation_shows_the_same_body() -> None:
    q = uniform(50)
    for before, after in zip(rotation_matrix(q), rotation_matrix(to_fundamental_domain(q)), strict=True):
        assert same_points(VERTICES @ before.T, VERTICES @ after.T)


def test_the_projection_is_idempotent_and_blind_to_symmetry_and_sign() -> None:
    q = uniform(300)
    projected = to_fundamental_domain(q)
    np.testing.assert_array_equal(to_fundamental_domain(projected), projected)
    equivalents = multiply(q[:, None], group_of_scipy()).reshape(-1, 4)
    again = to_fundamental_domain(-equivalents).reshape(len(q), 60, 4)
    np.testing.assert_allclose(again, np.broadcast_to(projected[:, None], again.shape), atol=1e-12)


@pytest.mark.parametrize("vertex", list(VERTICES))
def test_on_the_surface_an_orientation_of_the_domain_is_kept(vertex: FloatArray) -> None:
    # half a fivefold turn, the middle of a face: as far from the identity as from that turn
    on_surface = from_axis_angle(vertex, math.pi / 5)
    np.testing.assert_array_equal(to_fundamental_domain(on_surface), on_surface)


def test_the_projection_keeps_leading_shapes() -> None:
    q = uniform(6)
    assert to_fundamental_domain(q[0]).shape == (4,)
    np.testing.assert_array_equal(
        to_fundamental_domain(q.reshape(2, 3, 4)).reshape(6, 4), to_fundamental_domain(q)
    )


def test_the_largest_angle_is_that_of_the_dodecahedrons_corners() -> None:
    assert math.degrees(2 * math.atan(math.tan(math.pi / 10) * 1.2584)) == pytest.approx(44.48, abs=0.005)
    # towards a threefold axis lies a corner: beyond it another equivalent is nearer
    angles = np.radians(np.linspace(40, 50, 1001))
    folded = rotation_angle(to_fundamental_domain(from_axis_angle([1.0, 1, 1], angles)))
    assert math.degrees(folded.max()) == pytest.approx(44.48, abs=0.01)
    sampled = rotation_angle(random_orientations(np.random.default_rng(0), 50_000))
    assert 43.0 < math.degrees(sampled.max()) <= 44.48


def test_random_orientations_have_the_angles_of_a_uniform_distribution() -> None:
    angle = rotation_angle(random_orientations(np.random.default_rng(1), 30_000))
    # inside the insphere the domain holds all rotations: 60 (a - sin a) / pi of the samples lie below a
    edges = np.linspace(0, INSPHERE, 13)
    below = 60 * (edges - np.sin(edges)) / math.pi
    expected = len(angle) * np.append(np.diff(below), 1 - below[-1])
    observed = np.append(np.histogram(angle, edges)[0], (angle > INSPHERE).sum())
    assert stats.chisquare(observed, expected).pvalue > 1e-3


def test_random_orientations_have_no_preferred_direction_inside_the_insphere() -> None:
    q = random_orientations(np.random.default_rng(2), 30_000)
    inside = q[rotation_angle(q) < INSPHERE, 1:]
    axes = inside / np.linalg.norm(inside, axis=1, keepdims=True)
    for component in axes.T:
        assert stats.kstest(component, stats.uniform(-1, 2).cdf).pvalue > 1e-3
    azimuth = np.histogram(np.arctan2(axes[:, 1], axes[:, 0]), 16, (-math.pi, math.pi))[0]
    assert stats.chisquare(azimuth).pvalue > 1e-3


def test_random_orientations_are_their_own_smallest_equivalents() -> None:
    q = random_orientations(np.random.default_rng(3), 500)
    np.testing.assert_allclose(rotation_angle(q), smallest_angle(q), atol=1e-7)


def test_component_ranges_enclose_samples_and_are_reached_by_them() -> None:
    q = random_orientations(np.random.default_rng(4), 200_000)
    low, high = component_ranges()
    assert (q >= low - 1e-12).all()
    assert (q <= high + 1e-12).all()
    # measured gap of 200,000 samples: 0.006 of 0.36
    np.testing.assert_allclose(q.min(axis=0), low, atol=0.012)
    np.testing.assert_allclose(q.max(axis=0), high, atol=0.012)
    # the corner along [1, 1, 1] is reached exactly
    corner = math.radians(44.4776)
    assert low[0] == pytest.approx(math.cos(corner / 2), abs=1e-6)


def test_misorientation_is_the_smallest_angle_over_all_equivalents() -> None:
    p, q = uniform(300, 6), uniform(300, 7)
    between = multiply(p * [1, -1, -1, -1], q)
    np.testing.assert_allclose(misorientation(p, q), smallest_angle(between), atol=1e-7)


def test_misorientation_is_symmetric_and_zero_for_equivalents() -> None:
    p, q = uniform(300, 6), uniform(300, 7)
    np.testing.assert_allclose(misorientation(p, q), misorientation(q, p), atol=1e-12)
    equivalents = multiply(p[:, None], group_of_scipy())
    # arctan2 keeps the digits of small angles; measured 1e-15
    assert misorientation(p[:, None], equivalents).max() < 1e-13
    np.testing.assert_allclose(
        misorientation(equivalents, q[:, None]),
        np.repeat(misorientation(p, q)[:, None], 60, axis=1),
        atol=1e-12,
    )


def test_misorientation_obeys_the_triangle_inequality_and_the_lab_frame_is_free() -> None:
    p, q, r = uniform(2000, 6), uniform(2000, 7), uniform(2000, 8)
    assert (misorientation(p, r) <= misorientation(p, q) + misorientation(q, r) + 1e-12).all()
    np.testing.assert_allclose(
        misorientation(multiply(r, p), multiply(r, q)), misorientation(p, q), atol=1e-12
    )


def test_misorientation_of_a_small_turn_is_the_turn() -> None:
    p = uniform(20)
    turned = multiply(from_axis_angle([1.0, 2, 3], 1e-6), p)
    np.testing.assert_allclose(misorientation(p, turned), 1e-6, rtol=1e-9)


def test_a_random_guess_is_31_degrees_off() -> None:
    distance = np.degrees(misorientation(uniform(20_000, 9), uniform(20_000, 10)))
    assert np.median(distance) == pytest.approx(31, abs=0.5)


def test_the_distance_to_the_surface_is_what_an_orientation_can_turn_without_leaving_the_domain() -> None:
    generator = np.random.default_rng(5)
    inside = random_orientations(generator, 10)
    distance = distance_to_surface(inside)
    axes = random_rotations(generator, 1000)[:, 1:]
    for orientation, angle in zip(inside, distance, strict=True):
        turned = {
            factor: multiply(from_axis_angle(axes, np.full(len(axes), factor * angle)), orientation)
            for factor in (0.999, 1.1)
        }
        left = {
            factor: rotation_angle(q) > rotation_angle(to_fundamental_domain(q)) + 1e-9
            for factor, q in turned.items()
        }
        assert not left[0.999].any()
        assert left[1.1].any()
    assert distance_to_surface([1.0, 0, 0, 0]) == pytest.approx(np.radians(36))
