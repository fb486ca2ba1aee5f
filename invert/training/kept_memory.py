"""Memory that one step of a training frees and the next takes again.

A step takes and frees up to gigabytes. The C library gives them back to the system in between, which has to
clear every page before the next step. Of a step's processor time that was a fifth with the preset `quick` and
a sixth with `best` (batches of 128 x 128 pixels, one thread).
"""

from __future__ import annotations

import ctypes

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""`M_TRIM_THRESHOLD` and `M_MMAP_MAX` of glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Keep what is freed in this process for what it needs next, until the process ends.

    Returns
    -------
    Whether the C library does so: glibc, that of most Linux systems.

    Notes
    -----
    Source: mallopt(3) of the Linux manual pages.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    # no piece is too large to be kept, and -1: no amount of free memory is too much
    return bool(mallopt(_MMAP_MAX, 0)) and bool(mallopt(_TRIM_THRESHOLD, -1))
