"""Where lines parallel to the beam cross single solids, and what several crossings make together.

Lines (x, y) of the lab frame are handed on as they cross a solid in its own frame: a linear form gives a, b
and c of a x + b y - c, a component from the solid's middle where the line crosses z = 0. Intervals are the
depths z at which a line enters and leaves; leaving <= entering where it misses.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.shape import COMPILED

GRAZING = 1e-7
"""Faces whose normal makes a smaller cosine with the beam are parallel to it: they show no area."""


@numba.njit(**COMPILED)
def across(x, y, z):  # type: ignore[no-untyped-def]
    """Two unit vectors at right angles to one and to each other (Duff et al., JCGT 6(1), 2017)."""
    sign = math.copysign(1.0, z)
    a = -1 / (sign + z)
    return (1 + sign * x * x * a, sign * x * y * a, -sign * x), (x * y * a, sign + y * y * a, -y)


@numba.njit(**COMPILED)
def _linear(axes, direction, height, form):  # type: ignore[no-untyped-def]
    """The form of a direction, from a middle on the z axis; axes are the lab's in the solid's frame."""
    for i in range(2):
        form[i] = axes[i, 0] * direction[0] + axes[i, 1] * direction[1] + axes[i, 2] * direction[2]
    form[2] = height * direction[2]


@numba.njit(**COMPILED)
def forms_of_ellipsoid(axes, solid, forms):  # type: ignore[no-untyped-def]
    """Along the beam and across it in units in which the ellipsoid is the unit sphere; speed along it."""
    height, a, b, c = solid[0], solid[1], solid[2], solid[3]
    x, y, z = axes[2, 0] / a, axes[2, 1] / b, axes[2, 2] / c
    speed = math.sqrt(x * x + y * y + z * z)
    x, y, z = x / speed, y / speed, z / speed
    first, second = across(x, y, z)
    _linear(axes, (x / speed / a, y / speed / b, z / speed / c), height, forms[0])
    _linear(axes, (first[0] / a, first[1] / b, first[2] / c), height, forms[1])
    _linear(axes, (second[0] / a, second[1] / b, second[2] / c), height, forms[2])
    return speed


@numba.njit(**COMPILED)
def ellipsoid(x, y, forms, speed, enter, leave):  # type: ignore[no-untyped-def]
    """Crossing of lines with an ellipsoid."""
    for i in range(len(x)):
        along = forms[0, 0] * x[i] + (forms[0, 1] * y[i] - forms[0, 2])
        u = forms[1, 0] * x[i] + (forms[1, 1] * y[i] - forms[1, 2])
        v = forms[2, 0] * x[i] + (forms[2, 1] * y[i] - forms[2, 2])
        half = math.sqrt(max(1 - (u * u + v * v), 0.0)) / speed
        enter[i], leave[i] = -along - half, half - along


@numba.njit(**COMPILED)
def forms_of_cylinder(axes, forms):  # type: ignore[no-untyped-def]
    """Along and across the beam's projection onto the base, and height; speeds along base and axis."""
    x, y, rise = axes[2, 0], axes[2, 1], axes[2, 2]
    speed = math.hypot(x, y)
    if speed < 1e-10:  # along the axis: in or out all the way
        x, y, speed = 1.0, 0.0, 0.0
        _linear(axes, (x, y, 0.0), 0.0, forms[0])
    else:
        x, y = x / speed, y / speed
        _linear(axes, (x / speed, y / speed, 0.0), 0.0, forms[0])
    _linear(axes, (-y, x, 0.0), 0.0, forms[1])
    _linear(axes, (0.0, 0.0, 1.0), 0.0, forms[2])
    return speed, rise if abs(rise) >= 1e-10 else 0.0


@numba.njit(**COMPILED)
def cylinder(x, y, forms, speeds, solid, enter, leave):  # type: ignore[no-untyped-def]
    """Crossing of lines with a closed cylinder around the z axis, of a radius and a half length."""
    speed, rise, radius, half_length = speeds[0], speeds[1], solid[0], solid[1]
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
        enter[i], leave[i] = (0.0, 0.0) if missed else (z_in, z_out)


