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
from msft.errors import ParameterError
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


def _decahedron() -> FloatArray:
    """Two pentagonal pyramids of equilateral triangles, base to base."""
    angle = 2 * math.pi * np.arange(5) / 5
    edge = 2 * math.sin(math.pi / 5)
    apex = math.sqrt(edge**2 - 1)
    base = np.column_stack([np.cos(angle), np.sin(angle), np.zeros(5)])
    return np.vstack([base, [[0, 0, apex], [0, 0, -apex]]])


def truncated_twinned_tetrahedron(height: float, corner: float) -> tuple[FloatArray, FloatArray]:
    """Half-spaces of two regular tetrahedra that share a face, with their five corners cut off.

    Parameters
    ----------
    height
        Fraction of each tetrahedron's height at which its apex is cut; small for platelets.
    corner
        Distance from the axis of the upright cuts of the other three corners, in circumradii of the shared
        face; 1/2 makes a regular hexagon of that.

    Returns
    -------
    Outward normals (11, 3) and offsets (11,), in circumradii of the shared face.

    Raises
    ------
    ParameterError
        If a cut is outside the body or leaves none of a side.
    """
    if not 0 < height <= 1:
        raise ParameterError("height", height, "above 0 and at most 1, of a tetrahedron's height")
    if not 0.25 < corner <= 1:
        raise ParameterError("corner", corner, "above 1/4 and at most 1, in circumradii of the shared face")
    rise = math.sqrt(2)  # of a tetrahedron on a triangle of circumradius 1, whose sides are at 1/2
    to_corners = 2 * np.pi * np.arange(3) / 3
    across = np.column_stack([np.cos(to_corners), np.sin(to_corners), np.zeros(3)])
    axis = np.array([0, 0, 1])
    normals = [axis, -axis, *across, *(axis / 2 - rise * across), *(-axis / 2 - rise * across)]
    return np.array(normals), np.array([rise * height] * 2 + [corner] * 3 + [rise / 2] * 6)


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
}
"""Vertices (V, 3) by name, of any circumsphere radius."""
