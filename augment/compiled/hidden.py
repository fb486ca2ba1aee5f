"""Hidden pixels: `augment.hidden` on a processor."""

from __future__ import annotations

import numba
import torch
from numba import float32

from augment.compiled.parts import COMPILED, over_images


def hide(
    images: torch.Tensor,
    rows: torch.Tensor,
    columns: torch.Tensor,
    beyond: torch.Tensor,
    within: torch.Tensor,
    squares: torch.Tensor,
    hidden: float,
) -> torch.Tensor:
    """Return images with all other pixels hidden.

    Parameters
    ----------
    images
        Float32, shape (B, H, W).
    rows, columns
        Those that are shown: bool, shapes (B, H) and (B, W).
    beyond, within
        The largest square of a distance from the beam that is hidden, and the largest that is shown: float32,
        shape (B,).
    squares
        Squared distances from the beam: float32, shape (H, W).
    hidden
        What hidden pixels hold.
    """
    of_images = images, rows, columns, beyond, within
    return over_images(_hidden, of_images, images.shape, (squares, hidden))


@numba.njit(**COMPILED)
def _hidden(images, rows, columns, beyond, within, result, squares, hidden):  # type: ignore[no-untyped-def]
    count, height, width = images.shape
    dark = float32(hidden)
    for number in range(count):
        least, most, own_columns = beyond[number], within[number], columns[number]
        for row in range(height):
            own, square, shown = images[number, row], squares[row], result[number, row]
            if not rows[number, row]:
                shown[:] = dark
                continue
            for column in range(width):
                there = own_columns[column] & (square[column] > least) & (square[column] <= most)
                shown[column] = own[column] if there else dark
