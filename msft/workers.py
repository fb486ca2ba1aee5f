"""Blocks of simulated patterns in order: simulated here, or by processes of their own."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from multiprocessing.connection import wait

import numpy as np
from numpy.typing import NDArray

from msft.compression import chunks
from msft.shots import Recipe, Shots

BATCH = 64
"""Patterns that are simulated and written at a time, if they have no more pixels than `PIXELS` together."""

PIXELS = BATCH * 128**2
"""Pixels of a batch: its amplitudes take 16 MB in double precision."""

AHEAD = 4
"""Batches per worker that are simulated before they can be written."""

THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables for how many threads a process has."""

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
    waiting: deque[Future[Block]] = deque()
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin_worker)
    try:
        with environment(dict.fromkeys(THREADS, "1")):
            for rows in todo:
                waiting.append(pool.submit(_simulate, recipe, rows))
                if len(waiting) >= AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
    except BrokenProcessPool:
        raise ChildProcessError(0, "a worker died, perhaps for lack of memory", "--workers") from None
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _simulate(recipe: Recipe, rows: range) -> Block:
    shots = recipe.shots(rows)
    return Block(shots, np.empty(0, dtype=np.float32), chunks(shots.intensity()))


def _begin_worker() -> None:
    import signal

    # the parent alone answers Ctrl-C, and a worker does not outlive it
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def environment(values: dict[str, str]) -> Iterator[None]:
    """Environment variables for the processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
