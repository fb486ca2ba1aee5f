"""Where the beam was, from the frames alone: around it small-angle scattering is centrosymmetric."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES
from invert.centre import find_beam
from invert.reading.frames import grey_values
from msft.errors import ParameterError

MOST_FRAMES = 32
"""That need to be looked at."""

FEWEST_PIXELS = 32

SCATTERED = 0.01
"""Of a frame's side: frames whose centres differ by more hardly tell it."""


def symmetry_center(grey: NDArray[np.float32], valid: NDArray[np.bool_], reach: int) -> tuple[float, float]:
    """Row and column about which a frame is most like itself turned by 180 degrees, to half a pixel.

    Parameters
    ----------
    grey, valid
        Logarithmic grey image (H, W) and its pixels that count.
    reach
        Largest distance from the middle [n/2, n/2] in each direction, in pixels.
    """
    # turned about the middle of the array; a shift by d brings them together if the centre is d/2 from it
    row, column = find_beam(
        grey, valid, grey[::-1, ::-1], valid[::-1, ::-1], min(2 * reach, min(grey.shape) - 1)
    )
    height, width = grey.shape
    return (height - 1 + row) / 2, (width - 1 + column) / 2


def estimated_center(
    images: NDArray[np.float32], valid: NDArray[np.bool_], scale: str
) -> tuple[tuple[float, float], tuple[float, float]]:
    """The median centre of some frames, and how far they scatter (median distance), in pixels.

    Parameters
    ----------
    images, valid
        Frames (n, H, W), `MOST_FRAMES` are enough, and their pixels that count.
    scale
        ``linear`` or ``log``.

    Raises
    ------
    ParameterError
        If no frame shows enough to tell.
    """
    grey = grey_values(torch.from_numpy(images), torch.from_numpy(valid), scale, FLOOR_DECADES).numpy()
    reach = min(grey.shape[1:]) // 8
    found = [
        symmetry_center(image, usable, reach)
        for image, usable in zip(grey, valid, strict=True)
        if usable.sum() >= FEWEST_PIXELS and np.ptp(image[usable]) > 0
    ]
    if not found:
        raise ParameterError("center", "estimate", "ROW,COLUMN: no frame shows where the beam was")
    row, column = np.median(found, axis=0)
    spread = np.median(np.abs(np.array(found) - [row, column]), axis=0)
    return (float(row), float(column)), (float(spread[0]), float(spread[1]))


def center_note(center: tuple[float, float], spread: tuple[float, float], size: tuple[int, int]) -> str:
    """An estimated centre in words, as a warning where frames of that size hardly tell it."""
    text = (
        f"centre estimated at row {center[0]:.1f}, column {center[1]:.1f} "
        f"(frames differ by {spread[0]:.1f} and {spread[1]:.1f} px)"
    )
    doubtful = max(spread) > max(1.0, SCATTERED * min(size))
    return f"warning: {text}; --center ROW,COLUMN is surer" if doubtful else text
