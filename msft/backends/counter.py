"""Parallel tasks handed out one by one, whatever numba's threading layer does.

Numba divides a parallel loop into equal shares beforehand, and the whole waits for the slowest. A thread that
shares its core with another, as with the one that compresses and writes what was computed before, is slow.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import intrinsic


def _take_next(context: Any, counter: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        return builder.atomic_rmw("add", array.data, context.get_constant(types.int64, 1), "monotonic")

    return types.int64(counter), generate


take_next: Any = intrinsic(_take_next)
"""The number in counter[0], which grows by one before another thread can read it."""
