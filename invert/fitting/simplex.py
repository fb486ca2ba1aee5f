"""Nelder-Mead simplices that advance together, so that a simulation sees batches of patterns.

Each simplex takes the steps that `scipy.optimize.minimize(method="Nelder-Mead")` would take from it alone
(Nelder and Mead, Comput. J. 7, 308 (1965), with the usual coefficients 1, 2, 1/2, 1/2): what is shared is
only the moment at which the function is called.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Objective = Callable[[FloatArray, NDArray[np.intp]], FloatArray]
"""Values (B,) of points (B, D) that belong to the simplices (B,)."""


@dataclass(frozen=True)
class Descent:
    """How S simplices in D dimensions went down.

    Attributes
    ----------
    points, values
        The best vertex of each and its value, shapes (S, D) and (S,).
    simplices
        All vertices, the best first, shape (S, D + 1, D).
    best
        Value of the best vertex of each before the first step and after every one, shape (steps + 1, S).
    calls
        Function values used by then, counted over all simplices, int64, shape (steps + 1,).
    """

    points: FloatArray
    values: FloatArray
    simplices: FloatArray
    best: FloatArray
    calls: NDArray[np.int64]


def minimise(
    objective: Objective,
    simplices: FloatArray,
    steps: int,
    bounds: tuple[FloatArray, FloatArray] | None = None,
    after_step: Callable[[FloatArray], None] = lambda points: None,
) -> Descent:
    """Advance S simplices by a number of Nelder-Mead steps.

    Parameters
    ----------
    objective
        What is made small. It is called two or three times a step, each time with a point of every simplex
        that needs one.
    simplices
        Starting vertices, shape (S, D + 1, D).
    steps
        Steps of each.
    bounds
        Smallest and largest value of each coordinate, shapes (D,); points outside are clipped to them.
    after_step
        Called with the best vertices (S, D) at the start and after each step.

    Returns
    -------
    See `Descent`.
    """
    low, high = bounds if bounds is not None else (np.array(-np.inf), np.array(np.inf))
    vertices = np.array(simplices, dtype=np.float64)
    # mirrored at the upper bound rather than clipped to it, as scipy does: no start is flat
    vertices = np.clip(np.where(vertices > high, 2 * high - vertices, vertices), low, high)
    count, corners, dimensions = vertices.shape
    everyone = np.arange(count)
    calls = 0

    def evaluate(points: FloatArray, owners: NDArray[np.intp]) -> FloatArray:
        nonlocal calls
        calls += len(points)
        return objective(points, owners) if len(points) else np.empty(0)

    values = evaluate(vertices.reshape(-1, dimensions), np.repeat(everyone, corners)).reshape(count, corners)
    vertices, values = _sorted(vertices, values)
    best, counted = [values[:, 0].copy()], [calls]
    after_step(vertices[:, 0].copy())
    for _ in range(steps):
        centroid = np.add.reduce(vertices[:, :-1], 1) / dimensions
        worst, worst_value = vertices[:, -1].copy(), values[:, -1].copy()
        reflected = np.clip(2 * centroid - worst, low, high)
        reflected_value = evaluate(reflected, everyone)

        expand = reflected_value < values[:, 0]
        accept = ~expand & (reflected_value < values[:, -2])
        outside = ~expand & ~accept & (reflected_value < worst_value)
        inside = ~expand & ~accept & ~outside
        second = np.where(
            expand[:, None],
            3 * centroid - 2 * worst,
            np.where(outside[:, None], 1.5 * centroid - 0.5 * worst, 0.5 * centroid + 0.5 * worst),
        )
        second = np.clip(second, low, high)
        second_value = np.full(count, np.inf)
        tried = everyone[~accept]
        second_value[tried] = evaluate(second[tried], tried)

        take_second = (
            (expand & (second_value < reflected_value))
            | (outside & (second_value <= reflected_value))
            | (inside & (second_value < worst_value))
        )
        take_reflected = accept | (expand & ~take_second)
        vertices[take_second, -1], values[take_second, -1] = second[take_second], second_value[take_second]
        vertices[take_reflected, -1] = reflected[take_reflected]
        values[take_reflected, -1] = reflected_value[take_reflected]

        shrink = everyone[~take_second & ~take_reflected]
        towards = vertices[shrink, :1]
        moved = np.clip(towards + 0.5 * (vertices[shrink, 1:] - towards), low, high)
        vertices[shrink, 1:] = moved
        owners = np.repeat(shrink, dimensions)
        values[shrink, 1:] = evaluate(moved.reshape(-1, dimensions), owners).reshape(-1, dimensions)

        vertices, values = _sorted(vertices, values)
        best.append(values[:, 0].copy())
        counted.append(calls)
        after_step(vertices[:, 0].copy())
    return Descent(vertices[:, 0], values[:, 0], vertices, np.array(best), np.array(counted, dtype=np.int64))


def _sorted(vertices: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    order = np.argsort(values, axis=1)
    return np.take_along_axis(vertices, order[..., None], 1), np.take_along_axis(values, order, 1)
