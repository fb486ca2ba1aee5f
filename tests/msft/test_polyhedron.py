"""Convex polyhedra: geometry against closed forms, chords against half-spaces."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from msft.bodies import ConvexPolyhedron, named
from msft.errors import ParameterError

CUBE = ConvexPolyhedron.from_vertices("cube", list(itertools.product((-7.0, 7.0), repeat=3)))
OCTAHEDRON = ConvexPolyhedron.from_vertices("octahedron", np.vstack([np.eye(3), -np.eye(3)]))
TETRAHEDRON = ConvexPolyhedron.from_vertices(
    "tetrahedron", [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
)
ICOSAHEDRON = named("icosahedron")
LUMP = ConvexPolyhedron.from_vertices("lump", np.random.default_rng(4).standard_normal((25, 3)))
BODIES = [CUBE, OCTAHEDRON, TETRAHEDRON, ICOSAHEDRON, LUMP]
each_body = pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)


@pytest.mark.parametrize(
    ("body", "faces", "corners", "edge", "volume_of_edge_one"),
    [
        (CUBE, 6, 4, 2 / math.sqrt(3), 1.0),
        (OCTAHEDRON, 8, 3, math.sqrt(2), math.sqrt(2) / 3),
        (TETRAHEDRON, 4, 3, math.sqrt(8 / 3), math.sqrt(2) / 12),
        (ICOSAHEDRON, 20, 3, 1 / math.sin(2 * math.pi / 5), 5 * (3 + math.sqrt(5)) / 12),
    ],
    ids=["cube", "octahedron", "tetrahedron", "icosahedron"],
)
def test_regular_bodies_have_their_faces_and_volumes(
    body: ConvexPolyhedron, faces: int, corners: int, edge: float, volume_of_edge_one: float
) -> None:
    assert body.faces.shape == (faces, corners)
    assert body.volume == pytest.approx(volume_of_edge_one * edge**3)
    np.testing.assert_allclose(np.linalg.norm(body.vertices, axis=1), 1, rtol=1e-14)


def test_the_icosahedron_stands_as_the_conventions_say() -> None:
    assert isinstance(ICOSAHEDRON, ConvexPolyhedron)
    phi = (1 + math.sqrt(5)) / 2
    expected = {(0.0, a, b * phi) for a in (-1, 1) for b in (-1, 1)}
    corners = [np.roll(corner, shift) for corner in expected for shift in range(3)]
    wanted = np.array(corners) / math.hypot(1, phi)
    distances = np.linalg.norm(wanted[:, None] - ICOSAHEDRON.vertices[None], axis=-1)
    assert len(wanted) == len(ICOSAHEDRON.vertices) == 12
    assert distances.min(axis=1).max() < 1e-14


@each_body
def test_faces_are_planar_and_counter_clockwise_from_outside(body: ConvexPolyhedron) -> None:
    for face, normal, offset in zip(body.faces, body.normals, body.offsets, strict=True):
        corners = body.vertices[face[face >= 0]]
        np.testing.assert_allclose(corners @ normal, offset, atol=1e-14)
        for a, b, c in zip(corners, np.roll(corners, -1, 0), np.roll(corners, -2, 0), strict=True):
            assert np.cross(b - a, c - b) @ normal > 0
    assert (body.vertices @ body.normals.T <= body.offsets + 1e-12).all()
    np.testing.assert_allclose(np.linalg.norm(body.normals, axis=1), 1, rtol=1e-14)


@each_body
def test_the_faces_close_to_the_volume(body: ConvexPolyhedron) -> None:
    # divergence theorem: V = sum of area * offset / 3, and the areas' normals sum to zero
    areas = []
    for face, normal in zip(body.faces, body.normals, strict=True):
        corners = body.vertices[face[face >= 0]]
        areas.append(np.cross(corners, np.roll(corners, -1, axis=0)).sum(axis=0) @ normal / 2)
    assert np.array(areas) @ body.offsets / 3 == pytest.approx(body.volume)
    np.testing.assert_allclose(np.array(areas) @ body.normals, 0, atol=1e-13)


@each_body
def test_chords_end_where_the_hull_ends(body: ConvexPolyhedron) -> None:
    rotation = Rotation.random(random_state=3).as_matrix()
    radius = 40.0
    hull = ConvexHull(radius * body.vertices @ rotation.T)
    x, y = np.random.default_rng(0).uniform(-radius, radius, (2, 400))
    z_in, z_out = body.columns(x, y, rotation, radius)
    hit = z_out > z_in
    assert 0.1 < hit.mean() < 0.9
    for index in np.flatnonzero(hit):
        for z in (z_in[index], z_out[index]):
            distances = hull.equations[:, :3] @ [x[index], y[index], z] + hull.equations[:, 3]
            assert distances.max() == pytest.approx(0, abs=1e-9)
    depth = np.linspace(-radius, radius, 301)
    for index in np.flatnonzero(~hit):
        points = np.stack([np.full(301, x[index]), np.full(301, y[index]), depth])
        assert ((hull.equations[:, :3] @ points + hull.equations[:, 3:]).max(axis=0) > -1e-9).all()


@each_body
def test_chords_contain_the_points_that_are_inside(body: ConvexPolyhedron) -> None:
    rotation = Rotation.random(random_state=5).as_matrix()
    points = np.random.default_rng(1).uniform(-40, 40, (3000, 3))
    z_in, z_out = body.columns(points[:, 0], points[:, 1], rotation, 40.0)
    between = (z_in < points[:, 2]) & (points[:, 2] < z_out)
    np.testing.assert_array_equal(body.contains(points, rotation, 40.0), between)
    # as many as the volume says
    inside = between.mean() * 80**3
    assert inside == pytest.approx(body.volume * 40**3, rel=0.15)


def test_the_rotation_turns_the_body_into_the_lab() -> None:
    # a needle along x, turned by +90 degrees about the beam, lies along y
    needle = ConvexPolyhedron.from_vertices("needle", np.vstack([np.eye(3), -np.eye(3)]) * [10, 1, 2])
    turn = Rotation.from_euler("z", 90, degrees=True).as_matrix()
    assert needle.contains(np.array([0.0, 9, 0]), turn, 10.0)
    assert not needle.contains(np.array([9.0, 0, 0]), turn, 10.0)
    tilt = Rotation.from_euler("y", 30, degrees=True).as_matrix()  # x goes to (cos 30, 0, -sin 30)
    z_in, z_out = needle.columns(np.array(6.0), np.array(0.0), tilt, 10.0)
    assert z_in < -6 * math.tan(math.radians(30)) < z_out


def test_faces_along_the_beam_cut_the_columns() -> None:
    side = 10 / math.sqrt(3)
    x = np.array([0.0, 0.999 * side, 1.001 * side])
    z_in, z_out = CUBE.columns(x, np.zeros(3), np.eye(3), 10.0)
    np.testing.assert_allclose(z_in[:2], -side)
    np.testing.assert_allclose(z_out[:2], side)
    assert z_out[2] <= z_in[2]


@pytest.mark.parametrize(
    "vertices",
    [
        np.eye(3),
        np.zeros((4, 2)),
        np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0.0]]),
        np.array([[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0.5, 0.5, 0.0]]),
        np.array(list(itertools.product((1.0, 2.0), repeat=3))),
        np.full((5, 3), np.nan),
        np.zeros((5, 3)),
    ],
    ids=["three", "flat arrays", "a square", "a star", "beside the origin", "nan", "all at the origin"],
)
def test_points_that_enclose_no_volume_around_the_origin_are_refused(vertices: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        ConvexPolyhedron.from_vertices("wrong", vertices)
    assert caught.value.field == "vertices"


def test_points_inside_the_hull_change_nothing() -> None:
    with_centre = ConvexPolyhedron.from_vertices("cube", np.vstack([CUBE.vertices, [[0.1, 0.2, 0.3]]]))
    assert with_centre.volume == pytest.approx(CUBE.volume)
    assert with_centre.faces.shape == CUBE.faces.shape


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_half_spaces_give_back_the_body(body: ConvexPolyhedron) -> None:
    lengths = np.random.default_rng(0).uniform(0.5, 20, len(body.offsets))
    again = ConvexPolyhedron.from_half_spaces(
        "again", body.normals * lengths[:, None], 3.0 * body.offsets * lengths
    )
    assert again.volume == pytest.approx(body.volume)
    assert again.faces.shape == body.faces.shape
    # a half-space that cuts nothing changes nothing
    more = ConvexPolyhedron.from_half_spaces(
        "more", np.vstack([body.normals, [[0, 0, 1]]]), np.append(body.offsets, 5.0)
    )
    assert more.volume == pytest.approx(body.volume)
    assert more.faces.shape == body.faces.shape


OPEN = np.vstack([np.eye(3), -np.eye(3)[:2]])


@pytest.mark.parametrize(
    ("normals", "offsets"),
    [
        (OPEN, np.ones(5)),
        (np.vstack([np.eye(3), [[1, 1, 1]]]), np.ones(4)),
        (np.vstack([np.eye(3)[:2], -np.eye(3)[:2]]), np.ones(4)),
        (np.vstack([np.eye(3), -np.eye(3)]), np.array([1, 1, 1, 1, 1, 0.0])),
        (np.vstack([np.eye(3), -np.eye(3)]), np.array([1, 1, 1, 1, 1, -2.0])),
        (np.vstack([np.eye(3), -np.eye(3)]), np.full(6, math.nan)),
        (np.zeros((6, 3)), np.ones(6)),
        (np.eye(3), np.ones(3)),
        (np.vstack([np.eye(3), -np.eye(3)]), np.ones(5)),
        (np.ones((6, 2)), np.ones(6)),
    ],
    ids=["tube", "octant", "prism", "touching", "empty", "nan", "no normal", "three", "numbers", "flat"],
)
def test_half_spaces_that_bound_nothing_are_refused(normals: Any, offsets: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        ConvexPolyhedron.from_half_spaces("wrong", normals, offsets)
    assert caught.value.field == "half_spaces"
