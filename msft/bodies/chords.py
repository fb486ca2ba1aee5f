"""Where the beam enters and leaves a body, of any shape, compiled."""

from __future__ import annotations

import numba
import numpy as np

from msft.bodies import lines
from msft.bodies.shape import COMPILED, CYLINDERS, ELLIPSOIDS, FACES, HULL, NESTED, UNION, rule, table

BLOCK = 256
"""Lines at a time: what is computed on the way stays in the cache."""


@numba.njit(**COMPILED)
def chords_of(numbers, x, y, rotation, radius):  # type: ignore[no-untyped-def]
    """z_in and z_out of lines (x, y) through a packed shape; see `msft.bodies.ChordedBody.chords`."""
    count = most_chords(numbers)
    z_in, z_out = np.empty((count, len(x))), np.empty((count, len(x)))
    chords(numbers, x, y, rotation, radius, z_in, z_out, 0)
    return z_in, z_out


@numba.njit(**COMPILED)
def most_chords(numbers):  # type: ignore[no-untyped-def]
    """The most that a line can have."""
    if rule(numbers) == UNION:
        return len(table(numbers, ELLIPSOIDS)) + len(table(numbers, CYLINDERS))
    return 3 if rule(numbers) == NESTED else 1


@numba.njit(**COMPILED)
def chords(numbers, x, y, rotation, radius, z_in, z_out, at):  # type: ignore[no-untyped-def]
    """Write the chords of lines, in nm, into arrays (C, M) from a place on; C may be more than there are."""
    faces = _turned_faces(table(numbers, FACES), rotation, radius)
    ellipsoids, cylinders = table(numbers, ELLIPSOIDS), table(numbers, CYLINDERS)
    forms, speeds = _forms(ellipsoids, cylinders, rotation)
    solids = min(len(faces), 1) + len(speeds)
    intervals = np.zeros((solids, 2, BLOCK))
    most, together = most_chords(numbers), rule(numbers)
    for begin in range(0, len(x), BLOCK):
        size = min(BLOCK, len(x) - begin)
        part = slice(begin, begin + size)
        if len(faces):
            lines.half_spaces(x[part], y[part], faces, radius, intervals[0, 0, :size], intervals[0, 1, :size])
        else:
            _crossed(x[part], y[part], radius, forms, speeds, cylinders, intervals)
        if together == UNION:
            lines.union(intervals, z_in, z_out, at + begin, size)
        elif together == HULL:
            lines.hull(intervals, z_in, z_out, at + begin, size)
        elif together == NESTED:
            lines.nested(intervals, z_in, z_out, at + begin, size)
        else:
            lines.alone(intervals, z_in, z_out, at + begin, size)
    for c in range(most, len(z_in)):
        for i in range(at, at + len(x)):
            z_in[c, i], z_out[c, i] = 0.0, 0.0


@numba.njit(**COMPILED)
def _turned_faces(faces, rotation, radius):  # type: ignore[no-untyped-def]
    """In nm in the lab frame."""
    turned = np.empty_like(faces)
    for f in range(len(faces)):
        for i in range(3):
            turned[f, i] = (
                faces[f, 0] * rotation[i, 0] + faces[f, 1] * rotation[i, 1] + faces[f, 2] * rotation[i, 2]
            )
        turned[f, 3] = faces[f, 3] * radius
    return turned


@numba.njit(**COMPILED)
def _forms(ellipsoids, cylinders, rotation):  # type: ignore[no-untyped-def]
    """Linear forms of ellipsoids, then of cylinders; speeds along the beam and, of cylinders, the axis."""
    solids = len(ellipsoids) + len(cylinders)
    forms, speeds = np.empty((solids, 3, 3)), np.zeros((solids, 2))
    for i in range(solids):
        if i < len(ellipsoids):
            speeds[i, 0] = lines.forms_of_ellipsoid(rotation, ellipsoids[i], forms[i])
        else:
            speeds[i, 0], speeds[i, 1] = lines.forms_of_cylinder(rotation, forms[i])
    return forms, speeds


@numba.njit(**COMPILED)
def _crossed(x, y, radius, forms, speeds, cylinders, intervals):  # type: ignore[no-untyped-def]
    """Crossings of lines with each ellipsoid and cylinder; all but x, y and the result at unit radius."""
    across, up = x / radius, y / radius
    first = len(speeds) - len(cylinders)
    for i in range(len(speeds)):
        enter, leave = intervals[i, 0, : len(x)], intervals[i, 1, : len(x)]
        if i < first:
            lines.ellipsoid(across, up, forms[i], speeds[i, 0], enter, leave)
        else:
            lines.cylinder(across, up, forms[i], speeds[i], cylinders[i - first], enter, leave)
        for line in range(len(x)):
            enter[line], leave[line] = radius * enter[line], radius * leave[line]
