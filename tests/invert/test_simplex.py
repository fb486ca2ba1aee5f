"""The batched simplices against scipy's, one start at a time, vertex for vertex."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, minimize

from invert.fitting.simplex import Descent, minimise

FloatArray = NDArray[np.float64]
Function = Callable[[FloatArray, int], float]
"""Value of a point for the simplex of a number: each simplex has a function of its own."""

STARTS = 7


def sphere(x: FloatArray, owner: int) -> float:
    return float(((x - 0.1 * owner) ** 2).sum())


def rosenbrock(x: FloatArray, owner: int) -> float:
    return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 + owner - x[:-1]) ** 2).sum())


def ridges(x: FloatArray, owner: int) -> float:
    return float(abs(x - 0.3).max() + 0.2 * np.sin(5 * x + owner).sum())


def terraces(x: FloatArray, owner: int) -> float:
    """Flat steps: many vertices have the same value, so that < and <= differ."""
    return float(np.floor(2 * abs(x - 0.1 * owner)).sum())


FUNCTIONS = (sphere, rosenbrock, ridges, terraces)


def first_simplices(dimensions: int, seed: int = 0) -> FloatArray:
    return np.random.default_rng(seed).normal(size=(STARTS, dimensions + 1, dimensions)) * 2


def batched(
    function: Function,
    simplices: FloatArray,
    steps: int,
    bounds: tuple[FloatArray, FloatArray] | None = None,
    after_step: Callable[[FloatArray], None] = lambda points: None,
) -> Descent:
    def objective(points: FloatArray, owners: NDArray[np.intp]) -> FloatArray:
        assert len(points) == len(owners) > 0
        return np.array([function(x, int(owner)) for x, owner in zip(points, owners, strict=True)])

    return minimise(objective, simplices, steps, bounds, after_step)


def one_by_one(
    function: Any,
    simplices: FloatArray,
    steps: int,
    bounds: tuple[FloatArray, FloatArray] | None = None,
) -> tuple[list[Any], FloatArray]:
    """What scipy finds from each start, and its best value after every step, shape (steps, S)."""
    results, traces = [], []
    for owner, simplex in enumerate(simplices):
        trace: list[float] = []
        options: Any = {
            "initial_simplex": simplex,
            "maxiter": steps + 1,  # scipy counts the evaluation of the start as one
            "xatol": 0,
            "fatol": 0,
        }
        # scipy refuses a first guess outside the bounds, but starts from the given simplex alone
        guess = simplex[0] if bounds is None else np.clip(simplex[0], *bounds)
        limits = None if bounds is None else Bounds(*bounds)
        results.append(
            minimize(
                function,
                guess,
                (owner,),
                "Nelder-Mead",
                bounds=limits,
                callback=_into(trace),
                options=options,
            )
        )
        # it stops where all vertices are one, in a corner of the bounds; nothing would change any more
        traces.append(trace + trace[-1:] * (steps - len(trace)))
    return results, np.array(traces).T


def _into(trace: list[float]) -> Callable[..., None]:
    def note(intermediate_result: Any) -> None:  # scipy goes by the name of the argument
        trace.append(intermediate_result.fun)

    return note


@pytest.mark.parametrize("steps", [0, 1, 2, 10, 60])
@pytest.mark.parametrize("dimensions", [2, 4])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_vertex_is_where_scipy_has_it(function: Function, dimensions: int, steps: int) -> None:
    simplices = first_simplices(dimensions)
    descent = batched(function, simplices, steps)
    results, _ = one_by_one(function, simplices, steps)
    for row, result in enumerate(results):
        vertices, values = result.final_simplex
        assert np.array_equal(descent.simplices[row], vertices)
        assert np.array_equal(descent.points[row], result.x)
        assert descent.values[row] == result.fun == values[0]


@pytest.mark.parametrize("side", ["below", "above", "both"])
@pytest.mark.parametrize("function", FUNCTIONS)
def test_bounds_hold_as_scipys_do(function: Function, side: str) -> None:
    simplices = first_simplices(3, seed=1)
    low = np.array([0.2, -1.0, 0.5]) if side != "above" else np.full(3, -np.inf)
    high = np.array([3.0, 0.05, 1.1]) if side != "below" else np.full(3, np.inf)
    descent = batched(function, simplices, 50, (low, high))
    results, _ = one_by_one(function, simplices, 50, (low, high))
    for row, result in enumerate(results):
        assert np.array_equal(descent.simplices[row], result.final_simplex[0])
    assert ((descent.simplices >= low) & (descent.simplices <= high)).all()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_as_many_function_values_as_scipy(function: Function) -> None:
    simplices = first_simplices(4, seed=2)
    descent = batched(function, simplices, 40)
    results, _ = one_by_one(function, simplices, 40)
    assert descent.calls[-1] == sum(result.nfev for result in results)
    assert descent.calls.dtype == np.int64
    for steps in (0, 1, 17):
        assert batched(function, simplices, steps).calls[-1] == descent.calls[steps]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_best_value_of_every_step_is_recorded(function: Function) -> None:
    simplices = first_simplices(3, seed=3)
    seen: list[FloatArray] = []
    descent = batched(function, simplices, 30, after_step=lambda points: seen.append(points.copy()))
    _, trace = one_by_one(function, simplices, 30)
    assert np.array_equal(descent.best[1:], trace)
    first = [min(function(vertex, row) for vertex in simplex) for row, simplex in enumerate(simplices)]
    assert np.array_equal(descent.best[0], first)
    assert (np.diff(descent.best, axis=0) <= 0).all()
    assert len(seen) == 31
    for points, values in zip(seen, descent.best, strict=True):
        assert [function(point, row) for row, point in enumerate(points)] == pytest.approx(values, abs=0)


def test_one_dimension_and_one_start() -> None:
    simplices = np.array([[[3.0], [3.5]]])
    descent = batched(sphere, simplices, 40)
    (result,), _ = one_by_one(sphere, simplices, 40)
    assert np.array_equal(descent.simplices[0], result.final_simplex[0])
    assert descent.points[0, 0] == pytest.approx(0.0, abs=1e-6)


def test_company_changes_nothing() -> None:
    simplices = np.repeat(first_simplices(4, seed=4)[:1], 3, axis=0)
    simplices[1:] += 1.0
    together = batched(lambda x, owner: rosenbrock(x, 0), simplices, 50)
    alone = batched(rosenbrock, simplices[:1], 50)
    assert np.array_equal(together.simplices[0], alone.simplices[0])
    assert np.array_equal(together.best[:, 0], alone.best[:, 0])


def test_the_given_vertices_stay_as_they_are() -> None:
    simplices = first_simplices(2)
    before = simplices.copy()
    batched(sphere, simplices, 10, (np.full(2, -0.5), np.full(2, 0.5)))
    assert np.array_equal(simplices, before)


def test_enough_steps_reach_the_minimum() -> None:
    descent = batched(rosenbrock, first_simplices(2)[:1], 300)
    assert descent.points[0] == pytest.approx([1.0, 1.0], abs=1e-4)
