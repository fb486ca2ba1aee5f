"""Blocks of simulated patterns in order: simulated here, or by processes of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from msft.compression import chunks
from msft.processes import Processes
from msft.shots import Recipe, Shots

BATCH = 64
"""Patterns that are simulated and written at a time, if they have no more pixels than `PIXELS` together."""

PIXELS = BATCH * 128**2
"""Pixels of a batch: its amplitudes take 16 MB in double precision."""

_ENGINE = threading.Lock()
"""Numba's threads serve one caller at a time, and a process may run several tasks of a cluster."""


@dataclass(frozen=True, eq=False)
class Block:
    """Patterns that were simulated together: as they are, or compressed by the process that made them."""

    shots: Shots
    patterns: NDArray[np.float32]
    compressed: list[bytes] | None = None


def batches(rows: range, pixels: int) -> Iterator[range]:
    """Rows in the portions in which they are simulated."""
    size = min(BATCH, max(1, PIXELS // pixels**2))
    return (rows[start : start + size] for start in range(0, len(rows), size))


def simulated(recipe: Recipe, todo: Iterator[range]) -> Generator[Block, None, None]:
    """Blocks simulated in this process, with all its threads."""
    for rows in todo:
        shots = recipe.shots(rows)
        with _ENGINE:
            patterns = shots.intensity()
        yield Block(shots, patterns)


def simulated_by_workers(recipe: Recipe, todo: Iterator[range], workers: int) -> Generator[Block, None, None]:
    """Blocks simulated by processes with one thread each, in order.

    Raises
    ------
    OSError
        If a process dies, as it does when memory is short.
    """
    with Processes(partial(_begin, recipe), workers, 1, "--workers") as processes:
        yield from processes.answers(todo)


def _begin(recipe: Recipe, stack: ExitStack) -> Callable[[range], Block]:
    """What a process does with rows; there is nothing to close."""
    return partial(_simulate, recipe)


def _simulate(recipe: Recipe, rows: range) -> Block:
    shots = recipe.shots(rows)
    return Block(shots, np.empty(0, dtype=np.float32), chunks(shots.intensity()))
