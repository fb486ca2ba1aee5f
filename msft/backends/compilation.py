"""When numba compiles: seconds in which nothing else is seen to happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from numba.core import event


@contextmanager
def told_of_compilation(tell: Callable[[], None]) -> Iterator[None]:
    """Call a function once, as soon as something is compiled that is not in numba's cache."""

    class Listener(event.Listener):
        told = False

        def on_start(self, event: event.Event) -> None:
            if not self.told:
                self.told = True
                tell()

        def on_end(self, event: event.Event) -> None:
            pass

    with event.install_listener("numba:compile", Listener()):
        yield
