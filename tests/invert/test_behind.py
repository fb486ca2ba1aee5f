"""Work that is done beside the caller's: in order, and never lost."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

from invert.behind import Behind


def test_calls_are_made_in_order_by_another_thread_one_at_a_time() -> None:
    made: list[tuple[int, int]] = []
    began, may_go_on = threading.Event(), threading.Event()

    def work(number: int) -> None:
        began.set()
        assert may_go_on.wait(10)
        made.append((number, threading.get_ident()))

    with Behind() as behind:
        behind(work, 0)
        assert began.wait(10)
        assert made == [], "the caller does not wait for it"
        may_go_on.set()
        for number in range(1, 20):
            behind(work, number)
            # all but the last one have ended
            assert len(made) >= number
    assert [number for number, _ in made] == list(range(20))
    assert {thread for _, thread in made} != {threading.get_ident()}


def test_what_a_call_raises_is_raised_at_the_next_one_or_at_the_end() -> None:
    def fails() -> None:
        raise OSError(28, "no space")

    with pytest.raises(OSError, match="no space"), Behind() as behind:
        behind(fails)
    after: list[int] = []
    with pytest.raises(OSError, match="no space"), Behind() as behind:  # noqa: PT012
        behind(fails)
        behind(after.append, 1)
    assert after == []


def test_an_exception_of_the_caller_lets_the_last_call_end() -> None:
    made: list[int] = []
    may_go_on = threading.Event()

    def work() -> None:
        assert may_go_on.wait(10)
        made.append(1)

    with pytest.raises(KeyboardInterrupt), Behind() as behind:  # noqa: PT012
        behind(work)
        threading.Timer(0.1, may_go_on.set).start()
        raise KeyboardInterrupt
    assert made == [1]


@pytest.fixture
def interruptible() -> Iterator[None]:
    """As a process is that no shell has put into the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_an_interrupt_while_it_waits_for_the_last_call_lets_that_end_too() -> None:
    made: list[int] = []
    began, main = threading.Event(), threading.get_ident()

    def work() -> None:
        assert began.wait(10)
        for _ in range(2):
            time.sleep(0.1)
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.1)
        made.append(1)

    with pytest.raises(KeyboardInterrupt), Behind() as behind:  # noqa: PT012
        behind(work)
        began.set()
    assert made == [1]
