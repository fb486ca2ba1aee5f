"""A body in numbers, which compiled code reads: what it is made of, and where its chords are not smooth.

All lengths are those of the body's frame, at unit circumsphere radius. Compiled code is handed one array for
any body, so that it is compiled once, and for many bodies these arrays one after the other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

COMPILED: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
"""Options of numba for what knows bodies. Without fast arithmetic, which knows no infinities."""

FloatArray = NDArray[np.float64]

ALONE, UNION, HULL, NESTED = range(4)
"""What the chords of a body are: those of its one solid; of the union of its solids, with gaps; from the
first solid that is met to the last that is left; of an ellipsoid before, within and behind the one in it."""

FACES, ELLIPSOIDS, CYLINDERS, CURVES, SIDES, SILHOUETTES = range(6)
"""Numbers of the tables; see `Shape`."""

WIDTHS = (4, 4, 2, 11, 2, 6)
"""Numbers in a row of each."""

HEADER = 2 + len(WIDTHS)
"""Numbers before the tables: rule, round, and the rows of each."""


class Shape(NamedTuple):
    """Tables of solids, then of creases, in which a row is one of them.

    Attributes
    ----------
    rule
        `ALONE`, `UNION`, `HULL` or `NESTED`.
    round
        Whether the body has curved surfaces.
    faces
        Outward normal and distance of each; together they are one solid.
    ellipsoids
        Height of the centre on the z axis, and three semi-axes.
    cylinders
        Around the z axis: radius and half length.
    curves
        Creases that are the same from any direction: centre, cosine, sine, 1 for an outline, and least
        cosine; see `msft.bodies.creases`.
    sides
        Cylinders whose sides are outlines: radius, and half the length that is seen.
    silhouettes
        Ellipsoids whose silhouette is a crease, as above; then on which side, 1 or -1, of a plane across the
        z axis it is on the surface, or 0 if all of it is; then the height of the plane.
    """

    rule: int
    round: bool
    faces: FloatArray
    ellipsoids: FloatArray
    cylinders: FloatArray
    curves: FloatArray
    sides: FloatArray
    silhouettes: FloatArray

    @classmethod
    def of(cls, rule: int = ALONE, round: bool = True, **tables: ArrayLike) -> Shape:
        """From the tables that are not empty."""
        names = zip(cls._fields[2:], WIDTHS, strict=True)
        filled = (np.asarray(tables.get(name, []), np.float64).reshape(-1, width) for name, width in names)
        return cls(rule, round, *filled)

    def packed(self) -> FloatArray:
        """In one array."""
        tables = self[2:]
        header = [self.rule, self.round, *(len(table) for table in tables)]
        return np.concatenate([np.array(header, np.float64), *(table.ravel() for table in tables)])


@numba.njit(**COMPILED)
def table(numbers, which):  # type: ignore[no-untyped-def]
    """One of the tables of a shape that was packed at the beginning of an array."""
    begin = HEADER
    for i in range(which):
        begin += int(numbers[2 + i]) * WIDTHS[i]
    rows, width = int(numbers[2 + which]), WIDTHS[which]
    return numbers[begin : begin + rows * width].reshape(rows, width)


@numba.njit(**COMPILED)
def rule(numbers):  # type: ignore[no-untyped-def]
    """Of a packed shape."""
    return int(numbers[0])


@numba.njit(**COMPILED)
def has_curved_surfaces(numbers):  # type: ignore[no-untyped-def]
    """`Shape.round` of a packed shape."""
    return numbers[1] != 0
