"""Processes that do tasks: answers in order, whatever each takes; errors and deaths are told, at once."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest

from msft.errors import ParameterError
from msft.processes import AHEAD, Processes
from msft.threads import VARIABLES, cores, threads_of_new_processes

MEBIBYTE = 2**20
"""More than a pipe holds."""


def begin(work: Callable[[int], Any], stack: ExitStack) -> Callable[[int], Any]:
    """What a process does with a number."""
    return work


def begin_badly(stack: ExitStack) -> Callable[[int], Any]:
    raise ParameterError("seed", -1, "0 or more")


def slower_if_even(number: int) -> tuple[int, int, str]:
    time.sleep(0.1 if number % 2 == 0 else 0.0)
    return number, os.getpid(), os.environ["OMP_NUM_THREADS"]


def bytes_of(number: int) -> bytes:
    return bytes([number]) * MEBIBYTE


def fails_at_three(number: int) -> int:
    if number == 3:
        raise ZeroDivisionError("three")
    if number == 5:
        raise ParameterError("n", number, "another")
    return number


def processes(work: Callable[[int], Any], count: int = 2) -> Processes[int, Any]:
    return Processes(partial(begin, work), count, 1, "--workers")


def test_answers_come_in_the_order_of_the_tasks_from_all_processes() -> None:
    with processes(slower_if_even) as two:
        found = list(two.answers(range(40)))
        assert [number for number, _, _ in found] == list(range(40))
        assert len({process for _, process, _ in found}) == 2
        assert {threads for _, _, threads in found} == {"1"}
        assert list(two.answers([])) == []
        assert len(list(two.answers(iter(range(3))))) == 3
    assert not multiprocessing.active_children()


def test_no_more_tasks_are_taken_than_may_wait() -> None:
    taken = []

    def tasks() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with processes(fails_at_three) as two:
        next(two.answers(tasks()))
    assert len(taken) <= 2 * AHEAD


def test_an_error_is_told_when_its_turn_comes() -> None:
    with processes(fails_at_three) as two:
        answers = two.answers(range(20))
        assert [next(answers) for _ in range(3)] == [0, 1, 2]
        with pytest.raises(RuntimeError, match=r"fails_at_three(.|\n)*ZeroDivisionError: three"):
            next(answers)
    with processes(fails_at_three) as two, pytest.raises(ParameterError, match="n: got 5; allowed: another"):
        list(two.answers([5]))
    with Processes(begin_badly, 1, 1, "--workers") as one, pytest.raises(ParameterError, match="seed"):
        list(one.answers([1]))


def test_one_that_dies_amid_an_answer_is_told_at_once() -> None:
    with processes(bytes_of) as two:
        answers = two.answers(range(100))
        assert next(answers) == bytes_of(0)
        while not (busy := [place for place, end in enumerate(two._ends) if two._in_hand[end]]):
            next(answers)
        assert two._ends[busy[0]].poll(60), "an answer, or the beginning of it, is there"
        os.kill(two._processes[busy[0]].pid or 0, signal.SIGKILL)
        with pytest.raises(OSError, match=r"one of 2 processes \(--workers\) .* was ended"):
            list(answers)


def out_of_memory(number: int) -> int:
    raise MemoryError


def test_want_of_memory_stays_what_it_is() -> None:
    with processes(out_of_memory, 1) as one, pytest.raises(MemoryError):
        list(one.answers([1]))


def test_answers_that_nobody_took_are_not_taken_for_others() -> None:
    with processes(fails_at_three) as two:
        first = two.answers(iter(range(30)))
        next(first)
        first.close()
        with pytest.raises(RuntimeError, match="earlier tasks"):
            list(two.answers(range(30)))


def test_processes_that_cannot_all_begin_are_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = multiprocessing.get_context("spawn").Process.start

    def start(process: Any) -> None:
        if multiprocessing.active_children():
            raise OSError("too many")
        begun(process)

    monkeypatch.setattr(multiprocessing.get_context("spawn").Process, "start", start)
    with pytest.raises(OSError, match="too many"), processes(fails_at_three):
        pass
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("count", [0, -1])
def test_no_process_is_refused(count: int) -> None:
    with pytest.raises(ParameterError, match=rf"workers: got {count}; allowed: 1 or more"):
        processes(slower_if_even, count)


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLES[0], "1000")
    assert 1 <= cores() <= (os.cpu_count() or 1)
    with threads_of_new_processes(1):
        assert {os.environ[name] for name in VARIABLES} == {"1"}
        assert cores() == 1
    assert os.environ[VARIABLES[0]] == "1000"
