"""Patterns as the chunks that HDF5's gzip filter would have written, at a quarter of its cost.

Every HDF5 reader has gzip and shuffle, and no plugin has to be there. ISA-L writes the same format as zlib
at its lowest level, at its size; where it has no build, zlib itself does it (benchmarks/generate.py).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""What HDF5 is told of the chunks."""

PART = 16
"""Images that are compressed at a time."""


def chunks(patterns: NDArray[Any]) -> list[bytes]:
    """One chunk for each of some images (n, H, W): bytes of equal significance together, then deflated."""
    return [chunk for part in portions(patterns) for chunk in part]


def portions(
    patterns: NDArray[Any], threads: Executor | None = None, levels: int | None = None
) -> Iterator[list[bytes]]:
    """The chunks of images, a few at a time; threads, if there are any, begin with all of them at once.

    With `levels`, a power of two, values are rounded to multiples of 1/levels: of numbers below one the last
    bytes are then mostly zero, and take no place.
    """
    parts = (patterns[first : first + PART] for first in range(0, len(patterns), PART))
    work = partial(_compressed, levels=levels)
    return map(work, parts) if threads is None else threads.map(work, parts)


def _compressed(patterns: NDArray[Any], levels: int | None) -> list[bytes]:
    if levels is not None:
        patterns = np.rint(patterns * patterns.dtype.type(levels)) * patterns.dtype.type(1 / levels)
    little = np.ascontiguousarray(patterns, patterns.dtype.newbyteorder("<"))
    places = little.view(np.uint8).reshape(len(patterns), -1, patterns.itemsize)
    # all at once: NumPy leaves the interpreter to other threads meanwhile, which `tobytes` of each does not
    return [_deflated(image.data) for image in np.ascontiguousarray(places.transpose(0, 2, 1))]


def _by_zlib(image: memoryview) -> bytes:
    """A stream of zlib's that looks for runs only.

    Other repetitions in the bytes of patterns are hardly longer than what would stand for them: without them
    zlib takes two thirds of the time, and writes no more.
    """
    stream = zlib.compressobj(1, strategy=zlib.Z_RLE)
    return stream.compress(image) + stream.flush()


_deflated: Callable[[memoryview], bytes] = _by_zlib
try:
    from isal import isal_zlib
except ImportError:
    pass
else:
    _deflated = partial(isal_zlib.compress, level=1)
