"""Patterns as the chunks that HDF5's gzip filter would have written, at a fifth of its cost.

Every HDF5 reader has gzip and shuffle, and no plugin has to be there. ISA-L writes the same format as zlib
at its lowest level, at its size; where it has no build, zlib itself does it (benchmarks/generate.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

try:
    from isal import isal_zlib as zlib
except ImportError:
    import zlib  # type: ignore[no-redef]

FILTERS: dict[str, Any] = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
"""What HDF5 is told of the chunks."""


def chunks(patterns: NDArray[np.float32]) -> list[bytes]:
    """One chunk for each of the patterns (n, H, W): bytes of equal significance together, then deflated."""
    planes = np.ascontiguousarray(patterns, dtype="<f4").view(np.uint8).reshape(len(patterns), -1, 4)
    return [zlib.compress(plane.T.tobytes(), 1) for plane in planes]
