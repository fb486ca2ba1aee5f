"""Tasks done by processes of their own, whose answers come in the order of the tasks.

Each process has a pipe of its own: the death of one shows there at once, even amid an answer, where Python's
pool of processes waits for the rest of it for ever.
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
from itertools import count
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Generic, NamedTuple, Self, TypeVar

from msft.errors import ParameterError
from msft.threads import threads_of_new_processes

Task = TypeVar("Task")
Answer = TypeVar("Answer")

IN_HAND = 2
"""Tasks that a process has been given at most: the one that it does, and the next."""

AHEAD = 4
"""Tasks for each process that are done before the first of them is taken away."""

SIGNALS = {signal.SIGINT, signal.SIGTERM}
"""Which the processes leave to their parent: it ends them."""


class Failure(NamedTuple):
    """What a task raised."""

    error: Exception


class Processes(Generic[Task, Answer]):
    """Processes that do tasks, within a `with` block.

    They are spawned: a program that uses them does so below ``if __name__ == "__main__":``.

    Parameters
    ----------
    begin
        Called by each process before its first task, with what is closed when it ends; returns what does a
        task. Both travel as `pickle` takes them.
    count
        How many there are.
    threads
        That each of them has.
    option
        By which a user asks for them.

    Raises
    ------
    ParameterError
        If there is no process.
    """

    def __init__(
        self, begin: Callable[[ExitStack], Callable[[Task], Answer]], count: int, threads: int, option: str
    ) -> None:
        if count < 1:
            raise ParameterError(option.lstrip("-"), count, "1 or more processes")
        self._begin, self._count, self._threads, self._option = begin, count, threads, option
        self._processes: list[BaseProcess] = []
        self._ends: list[Connection] = []
        self._in_hand: dict[Connection, deque[int]] = {}

    def __enter__(self) -> Self:
        """Begin them."""
        # a fork would have a GPU that it must not touch, and locks that nobody gives back
        anew = multiprocessing.get_context("spawn")
        try:
            with _left_to_parent(), threads_of_new_processes(self._threads):
                for _ in range(self._count):
                    here, there = anew.Pipe()
                    self._ends.append(here)
                    self._in_hand[here] = deque()
                    with there:
                        process = anew.Process(target=_run, args=(there, self._begin), daemon=True)
                        process.start()
                    self._processes.append(process)
        except BaseException:  # they would outlive it: what ends processes at the exit is left to the parent
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End them: they hold nothing that is worth waiting for."""
        self._end()

    def _end(self) -> None:
        for process in self._processes:
            process.kill()
        for end in self._ends:
            end.close()
        for process in self._processes:
            process.join()

    def answers(self, tasks: Iterable[Task]) -> Generator[Answer, None, None]:
        """The answers to some tasks, in their order; if they are not all taken, there are no others.

        Raises
        ------
        RuntimeError
            If those to earlier tasks were not all taken.
        OSError
            If a process ends by itself.
        Exception
            What a task raises; but for errors of the system and of arguments, as RuntimeError with its trace.
        """
        if any(self._in_hand.values()):
            raise RuntimeError("answers to earlier tasks are on their way")
        numbered = enumerate(tasks)
        done: dict[int, Answer | Failure] = {}
        given = 0
        for number in count():
            while True:
                while given < number + AHEAD * len(self._ends) and self._give_one(numbered):
                    given += 1
                if number in done or number == given:
                    break
                done |= self._taken()
            if number == given:
                return
            answer = done.pop(number)
            if isinstance(answer, Failure):
                raise answer.error
            yield answer

    def _give_one(self, numbered: Iterator[tuple[int, Task]]) -> bool:
        """Give a task to the process with the fewest; returns whether one was left and had a place."""
        end = min(self._ends, key=lambda end: len(self._in_hand[end]))
        if len(self._in_hand[end]) == IN_HAND:
            return False
        for number, task in numbered:
            with self._alive():
                end.send(task)
            self._in_hand[end].append(number)
            return True
        return False

    def _taken(self) -> dict[int, Answer | Failure]:
        """Some answers, by number, when there are any."""
        found: dict[int, Answer | Failure] = {}
        ready = wait([end for end, numbers in self._in_hand.items() if numbers])
        for end in self._ends:
            if end in ready:
                with self._alive():
                    answer = end.recv()
                found[self._in_hand[end].popleft()] = answer
        return found

    @contextmanager
    def _alive(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, OSError):  # before an answer, or amid one
            which = f"one of {self._count} processes ({self._option})"
            raise OSError(
                errno.ECHILD, f"{which} did not begin or was ended, perhaps for lack of memory"
            ) from None


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


def _run(end: Connection, begin: Callable[[ExitStack], Callable[[Any], Any]]) -> None:
    """What a process does: task after task, until its parent ends."""
    tasks, answers = SimpleQueue[Any](), SimpleQueue[Any]()
    # threads of their own take and send: nobody waits for one who waits for him, or is busy
    threading.Thread(target=_listen, args=(end, tasks), daemon=True).start()
    threading.Thread(target=_speak, args=(end, answers), daemon=True).start()
    with ExitStack() as stack:
        work: Callable[[Any], Any] | None = None
        while True:
            task = tasks.get()
            try:
                work = work or begin(stack)
                answer = work(task)
            except (ParameterError, OSError, MemoryError) as error:
                answer = Failure(error)
            except Exception as error:
                answer = Failure(RuntimeError("".join(traceback.format_exception(error))))
            answers.put(answer)


def _listen(end: Connection, tasks: SimpleQueue[Any]) -> None:
    try:
        while True:
            tasks.put(end.recv())
    finally:  # the parent has ended
        os._exit(1)


def _speak(end: Connection, answers: SimpleQueue[Any]) -> None:
    try:
        while True:
            end.send(answers.get())
    finally:
        os._exit(1)
