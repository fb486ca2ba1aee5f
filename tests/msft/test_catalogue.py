"""Bodies by name."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad

from msft.bodies import BODIES, ConvexPolyhedron, named
from msft.bodies.rotations import rotation_group
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


@pytest.mark.parametrize("height", [0.05, 0.12, 0.5, 2 / 3, 1.0])
@pytest.mark.parametrize("corner", [0.3, 0.5, 0.9, 1.0])
def test_truncated_twinned_tetrahedra_have_the_volume_of_their_sections(height: float, corner: float) -> None:
    body = named(f"truncated twinned tetrahedron({height},{corner})")

    def section(level: float) -> float:
        """A triangle less its three corners, at a fraction of the height."""
        side = 1 - level
        return float(3 * np.sqrt(3) / 4 * (side**2 - 4 / 3 * max(side - corner, 0) ** 2))

    def farthest(level: float) -> float:
        side = 1 - level
        across = side if side <= corner else np.hypot(corner, (side - corner) / np.sqrt(3))
        return float(np.hypot(np.sqrt(2) * level, across))

    kink = min(height, 1 - corner)
    volume = 2 * np.sqrt(2) * quad(section, 0, height, points=[kink])[0]
    circumradius = max(farthest(level) for level in (0.0, kink, height))
    assert body.volume == pytest.approx(volume / circumradius**3)


def test_platelets_have_hexagons_on_both_sides() -> None:
    body = named("truncated twinned tetrahedron(0.12,0.5)")
    assert isinstance(body, ConvexPolyhedron)
    assert sorted((body.faces >= 0).sum(axis=1).tolist()) == [4] * 6 + [6] * 5
    assert len(rotation_group("truncated twinned tetrahedron(0.12,0.5)")) == 6


@pytest.mark.parametrize("numbers", ["0,0.5", "1.1,0.5", "0.5,0.25", "0.5,1.01", "nan,0.5", "0.5,nan", "a"])
def test_bad_proportions_of_a_tetrahedron_are_refused(numbers: str) -> None:
    with pytest.raises(ParameterError, match=r"body|height|corner"):
        named(f"truncated twinned tetrahedron({numbers})")


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
