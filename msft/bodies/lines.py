"""Where lines parallel to the beam cross spheroids and cylinders, in a body's own frame."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from msft.bodies.body import FloatArray

Interval = tuple[FloatArray, FloatArray]
"""Depths z at which a line enters and leaves; leaving <= entering where it misses."""


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

    def linear(self, direction: FloatArray, middle: FloatArray) -> FloatArray:
        """Component along a direction of the body's frame, from a middle, where the lines cross z = 0."""
        a, b, _ = self.axes @ direction
        return np.asarray(a * self.x + (b * self.y - middle @ direction))


def lines_of_the_beam(x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float) -> Lines:
    """The columns (x, y) in nm."""
    return Lines(np.asarray(x) / radius, np.asarray(y) / radius, rotation)


def through_ellipsoid(lines: Lines, height: float, semi_axes: FloatArray) -> Interval:
    """Crossing of lines with an ellipsoid around (0, 0, height), axes along x, y, z."""
    # in units in which it is the unit sphere
    step = lines.axes[2] / semi_axes
    speed = float(np.linalg.norm(step))
    step = step / speed
    middle = np.array([0.0, 0.0, height])
    along, u, v = (lines.linear(unit / semi_axes, middle) for unit in (step / speed, *across(step)))
    half = np.sqrt(np.maximum(1 - (u * u + v * v), 0.0)) / speed
    return -along - half, half - along


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
        u, v = (lines.linear(unit, origin) for unit in np.eye(3)[:2])
        along, half = np.zeros_like(u), np.where(u * u + v * v < radius**2, np.inf, 0.0)
    else:
        step = np.array([direction[0], direction[1], 0.0]) / speed
        along = lines.linear(step / speed, origin)
        distance = lines.linear(np.array([-step[1], step[0], 0.0]), origin)
        half = np.sqrt(np.maximum(radius**2 - distance * distance, 0.0)) / speed
    enter, leave = -along - half, half - along
    height = lines.linear(np.array([0.0, 0.0, 1.0]), origin)
    if abs(direction[2]) < 1e-10:  # across the axis: between the lids or not
        missed = np.abs(height) >= half_length
    else:
        lids, middle = half_length / abs(direction[2]), height / direction[2]
        enter, leave = np.maximum(enter, -lids - middle), np.minimum(leave, lids - middle)
        missed = leave <= enter
    return np.where(missed, 0.0, enter), np.where(missed, 0.0, leave)


def union(intervals: list[Interval]) -> Interval:
    """The union of intervals as ordered ones with gaps between them, shape (C, ...)."""
    met = [leave > enter for enter, leave in intervals]
    enter = [np.where(hit, enter, np.inf) for hit, (enter, _) in zip(met, intervals, strict=True)]
    leave = [np.where(hit, leave, -np.inf) for hit, (_, leave) in zip(met, intervals, strict=True)]
    for last in range(len(enter) - 1, 0, -1):  # few, of many lines: sorted by exchanges of neighbours
        for i in range(last):
            swap = enter[i] > enter[i + 1]
            enter[i : i + 2] = np.minimum(enter[i], enter[i + 1]), np.maximum(enter[i], enter[i + 1])
            leave[i : i + 2] = np.where(swap, leave[i + 1], leave[i]), np.where(swap, leave[i], leave[i + 1])
    for i in range(1, len(enter)):
        leave[i] = np.maximum(leave[i], leave[i - 1])
    for first in range(len(enter) - 1, 0, -1):  # what is met before the former is left is one with it
        joined = enter[first] <= leave[first - 1]
        leave[first - 1] = np.where(joined, leave[first], leave[first - 1])
        for i in range(first, len(enter)):  # the later ones move up
            after = (enter[i + 1], leave[i + 1]) if i + 1 < len(enter) else (np.inf, -np.inf)
            enter[i], leave[i] = np.where(joined, after[0], enter[i]), np.where(joined, after[1], leave[i])
    found = np.isfinite(enter)
    return np.where(found, enter, 0.0), np.where(found, leave, 0.0)


def hull(intervals: list[Interval]) -> Interval:
    """The interval from where the first is met to where the last is left, shape (1, ...)."""
    enter = np.min([np.where(leave > enter, enter, np.inf) for enter, leave in intervals], axis=0)
    leave = np.max([np.where(leave > enter, leave, -np.inf) for enter, leave in intervals], axis=0)
    found = np.isfinite(enter)[None]
    return np.where(found, enter, 0.0), np.where(found, leave, 0.0)
