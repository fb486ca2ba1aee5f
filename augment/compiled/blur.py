"""Gaussian blur: `augment.blur` on a processor."""

from __future__ import annotations

import numba
import numpy as np
import torch

from augment.compiled.parts import COMPILED, INLINED, over_images


def blurred(images: torch.Tensor, taps: torch.Tensor, reach: torch.Tensor) -> torch.Tensor:
    """Return images convolved along both axes; beyond the edges the outermost pixels go on.

    Parameters
    ----------
    images
        Float32, shape (B, H, W).
    taps
        Of each image, the weights of the pixels at distance 0, 1, ... on one side: float32, (B, distances).
    reach
        The largest distance that counts: int64, shape (B,).
    """
    # a mean does not exceed the largest value, but its rounding may
    largest = images.amax(dim=(1, 2))
    return over_images(_blurred, (images, taps, reach, largest), images.shape)


@numba.njit(**INLINED)
def _begin(total, middle, weight):  # type: ignore[no-untyped-def]
    for pixel in range(len(total)):
        total[pixel] = middle[pixel] * weight


@numba.njit(**INLINED)
def _add_both(total, before, after, weight):  # type: ignore[no-untyped-def]
    for pixel in range(len(total)):
        total[pixel] += (before[pixel] + after[pixel]) * weight


@numba.njit(**COMPILED)
def _blurred(images, taps, reach, largest, result):  # type: ignore[no-untyped-def]
    _, height, width = images.shape
    down = np.empty((height, width), np.float32)
    around = np.empty(width + 2 * taps.shape[1], np.float32)
    for number in range(len(images)):
        image, weights, far, most = images[number], taps[number], reach[number], largest[number]
        for row in range(height):
            _begin(down[row], image[row], weights[0])
            for distance in range(1, far + 1):
                before, after = image[max(row - distance, 0)], image[min(row + distance, height - 1)]
                _add_both(down[row], before, after, weights[distance])
        for row in range(height):
            total = result[number, row]
            around[:far], around[far + width : 2 * far + width] = down[row, 0], down[row, width - 1]
            around[far : far + width] = down[row]
            _begin(total, down[row], weights[0])
            for distance in range(1, far + 1):
                before = around[far - distance : far - distance + width]
                after = around[far + distance : far + distance + width]
                _add_both(total, before, after, weights[distance])
            for column in range(width):
                total[column] = most if total[column] > most else total[column]
