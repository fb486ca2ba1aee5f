"""Portions of an open file inverted by several processes, whose answers come in order.

One process is not enough for a GPU: what reads, what tells the GPU its work and what compresses take turns at
the interpreter's lock, many times for every frame (benchmarks/predict.py). Here each process does all of that
for portions of its own, and the one that asks only writes.
"""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain, cycle
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, Self

import torch

from invert import checkpoint
from invert.frames import FrameSource, Portion, Reading, open_frames
from invert.inverter import Answer, Inverter
from msft.errors import ParameterError
from msft.workers import THREADS, environment

AHEAD = 2
"""Portions that each process has been given before the first of them is written."""

SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Which the processes leave to their parent: it ends them."""


class Work(NamedTuple):
    """What the processes do, as it travels to them.

    Attributes
    ----------
    path, reading, state
        Of the file with the frames.
    weights, digest
        The file of the weights, and what it holds.
    device
        Where the network is.
    """

    path: Path
    reading: Reading
    state: tuple[int, int]
    weights: Path
    digest: str
    device: str


class Processes:
    """Processes that invert frames of one file with one network, within a `with` block.

    They are spawned: a program that uses them does so below ``if __name__ == "__main__":``.

    Parameters
    ----------
    source
        The file, on the pixels that the model knows.
    inverter
        Whose weights lie in a file, and which polishes nothing.
    count
        How many; on a processor they share its cores.

    Raises
    ------
    ParameterError
        If there is no process, or the answers are to be polished.
    """

    def __init__(self, source: FrameSource, inverter: Inverter, count: int) -> None:
        if count < 1:
            raise ParameterError("jobs", count, "1 or more")
        if inverter.refinement is not None:
            raise ParameterError("jobs", count, "1 where estimates are refined")
        weights = inverter.checkpoint
        self._source, self._inverter = source, inverter
        self._work = Work(
            source.path, source.reading, source.state, weights.path, weights.digest, str(inverter.device)
        )
        self._count = count
        self._processes: list[BaseProcess] = []
        self._ends: list[Connection] = []

    def __enter__(self) -> Self:
        """Begin them."""
        # a fork would have a GPU that it must not touch, and locks that nobody gives back
        anew = multiprocessing.get_context("spawn")
        threads = str(max(1, min(_cores() // self._count, torch.get_num_threads())))
        with _left_to_parent(), environment(dict.fromkeys(THREADS, threads)):
            for _ in range(self._count):
                # a pipe each: the death of one shows at its own, even amid an answer
                here, there = anew.Pipe()
                process = anew.Process(target=_run, args=(there, self._work), daemon=True)
                process.start()
                there.close()
                self._processes.append(process)
                self._ends.append(here)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them: they hold nothing that is worth waiting for."""
        for process in self._processes:
            process.kill()
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join()

    def answers(
        self, portions: Iterable[Portion], progress: Callable[[int], None]
    ) -> Generator[Answer, None, None]:
        """Answers to portions of the file, in their order; `progress` is called with the frames of each.

        Raises
        ------
        ParameterError
            If the frames' size, wavelength or pixel width are not the model's, or file or weights have
            changed meanwhile.
        OSError
            If a process ends by itself, or a GPU's memory does not hold them.
        """
        portions = iter(portions)
        for first in portions:
            # what has to be compiled on this machine is compiled by one process
            self._inverter(self._source.read(first.numbers[:1]))
            portions = chain([first], portions)
            break
        given: deque[Connection] = deque()
        for portion, end in zip(portions, cycle(self._ends), strict=False):
            if len(given) == AHEAD * self._count:
                yield _received(given.popleft(), progress, self._count)
            with _alive(self._count):
                end.send(portion)
            given.append(end)
        while given:
            yield _received(given.popleft(), progress, self._count)


def _received(end: Connection, progress: Callable[[int], None], count: int) -> Answer:
    with _alive(count):
        answer: Answer | Exception = end.recv()
    if isinstance(answer, Exception):
        raise answer
    progress(len(answer.estimates))
    return answer


@contextmanager
def _alive(count: int) -> Iterator[None]:
    try:
        yield
    except (EOFError, OSError):  # before an answer, or amid one
        text = f"one of {count} processes (--jobs) did not begin or was ended, perhaps for lack of memory"
        raise OSError(errno.ECHILD, text) from None


@contextmanager
def _left_to_parent() -> Iterator[None]:
    """Processes that are begun within the block never see the signals that end their parent."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    # which Python begins with the first process otherwise, and then lets all signals through
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _cores() -> int:
    """Those that this process may use, as a batch system hands them out."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _run(end: Connection, work: Work) -> None:
    """What a process does: it answers portions, until its parent ends."""
    portions: SimpleQueue[Portion] = SimpleQueue()
    # a thread of its own takes them: the parent must not wait for one who waits for the parent
    threading.Thread(target=_listen, args=(end, portions), daemon=True).start()
    with ExitStack() as stack:
        opened: tuple[FrameSource, Inverter] | None = None
        while True:
            portion = portions.get()
            try:
                opened = opened or _opened(work, stack)
                answer: Any = _answer(*opened, portion)
            except (ParameterError, OSError) as error:
                answer = error
            except torch.OutOfMemoryError:
                answer = OSError(errno.ENOMEM, "the GPU's memory does not hold so many processes (--jobs)")
            except Exception as error:
                answer = RuntimeError("".join(traceback.format_exception(error)))
            end.send(answer)


def _listen(end: Connection, portions: SimpleQueue[Portion]) -> None:
    try:
        while True:
            portions.put(end.recv())
    except (EOFError, OSError):
        os._exit(1)


def _opened(work: Work, stack: ExitStack) -> tuple[FrameSource, Inverter]:
    """The file and the network, as the parent has them."""
    loaded = checkpoint.load(work.weights)
    if loaded.digest != work.digest:
        raise ParameterError("model", work.weights, "weights that stay as they are while they are used")
    source = stack.enter_context(open_frames(work.path, work.reading))
    if source.state != work.state:
        raise ParameterError("frames", work.path, "a file that stays as it is while it is read")
    simulation = loaded.model.configuration.simulation
    source.onto(simulation.detector, simulation.optics.wavelength)
    loaded.model.to(torch.device(work.device))
    return source, Inverter(loaded)


def _answer(source: FrameSource, inverter: Inverter, portion: Portion) -> Answer:
    answer = inverter.answer(source.take(portion), lambda done: None)
    # what is on its way stays here
    return answer._replace(images={name: list(parts) for name, parts in answer.images.items()})
