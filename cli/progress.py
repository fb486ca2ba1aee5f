"""How far long work has come: a bar on a terminal, and a line from time to time where none is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

EVERY = 60.0
"""Seconds between two lines, in the log of a cluster's job for instance."""


@contextmanager
def progress_bar(title: str, total: int, quiet: bool, then: str = "") -> Iterator[Callable[[int], None]]:
    """Progress on stderr, from the first call on of the function it yields.

    That function takes the number of items just done, and a first 0, or how many were done before, when the
    work begins: bad input, found before that, prints its one line and nothing else. `then` is said when all
    items are done, of what still takes a while.
    """
    if quiet or sys.stderr is None:  # it is None where it was closed
        yield lambda done: None
        return
    with compilation_told(quiet), _bar(title, total) if sys.stderr.isatty() else _lines(title, total) as tell:
        yield _saying(then, total, tell) if then else tell


def _saying(what: str, total: int, tell: Callable[[int], None]) -> Callable[[int], None]:
    left = total

    def advance(done: int) -> None:
        nonlocal left
        tell(done)
        if left > 0 >= left - done:
            _say(what)
        left -= done

    return advance


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    bar = Progress(*columns, console=Console(stderr=True))
    task = bar.add_task(title, total=total)

    def advance(done: int) -> None:
        bar.start()
        bar.advance(task, done)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()


@contextmanager
def _lines(title: str, total: int) -> Iterator[Callable[[int], None]]:
    before: int | None = None
    done = 0
    begin = told = 0.0

    def tell(now: float) -> None:
        assert before is not None
        spent = now - begin
        line = f"{title}: {done} of {total}, {_clock(spent)}"
        if before < done < total:
            line += f", {_clock(spent * (total - done) / (done - before))} left"
        _say(line)

    def advance(more: int) -> None:
        nonlocal before, done, begin, told
        done += more
        now = time.monotonic()
        if before is None:
            before, begin, told = done, now, now
        elif now - told >= EVERY and done < total:
            told = now
            tell(now)

    try:
        yield advance
    finally:
        if before is not None:
            tell(time.monotonic())


def _say(what: str) -> None:
    with suppress(OSError):  # whoever reads it may be gone, or its disk full: the work goes on
        print(what, file=sys.stderr, flush=True)


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


@contextmanager
def compilation_told(quiet: bool) -> Iterator[None]:
    """Say when kernels are compiled, or the first work after an installation seems to hang."""
    if quiet or "numba" not in sys.modules:  # whatever compiles is imported with the solvers
        yield
        return
    from msft.backends.compilation import told_of_compilation

    with told_of_compilation(lambda: _say("compiling for this machine, once: about half a minute")):
        yield
