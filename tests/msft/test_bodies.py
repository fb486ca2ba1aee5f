"""What holds of every body, and the closed forms of the smooth ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.spatial.transform import Rotation

from msft.bodies import BODIES, Dumbbell, Ellipsoid, HomogeneousBody, Sphere, capsule, named
from msft.errors import ParameterError

PROPORTIONS = ["ellipsoid(1,2,0.5)", "capsule(3)", "dumbbell(1.5,0)", "dumbbell(0.3,0.9)"]
PROPORTIONS += ["twins(0.9,0.6)", "twins(1.5,0.9,2.5)", "twins(2.5,0.4,0.5)"]
SHAPES = [name for name in BODIES if isinstance(named(name), HomogeneousBody)] + PROPORTIONS
each_shape = pytest.mark.parametrize("name", SHAPES)
each_stretch = pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])

TURN = Rotation.random(random_state=7).as_matrix()


def made(name: str, factor: float = 1.0) -> HomogeneousBody:
    body = named(name).stretched(factor)
    assert isinstance(body, HomogeneousBody)
    return body


@each_shape
@each_stretch
def test_chords_hold_the_points_that_are_inside(name: str, factor: float) -> None:
    body, radius = made(name, factor), 30.0
    points = np.random.default_rng(2).uniform(-radius, radius, (20000, 3))
    z_in, z_out = body.chords(points[:, 0], points[:, 1], TURN, radius)
    within = (z_in < points[:, 2]) & (points[:, 2] < z_out)
    assert within.sum(axis=0).max() == 1, "chords of one column do not overlap"
    np.testing.assert_array_equal(within.any(axis=0), body.contains(points, TURN, radius))
    # they come in the order in which the beam meets them
    there = z_out > z_in
    for one, other in zip(range(len(z_in)), range(1, len(z_in)), strict=False):
        both = there[one] & there[other]
        assert (z_out[one][both] <= z_in[other][both]).all()


@each_shape
@each_stretch
def test_chords_sum_to_the_volume(name: str, factor: float) -> None:
    body = made(name, factor)
    axis = (np.arange(500) - 249.5) / 250
    z_in, z_out = body.chords(axis[None], axis[:, None], TURN, 1.0)
    found = np.maximum(z_out - z_in, 0).sum() * (axis[1] - axis[0]) ** 2
    assert found == pytest.approx(body.volume, rel=2e-3)


@each_shape
@each_stretch
def test_the_farthest_point_lies_at_distance_one(name: str, factor: float) -> None:
    body = made(name, factor)
    points = np.random.default_rng(3).uniform(-1.3, 1.3, (300000, 3))
    distance = np.linalg.norm(points, axis=1)
    inside = body.contains(points, np.eye(3), 1.0)
    assert distance[inside].max() <= 1
    # and it is reached: scaled up a little, the body leaves the unit sphere
    axis = (np.arange(401) - 200) / 200 * 1.05
    z_in, z_out = body.chords(axis[None], axis[:, None], np.eye(3), 1.05)
    across = np.hypot(axis[None], axis[:, None])
    there = z_out > z_in
    reached = np.maximum(np.hypot(across, z_in), np.hypot(across, z_out))[there].max()
    assert 1.0 < reached < 1.05 + 1e-9


@each_shape
def test_a_stretch_is_the_affine_map_of_the_body(name: str) -> None:
    body, long = made(name), made(name, 2.5)
    points = np.random.default_rng(4).uniform(-1, 1, (30000, 3))
    # the stretched body is scaled by an unknown common factor: the one that its volume tells
    scale = (2.5 * body.volume / long.volume) ** (1 / 3)
    mapped = points * [1, 1, 2.5] / scale
    inside = body.contains(points, np.eye(3), 1.0)
    assert 0.01 < inside.mean() < 0.9
    np.testing.assert_array_equal(long.contains(mapped, np.eye(3), 1.0), inside)


@each_shape
def test_stretches_follow_each_other(name: str) -> None:
    body = made(name)
    assert body.stretched(1.0) is body
    assert body.stretched(2.0).stretched(0.5).volume == pytest.approx(body.volume)
    assert body.stretched(1.3).stretched(2.0).volume == pytest.approx(body.stretched(2.6).volume)
    assert body.stretched(2.0).name == name


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan, math.inf, 1e-3, 1e3])
@pytest.mark.parametrize("name", ["icosahedron", "sphere", "dumbbell"])
def test_an_impossible_stretch_is_refused(name: str, factor: float) -> None:
    with pytest.raises(ParameterError, match=r"0\.01 to 100") as caught:
        named(name).stretched(factor)
    assert caught.value.field == "stretch"


def test_a_stretched_sphere_is_a_spheroid() -> None:
    spheroid = Sphere().stretched(0.5)
    assert isinstance(spheroid, Ellipsoid)
    assert spheroid.semi_axes == (1.0, 1.0, 0.5)
    assert Sphere().stretched(2.0).volume == pytest.approx(4 / 3 * math.pi * 0.25)


def test_a_capsule_is_a_cylinder_with_half_spheres() -> None:
    # three diameters long: cylinder 2 x diameter, circumsphere radius 3 / 2 diameters
    r = 1 / 3
    expected = math.pi * r**2 * (4 * r) + 4 / 3 * math.pi * r**3
    assert capsule(3.0).volume == pytest.approx(expected)


@pytest.mark.parametrize(
    "lengths", [(1.0, 1.0, 0.5), (0.3, 1.0, 0.9), (0.7, 1.0, 0.2), (2.0, 1.0, 0.0), (1.2, 1.0, 0.6, 0.4)]
)
def test_the_volume_of_a_dumbbell_is_that_of_its_profile(lengths: Any) -> None:
    body = Dumbbell(*lengths)

    def section(z: float) -> float:
        lobe = 1 - ((z - body.half_distance) / body.lobe_height) ** 2
        squared = max(0.0, lobe) * body.lobe_radius**2
        if z < body.half_distance:
            squared = max(squared, body.neck_radius**2)
        return math.pi * squared

    half = quad(section, 0, body.half_distance + body.lobe_height, limit=300, points=[body.half_distance])[0]
    assert body.volume == pytest.approx(2 * half, rel=1e-6)


def test_a_beam_through_both_lobes_and_the_neck_has_three_chords() -> None:
    body = Dumbbell(2.0, 1.0, 0.2)
    half, lobe = body.half_distance, body.lobe_radius
    # a tilt at which the beam through the centre leaves a lobe, crosses the neck and enters the other one
    tilt = math.atan(0.35)
    turn = Rotation.from_euler("y", tilt).as_matrix()
    z_in, z_out = body.chords(np.array([0.0]), np.array([0.0]), turn, 1.0)
    assert (z_out > z_in).all()
    # by Pythagoras, the beam passes the lobes' centres at distance half * sin(tilt)
    chord = 2 * math.sqrt(lobe**2 - (half * math.sin(tilt)) ** 2)
    assert (z_out - z_in)[[0, 2], 0] == pytest.approx([chord, chord])
    assert (z_out - z_in)[1, 0] == pytest.approx(2 * body.neck_radius / math.sin(tilt))


def test_a_beam_along_the_axis_sees_the_lids_of_the_neck() -> None:
    body = capsule(2.0)
    z_in, z_out = body.chords(np.array([0.0, 0.4, 0.6]), np.zeros(3), np.eye(3), 1.0)
    length = np.maximum(z_out - z_in, 0).sum(axis=0)
    np.testing.assert_allclose(length, [2.0, 1 + 2 * 0.3, 0.0])


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Ellipsoid((1.0, 0.0, 1.0)), "semi_axes"),
        (lambda: Ellipsoid((1.0, math.nan, 1.0)), "semi_axes"),
        (lambda: Dumbbell(0.0, 1.0), "half_distance"),
        (lambda: Dumbbell(1.0, -1.0), "lobe_radius"),
        (lambda: Dumbbell(1.0, 1.0, 1.1), "neck_radius"),
        (lambda: Dumbbell(1.0, 1.0, 0.1, math.inf), "lobe_height"),
        (lambda: capsule(1.0), "length"),
        (lambda: capsule(math.nan), "length"),
    ],
)
def test_impossible_proportions_are_refused(make: Any, field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        make()
    assert caught.value.field == field
