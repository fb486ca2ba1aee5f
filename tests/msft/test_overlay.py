"""The projected mesh: areas and volumes of its cells, and how they hang together."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from msft.bodies import ConvexPolyhedron, named
from msft.solvers.overlay import TOGETHER, Ahead, Meshes, meshes

FloatArray = NDArray[np.float64]

CUBE = ConvexPolyhedron.from_vertices("cube", list(itertools.product((-1.0, 1.0), repeat=3)))
TETRAHEDRON = ConvexPolyhedron.from_vertices(
    "tetrahedron", [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
)
LUMP = ConvexPolyhedron.from_vertices("lump", np.random.default_rng(4).standard_normal((25, 3)))
QUATERNIONS = np.vstack([[1.0, 0, 0, 0], np.roll(Rotation.random(5, random_state=1).as_quat(), 1, axis=1)])
each_body = pytest.mark.parametrize(
    "body", [named("icosahedron"), CUBE, TETRAHEDRON, LUMP], ids=lambda body: body.name
)
each_orientation = pytest.mark.parametrize("q", list(QUATERNIONS), ids=range(len(QUATERNIONS)))


def cells(mesh: Meshes) -> list[tuple[float, FloatArray, FloatArray]]:
    """Sign, gradients and corners of each cell of the first mesh."""
    points, _, cells, loops = mesh.one(0)
    return [(cell[4], cell[:4], points[loop[loop >= 0]]) for cell, loop in zip(cells, loops, strict=True)]


def area(corners: FloatArray) -> float:
    x, y = corners[:, 0], corners[:, 1]
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def mesh_of(body: object, q: FloatArray, radius: float = 50.0) -> Meshes:
    assert isinstance(body, ConvexPolyhedron)
    return meshes(body, np.array([radius]), q[None])


def silhouette(body: ConvexPolyhedron, q: FloatArray, radius: float) -> float:
    turned = Rotation.from_quat(np.roll(q, -1)).apply(body.vertices) * radius
    return float(ConvexHull(turned[:, :2]).volume)


@each_body
@each_orientation
def test_entry_faces_and_overlay_each_cover_the_silhouette(body: ConvexPolyhedron, q: FloatArray) -> None:
    parts = cells(mesh_of(body, q))
    shadow = silhouette(body, q, 50.0)
    assert all(area(corners) > 0 for _, _, corners in parts)
    assert sum(area(corners) for sign, _, corners in parts if sign > 0) == pytest.approx(shadow, rel=1e-10)
    assert sum(area(corners) for sign, _, corners in parts if sign < 0) == pytest.approx(shadow, rel=1e-10)


@each_body
@each_orientation
def test_the_paths_through_the_cells_add_up_to_the_volume(body: ConvexPolyhedron, q: FloatArray) -> None:
    total = 0.0
    for sign, _, corners in cells(mesh_of(body, q)):
        if sign < 0:
            for a, b in itertools.pairwise(corners[1:]):
                total += area(np.array([corners[0], a, b])) * (corners[0, 3] + a[3] + b[3]) / 3
    assert total == pytest.approx(body.volume * 50**3, rel=1e-10)


@each_body
@each_orientation
def test_depth_and_path_are_linear_on_every_cell(body: ConvexPolyhedron, q: FloatArray) -> None:
    for sign, (z_x, z_y, l_x, l_y), corners in cells(mesh_of(body, q)):
        d = corners - corners[0]
        np.testing.assert_allclose(d[:, 2], z_x * d[:, 0] + z_y * d[:, 1], atol=1e-7)
        np.testing.assert_allclose(d[:, 3], l_x * d[:, 0] + l_y * d[:, 1], atol=1e-7)
        if sign > 0:
            assert (corners[:, 3] == 0).all()


@each_body
@each_orientation
def test_cells_lie_where_the_beam_enters_and_leaves(body: ConvexPolyhedron, q: FloatArray) -> None:
    matrix = Rotation.from_quat(np.roll(q, -1)).as_matrix()
    for sign, _, corners in cells(mesh_of(body, q)):
        x, y, z, path = corners.mean(axis=0)
        z_in, z_out = body.columns(np.array(x), np.array(y), matrix, 50.0)
        assert z == pytest.approx(float(z_in if sign > 0 else z_out), abs=1e-7)
        if sign < 0:
            assert path == pytest.approx(float(z_out - z_in), abs=1e-7)


def test_every_edge_of_a_cell_is_stored_once_with_the_cells_on_its_sides() -> None:
    mesh = mesh_of(named("icosahedron"), QUATERNIONS[1])
    _, edges, cells, loops = mesh.one(0)
    sides = [(int(a), int(b), int(left)) for a, b, left, _ in edges]
    sides += [(int(b), int(a), int(right)) for a, b, _, right in edges if right >= 0]
    wanted = []
    for cell in range(len(cells)):
        loop = [int(v) for v in loops[cell] if v >= 0]
        wanted += [(a, b, cell) for a, b in zip(loop, loop[1:] + loop[:1], strict=True)]
    assert sorted(sides) == sorted(wanted)


def assert_same(found: Meshes, expected: Meshes) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("times", [1, TOGETHER])  # by one thread, and by several where there are
def test_a_batch_holds_the_meshes_of_its_particles(times: int) -> None:
    radii = np.linspace(5, 80, 6 * times)
    orientations = np.tile(QUATERNIONS, (times, 1))
    together = meshes(LUMP, radii, orientations)
    for index in np.linspace(0, len(radii) - 1, 6).astype(int):
        alone = meshes(LUMP, radii[[index]], orientations[[index]])
        for one, other in zip(alone.one(0), together.only(slice(index, index + 1)).one(0), strict=True):
            np.testing.assert_array_equal(one, other)


def test_meshes_made_ahead_are_those_asked_for() -> None:
    radii = np.linspace(5, 80, 100)
    orientations = np.resize(QUATERNIONS, (100, 4))
    # as many as before, then fewer, as where memory is short, and the last ones
    asked = [(0, 30), (30, 60), (30, 45), (45, 60), (60, 75), (75, 90), (90, 100)]
    with Ahead(LUMP, radii, orientations) as ahead:
        for start, stop in asked:
            chosen = slice(start, stop)
            assert_same(ahead.of(chosen), meshes(LUMP, radii[chosen], orientations[chosen]))
