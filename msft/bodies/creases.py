"""Curves where the chords of a body are not smooth functions of the lateral position."""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.lines import across
from msft.bodies.shape import COMPILED, CURVES, SIDES, SILHOUETTES, WIDTHS, FloatArray, table

CENTRE, COSINE, SINE, OUTLINE, LEAST = 0, 3, 6, 9, 10
"""Columns of a table of creases, curves centre + cosine cos t + sine sin t in space, where those of the
vectors begin; a segment has sine = 0.

Seen along the beam, the chords are analytic between creases: at the silhouette of a curved surface, an
outline, they set in with a square root, at an edge with a kink or a step. The smallest cos t on a curve is -1
of a whole one, more if the rest is inside the body.
"""


def segment(first: FloatArray, last: FloatArray) -> FloatArray:
    """Edges between points (..., 3), as rows of `Shape.curves`."""
    nothing, whole = np.zeros((*first.shape[:-1], 4)), np.full((*first.shape[:-1], 1), -1.0)
    return np.concatenate([(first + last) / 2, (last - first) / 2, nothing, whole], axis=-1)


def ring(height: float, semi_axis_x: float, semi_axis_y: float) -> list[float]:
    """An edge around the z axis, as a row of `Shape.curves`."""
    return [0.0, 0.0, height, semi_axis_x, 0.0, 0.0, 0.0, semi_axis_y, 0.0, 0.0, -1.0]


@numba.njit(**COMPILED)
def curves_along(numbers, direction):  # type: ignore[no-untyped-def]
    """Table of the creases of a packed shape in the body's frame, in which the beam has a direction (3,)."""
    known, sides, silhouettes = table(numbers, CURVES), table(numbers, SIDES), table(numbers, SILHOUETTES)
    found = len(known)
    curves = np.zeros((found + 2 * len(sides) + len(silhouettes), WIDTHS[CURVES]))
    curves[:found] = known
    curves[found:, OUTLINE], curves[found:, LEAST] = 1.0, -1.0
    speed = math.hypot(direction[0], direction[1])
    for i in range(len(sides) if speed >= 1e-9 else 0):  # along a cylinder its side is not seen
        for sign in (-1.0, 1.0):
            out = sign * sides[i, 0] / speed
            curves[found, CENTRE], curves[found, CENTRE + 1] = -out * direction[1], out * direction[0]
            curves[found, COSINE + 2] = sides[i, 1]
            found += 1
    for i in range(len(silhouettes)):
        _silhouette(silhouettes[i], direction, curves[found])
        found += curves[found, LEAST] < 1
    return curves[:found]


@numba.njit(**COMPILED)
def _silhouette(row, direction, curve):  # type: ignore[no-untyped-def]
    """Write where lines touch an ellipsoid; its least cosine is 1 if nothing of it is on the surface."""
    height, side, plane = row[0], row[4], row[5]
    x, y, z = direction[0] / row[1], direction[1] / row[2], direction[2] / row[3]
    length = math.sqrt(x * x + y * y + z * z)
    first, second = across(x / length, y / length, z / length)
    rise, fall, wanted = side * row[3] * first[2], side * row[3] * second[2], side * (plane - height)
    reach = math.hypot(rise, fall)
    c, s, least = 1.0, 0.0, -1.0
    if reach > abs(wanted):
        # t is 0 at the point that is farthest from the plane
        c, s, least = rise / reach, fall / reach, wanted / reach
    elif side != 0 and wanted >= 0:
        least = 1.0
    curve[CENTRE], curve[CENTRE + 1], curve[CENTRE + 2] = 0.0, 0.0, height
    for i in range(3):
        cosine, sine = row[1 + i] * first[i], row[1 + i] * second[i]
        curve[COSINE + i], curve[SINE + i] = c * cosine + s * sine, c * sine - s * cosine
    curve[LEAST] = least


@numba.njit(**COMPILED)
def turned(curves, rotation, radius):  # type: ignore[no-untyped-def]
    """In nm in the lab frame."""
    found = curves.copy()
    for i in range(len(curves)):
        for part in (CENTRE, COSINE, SINE):
            for j in range(3):
                total = 0.0
                for k in range(3):
                    total += curves[i, part + k] * (radius * rotation[j, k])
                found[i, part + j] = total
    return found


@numba.njit(**COMPILED)
def heights(curves):  # type: ignore[no-untyped-def]
    """Heights y where the curves turn back or end, shape (N,)."""
    found, count = np.empty(4 * len(curves)), 0
    for i in range(len(curves)):
        middle, c, s = curves[i, CENTRE + 1], curves[i, COSINE + 1], curves[i, SINE + 1]
        least = curves[i, LEAST]
        reach = math.hypot(c, s)
        # cos t is c / reach at the highest point and -c / reach at the lowest
        for sign in (-1.0, 1.0):
            if sign * c >= least * reach:
                found[count] = middle + sign * reach
                count += 1
            if least > -1:
                found[count] = middle + least * c + sign * math.sqrt(1 - least * least) * s
                count += 1
    return found[:count]
