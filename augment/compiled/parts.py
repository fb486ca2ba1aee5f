"""Images divided among threads, and how what computes them is compiled."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch

COMPILED: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
"""Options of a kernel: it lets other threads run, and divides without asking for zeros, which are slow.

Numba compiles anew when the file of a kernel changes, not when one does that it takes a function from: each
takes them from its own file alone.
"""

INLINED: dict[str, Any] = {"forceinline": True, **COMPILED}

PIXELS_OF_A_THREAD = 1 << 16
"""Fewer are not worth waking another thread."""


def over_images(
    kernel: Callable[..., None],
    of_images: tuple[torch.Tensor, ...],
    shape: tuple[int, ...],
    tables: tuple[torch.Tensor | float, ...] = (),
    dtype: torch.dtype = torch.float32,
) -> torch.Tensor:
    """Run a kernel on a batch, in parts side by side on as many threads as torch may use.

    Parameters
    ----------
    kernel
        Compiled; takes the arrays of some images, where their results go, and the tables.
    of_images
        What it is given of each image: on the CPU, each of shape (B, ...).
    shape, dtype
        Of the result, (B, ...).
    tables
        What it is given besides.

    Returns
    -------
    The result, on the CPU.
    """
    result = torch.empty(shape, dtype=dtype, device="cpu")
    # one layout, so that there is one kernel
    arrays = [tensor.contiguous().numpy() for tensor in of_images] + [result.numpy()]
    constants = [table.numpy() if isinstance(table, torch.Tensor) else table for table in tables]
    threads = torch.get_num_threads()
    parts = min(threads, len(result), result.numel() // PIXELS_OF_A_THREAD)
    if parts < 2:
        kernel(*arrays, *constants)
        return result
    divided = zip(*(np.array_split(array, parts) for array in arrays), strict=True)
    # the threads wait for nothing but the processor, so however many ask for them, they are enough
    running = [_pool(threads).submit(kernel, *own, *constants) for own in divided]
    for part in running:
        part.result()
    return result


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="augment")


if hasattr(os, "register_at_fork"):  # a process that was forked has the pool, but not its threads
    os.register_at_fork(after_in_child=_pool.cache_clear)
