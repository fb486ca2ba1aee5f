"""What is written while the next batch is inverted."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import ParamSpec, Self

Parameters = ParamSpec("Parameters")


class Behind:
    """Calls that a thread of its own makes one after another, while the caller goes on with what comes next.

    One call is on its way at most: the next one waits for it, and so does the end of the block. What a call
    raises is raised there. An exception within the block lets the last call end, too.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._last: Future[None] | None = None

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last call, interrupted or not: what comes next must not meet it at work."""
        interrupt: KeyboardInterrupt | None = None
        # the thread is not joined for that: before Python 3.13 an interrupt there lets it count as ended
        while self._last is not None and not self._last.done():
            try:
                wait([self._last])
            except KeyboardInterrupt as raised:
                interrupt = raised
        self._thread.shutdown()
        if interrupt is not None:
            raise interrupt
        if error is None:
            self._wait()

    def __call__(
        self, work: Callable[Parameters, None], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> None:
        """Begin a call when the one before has ended."""
        self._wait()
        self._last = self._thread.submit(work, *args, **kwargs)

    def _wait(self) -> None:
        if self._last is not None:
            self._last.result()
