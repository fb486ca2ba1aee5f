"""Vertices of the named polyhedra, from the coordinates in which they are simplest.

Those of icosahedral symmetry share the frame of the icosahedron (0, +-1, +-phi), those of cubic symmetry the
axes of the cube; the decahedron and the truncated twinned tetrahedron stand with their axis along z.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

import numpy as np

from msft.bodies.shape import FloatArray
from msft.symmetry import GOLDEN_RATIO as PHI

ROOT2 = math.sqrt(2)
Corner = tuple[float, float, float]


def _signs(corner: Corner) -> set[Corner]:
    """The corner with every sign that makes a difference."""
    choices = [(value, -value) if value else (0.0,) for value in corner]
    return {(x, y, z) for x, y, z in itertools.product(*choices)}


def _permuted(*corners: Corner) -> FloatArray:
    """All permutations of the coordinates, with all signs: cubic symmetry."""
    return _sorted(
        signed
        for corner in corners
        for x, y, z in itertools.permutations(corner)
        for signed in _signs((x, y, z))
    )


def _rotated(*corners: Corner) -> FloatArray:
    """All cyclic permutations of the coordinates, with all signs: icosahedral symmetry."""
    return _sorted(
        signed
        for x, y, z in corners
        for turned in ((x, y, z), (y, z, x), (z, x, y))
        for signed in _signs(turned)
    )


def _sorted(corners: Iterable[Corner]) -> FloatArray:
    return np.array(sorted(set(corners)))


def _tetrahedral(x: float, y: float, z: float) -> FloatArray:
    """Permutations of the coordinates with signs whose product is positive."""
    corners = _permuted((x, y, z))
    return np.asarray(corners[np.prod(corners, axis=1) > 0])


def _polygon(corners: int, radius: float, height: float, turn: float = 0.0) -> FloatArray:
    angle = 2 * math.pi * (np.arange(corners) + turn) / corners
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle), np.full(corners, height)])


def _decahedron() -> FloatArray:
    """Two pentagonal pyramids of equilateral triangles, base to base."""
    edge = 2 * math.sin(math.pi / 5)
    apex = math.sqrt(edge**2 - 1)
    return np.vstack([_polygon(5, 1.0, 0.0), [[0, 0, apex], [0, 0, -apex]]])


def _truncated_twinned_tetrahedron() -> FloatArray:
    """Two regular tetrahedra that share a face, with their five corners cut off.

    The twin plane, a triangle, becomes a regular hexagon by cuts that stand upright on it; both apexes are
    cut at two thirds of their height.
    """
    height = math.sqrt(2)  # of a tetrahedron on a triangle of circumradius 1
    cut = 0.5  # of the circumradius: the third of an edge next to a corner is gone
    corners = [_polygon(3, 1 / 3, side * height * 2 / 3) for side in (-1, 1)]
    for z in (-1, 0, 1):
        # the section of the bipyramid with the upright plane at distance `cut` along a corner's direction
        for direction in 2 * np.pi * np.arange(3) / 3:
            along = np.array([math.cos(direction), math.sin(direction), 0.0])
            across = np.array([-math.sin(direction), math.cos(direction), 0.0])
            if z == 0:
                half = (1 - cut) / math.sqrt(3)
                corners.append(np.array([cut * along + half * across, cut * along - half * across]))
            else:
                # the edge from the corner to the apex meets the plane at this height
                corners.append((cut * along + [0, 0, z * height * (1 - cut)])[None])
    return np.vstack(corners)


VERTICES: dict[str, Callable[[], FloatArray]] = {
    "icosahedron": lambda: _rotated((0, 1, PHI)),
    "tetrahedron": lambda: _tetrahedral(1, 1, 1),
    "cube": lambda: _permuted((1, 1, 1)),
    "octahedron": lambda: _permuted((0, 0, 1)),
    "dodecahedron": lambda: _rotated((1, 1, 1), (0, PHI, 1 / PHI)),
    "truncated tetrahedron": lambda: _tetrahedral(1, 1, 3),
    "truncated cube": lambda: _permuted((ROOT2 - 1, 1, 1)),
    "truncated octahedron": lambda: _permuted((0, 1, 2)),
    "truncated dodecahedron": lambda: _rotated(
        (0, 2 + PHI, 1 / PHI), (1 / PHI, 2 * PHI, PHI), (PHI, PHI + 1, 2)
    ),
    "truncated icosahedron": lambda: _rotated((0, 1, 3 * PHI), (1, 2 + PHI, 2 * PHI), (PHI, 2, 2 * PHI + 1)),
    "cuboctahedron": lambda: _permuted((0, 1, 1)),
    "icosidodecahedron": lambda: _rotated((0, 0, 2 * PHI), (PHI, 1, PHI + 1)),
    "decahedron": _decahedron,
    "truncated twinned tetrahedron": _truncated_twinned_tetrahedron,
}
"""Vertices (V, 3) by name, of any circumsphere radius."""
