"""Batches made while the network works on the one before."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from queue import Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")

AHEAD = 2
"""Items that are ready before they are asked for."""

_PATIENCE = 0.1


class Ahead(Generic[Item]):
    """An iterable whose items are made by a thread of its own, in the same order.

    Simulation and the reading of files leave the interpreter to others, so they happen beside the network's
    step. Whatever the iterable raises is raised where the item is asked for.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self.items = items

    def __iter__(self) -> Generator[Item, None, None]:
        """The items; closing the iterator ends the thread."""
        queue: Queue[tuple[Item | None, BaseException | None]] = Queue(AHEAD)
        stopped = threading.Event()
        thread = threading.Thread(target=_fill, args=(self.items, queue, stopped), daemon=True)
        thread.start()
        try:
            while True:
                item, error = queue.get()
                if error is not None:
                    if isinstance(error, _End):
                        return
                    raise error
                yield item  # type: ignore[misc]
        finally:
            stopped.set()
            thread.join()


class _End(Exception):
    """There are no more items."""


def _fill(
    items: Iterable[Item], queue: Queue[tuple[Item | None, BaseException | None]], stopped: threading.Event
) -> None:
    try:
        for item in items:
            if not _put(queue, (item, None), stopped):
                return
        _put(queue, (None, _End()), stopped)
    except BaseException as error:
        _put(queue, (None, error), stopped)


def _put(queue: Queue[Item], item: Item, stopped: threading.Event) -> bool:
    while not stopped.is_set():
        try:
            queue.put(item, timeout=_PATIENCE)
        except Full:
            continue
        return True
    return False
