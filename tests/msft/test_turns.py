"""Threads take turns with HDF5: nobody waits for long, and nobody for ever."""

from __future__ import annotations

import os
import threading
import time

import pytest
from h5py._objects import phil

from msft.turns import turn


def test_whoever_waits_comes_next() -> None:
    order: list[str] = []
    asked = threading.Event()

    def waits() -> None:
        asked.set()
        with turn():
            order.append("the other")

    other = threading.Thread(target=waits)
    with turn():
        other.start()
        assert asked.wait(10)
        time.sleep(0.05)  # until it waits
        order.append("first")
    for _ in range(20):  # whoever has the lock gets it again otherwise: it is awake
        with turn():
            order.append("again")
    other.join()
    assert order[:3] == ["first", "the other", "again"]


def test_h5py_is_kept_out_within_a_turn_and_let_in_after_an_exception() -> None:
    came = threading.Event()

    def calls_h5py() -> None:
        with phil:
            came.set()

    other = threading.Thread(target=calls_h5py)
    with pytest.raises(ValueError, match="within"), turn():  # noqa: PT012
        other.start()
        assert not came.wait(0.05)
        raise ValueError("within")
    assert came.wait(10)
    other.join()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_its_turn_though_a_thread_of_the_parent_waited() -> None:
    asked = threading.Event()

    def waits() -> None:
        asked.set()
        with turn():
            pass

    other = threading.Thread(target=waits)
    with phil:
        other.start()
        assert asked.wait(10)
        time.sleep(0.05)
        child = os.fork()
        if child == 0:
            with turn():
                os._exit(0)
    other.join()
    end = time.monotonic() + 10
    while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < end:
        time.sleep(0.01)
    if not ended[0]:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert ended[0]
    assert ended[1] == 0
