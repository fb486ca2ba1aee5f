"""Portions: every row once, halved where memory is short, and small enough for it."""

from __future__ import annotations

import numpy as np
import pytest

from msft.solvers.portions import PATTERNS, PIXELS, in_portions


class Allocator:
    """Memory for so many rows: more than that at once is refused, as CuPy refuses it."""

    class OutOfMemoryError(MemoryError):
        """As CuPy's."""

    def __init__(self, rows: int, until: int = 10**9) -> None:
        self.rows, self.until = rows, until
        self.done: list[int] = []
        self.asked: list[int] = []

    def compute(self, rows: slice) -> None:
        size = rows.stop - rows.start
        self.asked.append(size)
        if size > self.rows and len(self.asked) <= self.until:
            raise self.OutOfMemoryError
        self.done += range(rows.start, rows.stop)


@pytest.mark.parametrize("memory", [1, 2, 3, 7, 100, 10**6])
@pytest.mark.parametrize("count", [0, 1, 5, 64, 1000])
def test_every_row_is_computed_once_however_little_memory_there_is(memory: int, count: int) -> None:
    allocator = Allocator(memory)
    in_portions(allocator.compute, count, pixels=16)
    assert allocator.done == list(range(count))
    # halving from a full portion down to what there is, not more often than that
    assert sum(size > memory for size in allocator.asked) <= np.log2(PATTERNS) + 1


def test_portions_stay_halved() -> None:
    allocator = Allocator(100)
    in_portions(allocator.compute, 600, pixels=16)
    assert allocator.asked == [256, 128, *[64] * 9, 24]


def test_a_portion_has_no_more_pixels_than_fit() -> None:
    allocator = Allocator(10**6)
    in_portions(allocator.compute, 10, pixels=PIXELS // 3)
    assert allocator.asked == [3, 3, 3, 1]
    allocator = Allocator(10**6)
    in_portions(allocator.compute, 2, pixels=8192**2)
    assert allocator.asked == [1, 1]


def test_no_memory_for_a_single_row_is_a_failure_with_a_name() -> None:
    with pytest.raises(OSError, match="no memory for one pattern of 16 pixels"):
        in_portions(Allocator(0).compute, 4, pixels=16)
