"""Bodies by name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.bodies import BODIES, ConvexPolyhedron, named
from msft.errors import ParameterError


@pytest.mark.parametrize("name", sorted(BODIES))
def test_a_named_body_knows_its_name(name: str) -> None:
    assert named(name).name == name
    assert named(name) is named(name)


@pytest.mark.parametrize("name", ["", "Icosahedron", "dodecahedrom", "cube(2)"])
def test_an_unknown_name_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(ParameterError, match="icosahedron") as caught:
        named(name)
    assert caught.value.field == "body"


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("ellipsoid(1,2)", None),
        ("capsule(1)", "length"),
        ("capsule(1,2,3)", "body"),
        ("ellipsoid(a,b,c)", "body"),
        ("sphere(x)", "body"),
        ("ellipsoid(1,-2,1)", "semi_axes"),
        ("dumbbell(1,1.5)", "neck_radius"),
    ],
)
def test_proportions_in_brackets_are_checked(name: str, field: str | None) -> None:
    if field is None:
        assert named(name).name == name
        return
    with pytest.raises(ParameterError) as caught:
        named(name)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("name", "faces", "vertices"),
    [
        ("tetrahedron", {3: 4}, 4),
        ("cube", {4: 6}, 8),
        ("octahedron", {3: 8}, 6),
        ("dodecahedron", {5: 12}, 20),
        ("icosahedron", {3: 20}, 12),
        ("truncated tetrahedron", {3: 4, 6: 4}, 12),
        ("truncated cube", {3: 8, 8: 6}, 24),
        ("truncated octahedron", {4: 6, 6: 8}, 24),
        ("truncated dodecahedron", {3: 20, 10: 12}, 60),
        ("truncated icosahedron", {5: 12, 6: 20}, 60),
        ("cuboctahedron", {3: 8, 4: 6}, 12),
        ("icosidodecahedron", {3: 20, 5: 12}, 30),
        ("decahedron", {3: 10}, 7),
        ("truncated twinned tetrahedron", {3: 2, 4: 3, 6: 6}, 18),
    ],
)
def test_polyhedra_have_the_faces_that_their_names_say(
    name: str, faces: dict[int, int], vertices: int
) -> None:
    body = named(name)
    assert isinstance(body, ConvexPolyhedron)
    corners = (body.faces >= 0).sum(axis=1)
    assert {int(n): int((corners == n).sum()) for n in np.unique(corners)} == faces
    assert len(body.vertices) == vertices
    edges = np.concatenate(
        [np.roll(body.vertices[face], -1, axis=0) - body.vertices[face] for face in rows(body)]
    )
    lengths = np.linalg.norm(edges, axis=1)
    if name != "truncated twinned tetrahedron":
        np.testing.assert_allclose(lengths, lengths[0])


def rows(body: ConvexPolyhedron) -> list[NDArray[np.int64]]:
    return [face[face >= 0] for face in body.faces]


def test_icosahedral_bodies_stand_as_the_icosahedron_does() -> None:
    icosahedron = named("icosahedron")
    assert isinstance(icosahedron, ConvexPolyhedron)
    for name in ("truncated icosahedron", "icosidodecahedron", "dodecahedron", "truncated dodecahedron"):
        body = named(name)
        assert isinstance(body, ConvexPolyhedron)
        # the fivefold axes: normals of pentagons or decagons
        wide = (body.faces >= 0).sum(axis=1) % 5 == 0
        assert wide.sum() == 12
        cosines = body.normals[wide] @ icosahedron.vertices.T
        np.testing.assert_allclose(cosines.max(axis=1), 1)
