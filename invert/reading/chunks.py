"""Frames out of chunks that hold one each, decompressed here rather than by HDF5.

HDF5 decompresses one chunk after another, with zlib, under the lock that h5py shares with whoever writes at
the same time. Here that lock is held only while bytes come from the disk, for many chunks at once; several
threads make frames of them, with ISA-L where it has a build, which takes less than half as long. What comes
out is what HDF5 gives: whatever is not plain is left to it, down to single chunks, and so it is that says
what is damaged.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.threads import cores
from msft.turns import turn

try:
    from isal import isal_zlib as zlib
except ImportError:
    import zlib  # type: ignore[no-redef]

Raw = tuple[slice, list[bytes | None]]
Part = TypeVar("Part")
Result = TypeVar("Result")

THREADS = min(8, max(1, cores() * 3 // 8))
"""A few of many processors; of two, a network on them leaves none over."""

PART_BYTES = 2**20
"""What one thread works on at a time, in bytes of frames."""

TURN_PARTS = 32
"""Parts whose chunks are read at a time, while nobody else has HDF5."""

PIPELINES: tuple[tuple[int, ...], ...] = (
    (),
    (h5py.h5z.FILTER_DEFLATE,),
    (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE),
)
"""Filters in the order in which they were applied when the chunks were written."""


def read_rows(data: h5py.Dataset, first: int, last: int) -> NDArray[Any]:
    """Frames ``first:last`` (n, H, W) of a stack (N, H, W), (N, 1, H, W) or (1, N, H, W), as h5py gives them.

    Raises
    ------
    OSError
        If the file is damaged there.
    """
    with turn():
        filters = _filters(data)
        if filters is None:
            rows = slice(first, last)
            if data.ndim == 3:
                return np.asarray(data[rows])
            return np.asarray(data[rows, 0] if data.shape[1] == 1 else data[0, rows])
        result = np.empty((last - first, *data.shape[1:]), data.dtype)

    def fill(raw: Raw) -> list[int]:
        """Decompress some frames; returns which of them cannot be."""
        frames = range(len(result))[raw[0]]
        return [
            row
            for row, chunk in zip(frames, raw[1], strict=True)
            if chunk is None or not _decompress(chunk, filters, result[row])
        ]

    for row in (row for rows in shared(fill, _raw(data, first, result), result.nbytes) for row in rows):
        with turn():
            result[row] = data[first + row]
    return result


def shared(work: Callable[[Part], Result], parts: Iterable[Part], size: int) -> Iterable[Result]:
    """What some work makes of parts of so many bytes in all; several threads share it if that is worth it."""
    if THREADS == 1 or size <= PART_BYTES:
        return map(work, parts)
    # they end with the call: nobody has to close them, and none is there when a process forks
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(work, parts))


def part_of(frames: NDArray[Any]) -> int:
    """How many of some frames make a part."""
    return max(1, PART_BYTES // math.prod((*frames.shape[1:], frames.itemsize)))


def _filters(data: h5py.Dataset) -> tuple[int, ...] | None:
    """By which the chunks were written, if they are whole frames of plain numbers; None for all others."""
    if data.ndim != 3 or data.chunks != (1, *data.shape[1:]) or data.dtype.kind not in "iuf":
        return None
    # a writer may change what is there at any time; numbers of odd layouts are no array of NumPy's
    if data.file.swmr_mode or not data.id.get_type().equal(h5py.h5t.py_create(data.dtype)):
        return None
    created = data.id.get_create_plist()
    filters = tuple(created.get_filter(place)[0] for place in range(created.get_nfilters()))
    return filters if filters in PIPELINES else None


def _raw(data: h5py.Dataset, first: int, result: NDArray[Any]) -> Iterator[Raw]:
    """Chunks for parts of a result as they are stored; None for those to leave to HDF5."""
    part = part_of(result)
    for start in range(0, len(result), TURN_PARTS * part):
        end = min(start + TURN_PARTS * part, len(result))
        with turn():
            stored = [_stored(data, first + row) for row in range(start, end)]
        for low in range(start, end, part):
            rows = slice(low, min(low + part, end))
            yield rows, stored[rows.start - start : rows.stop - start]


def _stored(data: h5py.Dataset, row: int) -> bytes | None:
    try:
        skipped, chunk = data.id.read_direct_chunk((row, 0, 0))
    except (OSError, RuntimeError, ValueError, MemoryError):
        return None
    return chunk if skipped == 0 else None


def _decompress(chunk: bytes, filters: tuple[int, ...], frame: NDArray[Any]) -> bool:
    """Write what a chunk holds into a frame; returns whether it was that, neither more nor less."""
    content = _inflated(chunk, frame.nbytes) if h5py.h5z.FILTER_DEFLATE in filters else chunk
    if content is None or len(content) != frame.nbytes:
        return False
    if h5py.h5z.FILTER_SHUFFLE not in filters:
        frame[...] = np.frombuffer(content, frame.dtype).reshape(frame.shape)
        return True
    places = frame.view(np.uint8).reshape(-1, frame.itemsize)
    for place, plane in enumerate(np.frombuffer(content, np.uint8).reshape(frame.itemsize, -1)):
        places[:, place] = plane
    return True


def _inflated(chunk: bytes, size: int) -> bytes | None:
    """The first bytes of a stream that is whole, in no more memory than they take; None if it is damaged.

    HDF5 takes no offence at a stream of more bytes than a chunk has.
    """
    stream = zlib.decompressobj()
    try:
        content = stream.decompress(chunk, size)
        while not stream.eof:
            if not stream.decompress(stream.unconsumed_tail, PART_BYTES) and not stream.eof:
                return None
    except zlib.error:  # type: ignore[misc]
        return None
    return content
