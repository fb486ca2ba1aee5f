"""HDF5 for several threads that take turns.

h5py has one lock for all of HDF5, and it is not fair: a thread that gives it back and asks again at once gets
it again, since one that sleeps takes longer to wake up: a reader beside a writer of small pieces waits for
milliseconds at every piece. Here a thread asks once for many pieces, and whoever has waited comes next.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from h5py._objects import phil

_next = threading.Lock()
"""Held by the one thread that waits for HDF5, or has not been let go on yet."""


@contextmanager
def turn() -> Iterator[None]:
    """Have HDF5 alone within the block; not within another such block of the same thread."""
    with _next:
        phil.acquire()
    try:
        yield
    finally:
        phil.release()


def _begin_anew() -> None:
    global _next
    _next = threading.Lock()


if hasattr(os, "register_at_fork"):  # the thread that waits in the parent is not there in a child
    os.register_at_fork(after_in_child=_begin_anew)
