"""Shifts by whole pixels: `augment.shift` on a processor."""

from __future__ import annotations

import numba
import torch
from numba import float32

from augment.compiled.parts import COMPILED, over_images


def shifted(images: torch.Tensor, down: torch.Tensor, right: torch.Tensor, hides: bool) -> torch.Tensor:
    """Return images moved by whole pixels.

    Parameters
    ----------
    images
        Float32, shape (B, H, W).
    down, right
        To higher rows and columns: int64, shape (B,).
    hides
        Whether 0 comes in from outside; otherwise the outermost pixels go on.
    """
    return over_images(_shifted, (images, down, right), images.shape, (hides,))


@numba.njit(**COMPILED)
def _shifted(images, down, right, result, hides):  # type: ignore[no-untyped-def]
    count, height, width = images.shape
    for number in range(count):
        across = right[number]
        # of the result, the first column that shows the image and the first that does so no more
        first, end = max(across, 0), max(min(width + across, width), 0)
        for row in range(height):
            origin = row - down[number]
            own = images[number, min(max(origin, 0), height - 1)]
            moved = result[number, row]
            if hides and (origin < 0 or origin >= height):
                moved[:] = float32(0.0)
                continue
            moved[:first] = float32(0.0) if hides else own[0]
            moved[end:] = float32(0.0) if hides else own[width - 1]
            if first < end:
                moved[first:end] = own[first - across : end - across]
