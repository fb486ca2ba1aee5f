"""Rotations of bodies onto themselves: their number is known, and patterns do not see them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.bodies.rotations import rotation_group
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.rotation import multiply
from msft.symmetry import icosahedral_group, misorientation, random_orientations, to_fundamental_domain

ORDERS = {
    "tetrahedron": 12,
    "truncated tetrahedron": 12,
    "cube": 24,
    "octahedron": 24,
    "cuboctahedron": 24,
    "truncated octahedron": 24,
    "dodecahedron": 60,
    "truncated icosahedron": 60,
    "decahedron": 10,
    "truncated twinned tetrahedron": 6,
    "sphere": 1,
    "capsule(2)": 1,
}
TURN = np.array([0.8, 0.3, -0.4, 0.33]) / np.linalg.norm([0.8, 0.3, -0.4, 0.33])


@pytest.mark.parametrize(("body", "order"), ORDERS.items())
def test_a_group_has_the_order_that_geometry_gives(body: str, order: int) -> None:
    group = rotation_group(body)
    assert group.shape == (order, 4)
    assert group[0] == pytest.approx([1, 0, 0, 0])
    # a group: products stay in it, and no element comes twice
    products = np.abs(multiply(group[:, None], group[None]) @ group.T)
    assert ((products > 1 - 1e-9).sum(axis=-1) == 1).all()


def test_the_icosahedron_keeps_its_own() -> None:
    assert rotation_group("icosahedron") is icosahedral_group()


@pytest.mark.parametrize("body", ["cube", "tetrahedron", "decahedron", "truncated twinned tetrahedron"])
def test_patterns_do_not_see_them_but_see_the_icosahedron_s(body: str) -> None:
    simulation = Simulation(Optics(), EwaldDetector(48, 0.0197), precision="double")

    def logarithms(group: NDArray[np.float64]) -> NDArray[np.float64]:
        particles = Particles([60.0] * len(group), multiply(TURN, group), body)
        patterns = simulation.intensity(particles).astype(np.float64)
        return np.asarray(np.log10(patterns + 1e-5 * patterns.max()))

    own, foreign = logarithms(rotation_group(body)), logarithms(icosahedral_group())
    assert np.abs(own - own[0]).max() < 1e-3
    assert np.abs(foreign - own[0]).max() > 0.5


def test_half_spaces_have_the_symmetry_that_they_leave(tmp_path: Path) -> None:
    normals = [[1, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    rows = np.column_stack([normals, [1.0, 1.0, 1.3, 1.3, 1.7, 1.7]])
    np.savetxt(tmp_path / "brick.txt", rows)
    assert len(rotation_group(str(tmp_path / "brick.txt"))) == 4
    np.savetxt(tmp_path / "cut.txt", np.vstack([rows, [0.48, 0.6, 0.64, 1.9]]))  # without one corner
    assert len(rotation_group(str(tmp_path / "cut.txt"))) == 1


def test_distances_and_domains_are_those_of_the_group() -> None:
    cube = rotation_group("cube")
    turns = random_orientations(np.random.default_rng(1), 4000, cube)
    np.testing.assert_array_equal(to_fundamental_domain(turns, cube), turns)
    assert misorientation(turns[0], multiply(turns[0], cube), cube).max() < 1e-6
    assert misorientation(turns[0], multiply(turns[0], cube)).max() > 0.5
    # the farthest that two orientations of a cube are apart: 62.8 degrees (Mackenzie 1958)
    assert 58 < np.degrees(misorientation([1.0, 0, 0, 0], turns, cube).max()) < 62.81
