"""Where lines parallel to the beam cross spheroids, cylinders and polyhedra."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np

from msft.bodies.body import FloatArray

Interval = tuple[FloatArray, FloatArray]
"""Depths z at which a line enters and leaves; leaving <= entering where it misses."""

COMPILED: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}
"""Without fast arithmetic, which knows no infinities."""

GRAZING = 1e-7
"""Faces whose normal makes a smaller cosine with the beam are parallel to it: they show no area."""


class Lines(NamedTuple):
    """Columns as lines in the body's frame, at unit circumsphere radius.

    Attributes
    ----------
    x, y
        Their places in the lab frame; shapes that broadcast.
    axes
        The lab's x, y and z in the body's frame, shape (3, 3).
    """

    x: FloatArray
    y: FloatArray
    axes: FloatArray

    def linear(self, *directions: FloatArray, middle: FloatArray) -> FloatArray:
        """Components along directions of the body's frame, from a middle, where the lines cross z = 0.

        Returns
        -------
        For each direction a, b and c of a x + b y - c.
        """
        return np.array([[*(self.axes[:2] @ direction), middle @ direction] for direction in directions])


def _crossed(compiled: Any, x: FloatArray, y: FloatArray, *solid: Any) -> Interval:
    """What compiled code says of every line (x, y), shapes that broadcast, and a solid."""
    x, y = np.broadcast_arrays(x, y)
    enter, leave = compiled(x.ravel(), y.ravel(), *solid)
    return enter.reshape(x.shape), leave.reshape(x.shape)


def lines_of_the_beam(x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float) -> Lines:
    """The columns (x, y) in nm."""
    return Lines(np.asarray(x) / radius, np.asarray(y) / radius, rotation)


def through_ellipsoid(lines: Lines, height: float, semi_axes: FloatArray) -> Interval:
    """Crossing of lines with an ellipsoid around (0, 0, height), axes along x, y, z."""
    # in units in which it is the unit sphere
    step = lines.axes[2] / semi_axes
    speed = float(np.linalg.norm(step))
    step = step / speed
    directions = (unit / semi_axes for unit in (step / speed, *across(step)))
    forms = lines.linear(*directions, middle=np.array([0.0, 0.0, height]))
    return _crossed(_ellipsoid, lines.x, lines.y, forms, speed)


@numba.njit(**COMPILED)
def _ellipsoid(x, y, forms, speed):  # type: ignore[no-untyped-def]
    enter, leave = np.empty(len(x)), np.empty(len(x))
    for i in range(len(x)):
        along = forms[0, 0] * x[i] + (forms[0, 1] * y[i] - forms[0, 2])
        u = forms[1, 0] * x[i] + (forms[1, 1] * y[i] - forms[1, 2])
        v = forms[2, 0] * x[i] + (forms[2, 1] * y[i] - forms[2, 2])
        half = math.sqrt(max(1 - (u * u + v * v), 0.0)) / speed
        enter[i], leave[i] = -along - half, half - along
    return enter, leave


def across(unit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Two unit vectors at right angles to one and to each other (Duff et al., JCGT 6(1), 2017)."""
    x, y, z = unit.tolist()
    sign = math.copysign(1.0, z)
    a = -1 / (sign + z)
    first = np.array([1 + sign * x * x * a, sign * x * y * a, -sign * x])
    return first, np.array([x * y * a, sign + y * y * a, -y])


def through_cylinder(lines: Lines, radius: float, half_length: float) -> Interval:
    """Crossing of lines with a closed cylinder around the z axis."""
    direction, origin = lines.axes[2], np.zeros(3)
    speed = math.hypot(direction[0], direction[1])
    if speed < 1e-10:  # along the axis: in or out all the way
        speed, directions = 0.0, np.eye(3)
    else:
        step = np.array([direction[0], direction[1], 0.0]) / speed
        directions = np.array([step / speed, [-step[1], step[0], 0.0], [0.0, 0.0, 1.0]])
    forms = lines.linear(*directions, middle=origin)
    rise = float(direction[2]) if abs(direction[2]) >= 1e-10 else 0.0
    return _crossed(_cylinder, lines.x, lines.y, forms, speed, rise, radius, half_length)


