"""What the kernels of a launch read, in one page-locked buffer that a GPU copies by itself.

An array in ordinary memory is first copied to a page-locked buffer by the thread that hands it to CuPy, a few
GB/s, and every array has its own copy to start. Here the threads that make the arrays write them into such a
buffer, and the one thread that launches kernels only has to start a single copy.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

ALIGNMENT = 256
"""Of each array in bytes, as that of a GPU's memory."""

AHEAD = 8
"""Launches that wait for the GPU: those of more would only hold memory."""


class Packet(NamedTuple):
    """Arrays one after the other.

    Attributes
    ----------
    host
        Bytes of page-locked memory, or of any for NumPy.
    begins
        Where each array begins.
    """

    host: NDArray[np.uint8]
    begins: tuple[int, ...]


def packed(arrays: Sequence[tuple[NDArray[Any], DTypeLike]], xp: Any) -> Packet:
    """Arrays, each as numbers of some type, in any thread, for the GPU of a namespace."""
    sizes = [array.size * np.dtype(dtype).itemsize for array, dtype in arrays]
    begins, end = laid_out(sizes)
    host = _page_locked(end, xp)
    for (array, dtype), begin, size in zip(arrays, begins, sizes, strict=True):
        host[begin : begin + size].view(dtype).reshape(array.shape)[...] = array
    return Packet(host, begins)


def laid_out(sizes: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Where arrays of some bytes begin, and how many bytes they take together, one at least."""
    ends = accumulate(-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)
    *begins, end = 0, *ends
    return tuple(begins), end + 1  # even an empty one begins inside


def uploaded(packet: Packet, xp: Any) -> list[Any]:
    """Bytes of the GPU from the beginning of each array on, once it gets there in the current stream.

    Of an array in page-locked memory CuPy starts the copy and returns, and keeps it until that is done (13.6
    to 15: ``_array_default`` of cupy/_core/core.pyx): the buffer may be let go of at once.
    """
    device = xp.asarray(packet.host)
    return [device[begin:] for begin in packet.begins]


class Pace:
    """Lets the host be `AHEAD` launches ahead of the GPU of a namespace."""

    def __init__(self, xp: Any) -> None:
        self._event, self._launched = xp.cuda.Event, deque[Any]()

    def launched(self) -> None:
        """After a launch: wait for the one that was `AHEAD` launches before."""
        event = self._event(block=True, disable_timing=True)
        event.record()
        self._launched.append(event)
        if len(self._launched) > AHEAD:
            self._launched.popleft().synchronize()


def _page_locked(count: int, xp: Any) -> NDArray[np.uint8]:
    """Bytes that CuPy takes from its pool, where they return when nothing holds them."""
    if xp is np:
        return np.empty(count, np.uint8)
    try:
        return np.frombuffer(xp.cuda.alloc_pinned_memory(count), np.uint8, count)
    except xp.cuda.runtime.CUDARuntimeError:
        # systems limit how much is page-locked; from other memory CuPy copies, too, if more slowly
        return np.empty(count, np.uint8)