@numba.njit(**COMPILED)
def half_spaces(x, y, faces, farthest, enter, leave):  # type: ignore[no-untyped-def]
    """Crossing of lines with the points r of normal . r <= offset for all faces (F, 4): normal and offset.

    Parameters
    ----------
    x, y
        Of the lines.
    faces
        In the lab frame.
    farthest
        Depth beyond which there is nothing, before or behind.
    enter, leave
        What is found.
    """
    for i in range(len(x)):
        enter[i], leave[i] = -farthest, farthest
    for f in range(len(faces)):
        a, b, c, offset = faces[f, 0], faces[f, 1], faces[f, 2], faces[f, 3]
        if abs(c) > GRAZING:
            # z = start - across x - up y: a division for each line would take as long as all else
            start, across, up = offset / c, a / c, b / c
            if c < 0:
                for i in range(len(x)):
                    enter[i] = max(enter[i], start - across * x[i] - up * y[i])
            else:
                for i in range(len(x)):
                    leave[i] = min(leave[i], start - across * x[i] - up * y[i])
        else:
            for i in range(len(x)):
                if offset - a * x[i] - b * y[i] < 0:
                    leave[i] = -farthest


@numba.njit(**COMPILED)
def union(intervals, enter, leave, begin, size):  # type: ignore[no-untyped-def]
    """The union of intervals (C, 2, N) as ordered ones with gaps between them, from column `begin` on."""
    count = len(intervals)
    for line in range(size):
        i, found = begin + line, 0
        for c in range(count):
            z_in, z_out = intervals[c, 0, line], intervals[c, 1, line]
            if z_out <= z_in:
                continue
            # in its place among those before: there are few
            place = found
            while place > 0 and enter[place - 1, i] > z_in:
                enter[place, i], leave[place, i] = enter[place - 1, i], leave[place - 1, i]
                place -= 1
            enter[place, i], leave[place, i] = z_in, z_out
            found += 1
        last = min(found, 1) - 1
        for c in range(1, found):
            if enter[c, i] <= leave[last, i]:  # what is met before the former is left is one with it
                leave[last, i] = max(leave[last, i], leave[c, i])
            else:
                last += 1
                enter[last, i], leave[last, i] = enter[c, i], leave[c, i]
        for c in range(last + 1, count):
            enter[c, i], leave[c, i] = 0.0, 0.0


@numba.njit(**COMPILED)
def hull(intervals, enter, leave, begin, size):  # type: ignore[no-untyped-def]
    """The interval from where the first is met to where the last is left."""
    for line in range(size):
        z_in, z_out = np.inf, -np.inf
        for c in range(len(intervals)):
            if intervals[c, 1, line] > intervals[c, 0, line]:
                z_in, z_out = min(z_in, intervals[c, 0, line]), max(z_out, intervals[c, 1, line])
        met = z_out > z_in
        enter[0, begin + line], leave[0, begin + line] = (z_in, z_out) if met else (0.0, 0.0)


@numba.njit(**COMPILED)
def nested(intervals, enter, leave, begin, size):  # type: ignore[no-untyped-def]
    """Before, within and behind the second, which lies inside the first."""
    for line in range(size):
        i = begin + line
        z_in, z_out = intervals[0, 0, line], intervals[0, 1, line]
        inner_in, inner_out = intervals[1, 0, line], intervals[1, 1, line]
        if inner_out <= inner_in:
            inner_in = inner_out = z_out
        enter[0, i], enter[1, i], enter[2, i] = z_in, inner_in, inner_out
        leave[0, i], leave[1, i], leave[2, i] = inner_in, inner_out, z_out


@numba.njit(**COMPILED)
def alone(intervals, enter, leave, begin, size):  # type: ignore[no-untyped-def]
    """The one interval there is, if there is one."""
    for line in range(size):
        enter[0, begin + line] = intervals[0, 0, line] if len(intervals) else 0.0
        leave[0, begin + line] = intervals[0, 1, line] if len(intervals) else 0.0