@numba.njit(**COMPILED)
def _cylinder(x, y, forms, speed, rise, radius, half_length):  # type: ignore[no-untyped-def]
    enter, leave = np.zeros(len(x)), np.zeros(len(x))
    for i in range(len(x)):
        along = forms[0, 0] * x[i] + (forms[0, 1] * y[i] - forms[0, 2])
        distance = forms[1, 0] * x[i] + (forms[1, 1] * y[i] - forms[1, 2])
        height = forms[2, 0] * x[i] + (forms[2, 1] * y[i] - forms[2, 2])
        if speed > 0:
            half = math.sqrt(max(radius * radius - distance * distance, 0.0)) / speed
        else:
            half = np.inf if along * along + distance * distance < radius * radius else 0.0
            along = 0.0
        z_in, z_out = -along - half, half - along
        if rise != 0:
            lids, middle = half_length / abs(rise), height / rise
            z_in, z_out = max(z_in, -lids - middle), min(z_out, lids - middle)
            missed = z_out <= z_in
        else:  # across the axis: between the lids or not
            missed = abs(height) >= half_length
        if not missed:
            enter[i], leave[i] = z_in, z_out
    return enter, leave


def through_half_spaces(
    x: FloatArray, y: FloatArray, normals: FloatArray, offsets: FloatArray, farthest: float
) -> Interval:
    """Crossing of the columns (x, y) in nm with the points r of normal . r <= offset for all half-spaces.

    Parameters
    ----------
    x, y
        Shapes that broadcast.
    normals, offsets
        In the lab frame, shapes (F, 3) and (F,).
    farthest
        Depth beyond which there is nothing, before or behind.
    """
    return _crossed(_half_spaces, x, y, normals, offsets, farthest)


@numba.njit(**COMPILED)
def _half_spaces(x, y, normals, offsets, farthest):  # type: ignore[no-untyped-def]
    enter, leave = np.full(len(x), -farthest), np.full(len(x), farthest)
    for f in range(len(normals)):
        a, b, c, offset = normals[f, 0], normals[f, 1], normals[f, 2], offsets[f]
        if c < -GRAZING:
            for i in range(len(x)):
                enter[i] = max(enter[i], (offset - a * x[i]) / c - b / c * y[i])
        elif c > GRAZING:
            for i in range(len(x)):
                leave[i] = min(leave[i], (offset - a * x[i]) / c - b / c * y[i])
        else:
            for i in range(len(x)):
                if offset - a * x[i] - b * y[i] < 0:
                    leave[i] = -farthest
    return enter, leave


def union(intervals: list[Interval]) -> Interval:
    """The union of intervals as ordered ones with gaps between them, shape (C, ...)."""
    stacked = np.array(intervals)
    enter, leave = _union(stacked.reshape(*stacked.shape[:2], -1))
    return enter.reshape(stacked[:, 0].shape), leave.reshape(stacked[:, 0].shape)


@numba.njit(**COMPILED)
def _union(intervals):  # type: ignore[no-untyped-def]
    """Of intervals (C, 2, N)."""
    count, _, lines = intervals.shape
    enter, leave = np.zeros((count, lines)), np.zeros((count, lines))
    for i in range(lines):
        found = 0
        for c in range(count):
            z_in, z_out = intervals[c, 0, i], intervals[c, 1, i]
            if z_out <= z_in:
                continue
            # in its place among those before: there are few
            place = found
            while place > 0 and enter[place - 1, i] > z_in:
                enter[place, i], leave[place, i] = enter[place - 1, i], leave[place - 1, i]
                place -= 1
            enter[place, i], leave[place, i] = z_in, z_out
            found += 1
        last = 0
        for c in range(1, found):
            if enter[c, i] <= leave[last, i]:  # what is met before the former is left is one with it
                leave[last, i] = max(leave[last, i], leave[c, i])
            else:
                last += 1
                enter[last, i], leave[last, i] = enter[c, i], leave[c, i]
        enter[last + 1 :, i], leave[last + 1 :, i] = 0.0, 0.0
    return enter, leave


def hull(intervals: list[Interval]) -> Interval:
    """The interval from where the first is met to where the last is left, shape (1, ...)."""
    stacked = np.array(intervals)
    enter, leave = _hull(stacked.reshape(*stacked.shape[:2], -1))
    shape = (1, *stacked.shape[2:])
    return enter.reshape(shape), leave.reshape(shape)


@numba.njit(**COMPILED)
def _hull(intervals):  # type: ignore[no-untyped-def]
    """Of intervals (C, 2, N)."""
    count, _, lines = intervals.shape
    enter, leave = np.zeros(lines), np.zeros(lines)
    for i in range(lines):
        z_in, z_out = np.inf, -np.inf
        for c in range(count):
            if intervals[c, 1, i] > intervals[c, 0, i]:
                z_in, z_out = min(z_in, intervals[c, 0, i]), max(z_out, intervals[c, 1, i])
        if z_out > z_in:
            enter[i], leave[i] = z_in, z_out
    return enter, leave
