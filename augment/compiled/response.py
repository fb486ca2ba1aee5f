"""How the detector answers: `augment.response` on a processor."""

from __future__ import annotations

import numba
import numpy as np
import torch
from numba import float32

from augment.compiled.parts import COMPILED, over_images


def attenuated(images: torch.Tensor, along_y: torch.Tensor, along_x: torch.Tensor) -> torch.Tensor:
    """Return images times 1 minus each of some products of a number for the row and one for the column.

    Parameters
    ----------
    images
        Float32, shape (B, H, W).
    along_y, along_x
        Numbers in [0, 1]: float32, shapes (B, spots, H) and (B, spots, W).
    """
    return over_images(_attenuated, (images, along_y, along_x), images.shape)


def clipped(images: torch.Tensor, squares: torch.Tensor, halo: torch.Tensor) -> torch.Tensor:
    """Return images clipped at what the brightest pixel outside a radius holds.

    Parameters
    ----------
    images
        Intensity >= 0: float32, shape (B, H, W).
    squares
        Squared distances from the beam: float32, shape (H, W).
    halo
        The largest square that does not count: float32, shape (B,).
    """
    pixels = images.flatten(1)
    return over_images(_clipped, (pixels, halo), pixels.shape, (squares.flatten(),)).view(images.shape)


@numba.njit(**COMPILED)
def _attenuated(images, along_y, along_x, result):  # type: ignore[no-untyped-def]
    count, height, width = images.shape
    for number in range(count):
        for row in range(height):
            own, total = images[number, row], result[number, row]
            for column in range(width):
                total[column] = own[column]
            for spot in range(along_y.shape[1]):
                there, across = along_y[number, spot, row], along_x[number, spot]
                if there > float32(2.0**-25):  # what is lost of less than that is lost in rounding, too
                    for column in range(width):
                        total[column] -= total[column] * (there * across[column])


@numba.njit(**COMPILED)
def _clipped(images, halo, result, squares):  # type: ignore[no-untyped-def]
    for number in range(len(images)):
        own, clipped, least = images[number], result[number], halo[number]
        # bit patterns of numbers >= 0 are in their order, and LLVM vectorises the largest of integers alone
        level_bits = np.int32(0)
        for pixel in range(len(own)):
            bits = np.float32(own[pixel]).view(np.int32)
            level_bits = max(level_bits, bits if squares[pixel] > least else np.int32(0))
        level = np.int32(level_bits).view(np.float32)
        for pixel in range(len(own)):
            clipped[pixel] = level if own[pixel] > level else own[pixel]
