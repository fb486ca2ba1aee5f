"""Patterns as the chunks that HDF5's gzip filter would have written, at a fifth of its cost.

Every HDF5 reader has gzip and shuffle, and no plugin has to be there. ISA-L writes the same format as zlib
at its lowest level, at its size; where it has no build, zlib itself does it (benchmarks/generate.py).
"""

from __future__ import annotations

from concurrent.futures import Executor
from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from isal import isal_zlib as zlib
except ImportError:
    import zlib  # type: ignore[no-redef]

FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""What HDF5 is told of the chunks."""

PART = 32
"""Images that one thread compresses at a time."""


def chunks(patterns: NDArray[Any], threads: Executor | None = None) -> list[bytes]:
    """One chunk for each of some images (n, H, W): bytes of equal significance together, then deflated.

    Threads share the work, if there are any: neither of the libraries holds the interpreter meanwhile.
    """
    if threads is not None:
        parts = (patterns[first : first + PART] for first in range(0, len(patterns), PART))
        return [chunk for part in threads.map(chunks, parts) for chunk in part]
    little = np.ascontiguousarray(patterns, patterns.dtype.newbyteorder("<"))
    planes = little.view(np.uint8).reshape(len(patterns), -1, patterns.itemsize)
    return [zlib.compress(plane.T.tobytes(), 1) for plane in planes]
