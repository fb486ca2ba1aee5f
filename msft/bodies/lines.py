"""Where straight lines cross spheroids and cylinders, in a body's own frame."""

from __future__ import annotations

import numpy as np

from msft.bodies.body import FloatArray

Interval = tuple[FloatArray, FloatArray]
"""Parameters t at which origin + t direction enters and leaves; leaving <= entering where it misses."""


def lines_of_the_beam(
    x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float
) -> tuple[FloatArray, FloatArray]:
    """The columns (x, y) in nm as lines in the body's frame, at unit circumsphere radius.

    Returns
    -------
    Origins (..., 3) and the one direction (3,), for which t is the depth z in units of the radius.
    """
    x, y = np.broadcast_arrays(x, y)
    in_lab = np.stack([x, y, np.zeros_like(x)], axis=-1) / radius
    return in_lab @ rotation, rotation[2]


def through_ellipsoid(origin: FloatArray, direction: FloatArray, semi_axes: FloatArray) -> Interval:
    """Crossing of lines with an ellipsoid around the origin, axes along x, y, z."""
    start, step = origin / semi_axes, direction / semi_axes
    squared = step @ step
    nearest = -(start @ step) / squared
    distance = ((start + nearest[..., None] * step) ** 2).sum(axis=-1)
    half = np.sqrt(np.maximum(1 - distance, 0.0) / squared)
    return nearest - half, nearest + half


def through_cylinder(
    origin: FloatArray, direction: FloatArray, radius: float, half_length: float
) -> Interval:
    """Crossing of lines with a closed cylinder around the z axis."""
    start, step = origin[..., :2], direction[:2]
    squared = step @ step
    if squared < 1e-20:  # along the axis: in or out all the way
        half = np.where((start**2).sum(axis=-1) < radius**2, np.inf, 0.0)
        nearest = np.zeros(origin.shape[:-1])
    else:
        nearest = -(start @ step) / squared
        distance = ((start + nearest[..., None] * step) ** 2).sum(axis=-1)
        half = np.sqrt(np.maximum(radius**2 - distance, 0.0) / squared)
    enter, leave = nearest - half, nearest + half
    if abs(direction[2]) < 1e-10:  # across the axis: between the lids or not
        between = np.abs(origin[..., 2]) < half_length
        return np.where(between, enter, 0.0), np.where(between, leave, 0.0)
    lids = np.sort(
        (np.array([[-half_length], [half_length]]) - origin[..., 2].ravel()) / direction[2], axis=0
    )
    first, last = lids.reshape(2, *origin.shape[:-1])
    enter, leave = np.maximum(enter, first), np.minimum(leave, last)
    missed = leave <= enter
    return np.where(missed, 0.0, enter), np.where(missed, 0.0, leave)


def union(intervals: list[Interval]) -> Interval:
    """The union of overlapping intervals as ordered pieces that do not overlap, shape (C, ...)."""
    enter = np.array([interval[0] for interval in intervals])
    leave = np.array([interval[1] for interval in intervals])
    enter = np.where(leave > enter, enter, np.inf)  # what is missed comes last
    for last in range(len(enter) - 1, 0, -1):  # few, of many lines: sorted by exchanges of neighbours
        for i in range(last):
            swap = enter[i] > enter[i + 1]
            enter[i], enter[i + 1] = np.minimum(enter[i], enter[i + 1]), np.maximum(enter[i], enter[i + 1])
            leave[i], leave[i + 1] = (
                np.where(swap, leave[i + 1], leave[i]),
                np.where(swap, leave[i], leave[i + 1]),
            )
    leave = np.maximum.accumulate(np.where(np.isfinite(enter), leave, -np.inf), axis=0)
    enter[1:] = np.maximum(enter[1:], leave[:-1])
    missed = ~(leave > enter)
    return np.where(missed, 0.0, enter), np.where(missed, 0.0, leave)
