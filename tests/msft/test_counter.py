"""Parallel tasks handed out one by one."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from msft.backends.counter import take_next
from msft.bodies import named
from msft.pattern import Simulation


@numba.njit(parallel=True)
def _tasks_of_threads(counter, threads, count, times):  # type: ignore[no-untyped-def]
    for _ in numba.prange(threads):
        task = take_next(counter)
        while task < count:
            times[task] += 1
            task = take_next(counter)


def test_every_task_is_done_once() -> None:
    count = 200_000
    times: NDArray[Any] = np.zeros(count, dtype=np.int64)
    threads = 4 * numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined]
    _tasks_of_threads(np.zeros(1, np.int64), threads, count, times)
    np.testing.assert_array_equal(times, 1)


def test_the_number_of_threads_changes_nothing() -> None:
    simulation = Simulation()
    radii = np.array([40.0, 150.0, 90.0])
    orientations = np.array([[1.0, 0, 0, 0], [0.8, 0.6, 0, 0], [0.0, 0.6, 0, 0.8]])
    most = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = simulation.amplitude_of(named("icosahedron"), radii, orientations)
    finally:
        numba.set_num_threads(most)
    np.testing.assert_array_equal(simulation.amplitude_of(named("icosahedron"), radii, orientations), alone)
