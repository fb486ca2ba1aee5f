"""Where the beam was, from the frames alone: around it small-angle scattering is centrosymmetric."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES
from invert.centre import Shifts, over_shifts
from invert.reading.frames import grey_values
from msft.errors import ParameterError

MOST_FRAMES = 32
"""That need to be looked at."""

FEWEST_PIXELS = 32

SCATTERED = 0.01
"""Of a frame's side: frames whose centres differ by more hardly tell it."""

FEW = 4
"""Frames: fewer, above all with a wide hole, may be symmetric about another point as well."""

BRIGHTEST = 0.1
"""Of a frame's pixels that count: only they are looked at. What is bright was scattered to small angles,
where the Ewald sphere is a plane and patterns are centrosymmetric; at wide angles they are not."""


def symmetry_shifts(bright: NDArray[np.float32], valid: NDArray[np.bool_], reach: int) -> Shifts:
    """How much a frame is like itself turned by 180 degrees about other points than its middle.

    Parameters
    ----------
    bright, valid
        Image (H, W) and its pixels that count.
    reach
        Largest distance of such a point from the middle [n/2, n/2] in each direction, in pixels.

    Returns
    -------
    Of the turned image, which is shifted by twice the distance from the middle of the array.
    """
    farthest = min(2 * reach, min(bright.shape) - 1)
    return over_shifts(bright, valid, bright[None, ::-1, ::-1], valid[::-1, ::-1], farthest)


class EstimatedCentre(NamedTuple):
    """Where some frames say that the beam was.

    Attributes
    ----------
    center
        Row and column in pixels, to half a pixel.
    spread
        How far from it each frame's own one is, median, in rows and columns.
    frames
        How many tell.
    """

    center: tuple[float, float]
    spread: tuple[float, float]
    frames: int

    def note(self, size: tuple[int, int]) -> str:
        """In words, as a warning where frames of that size hardly tell it."""
        (row, column), (rows, columns) = self.center, self.spread
        text = f"centre estimated at row {row:.1f}, column {column:.1f}"
        if self.frames < FEW:
            return f"warning: {text} by few frames; --center ROW,COLUMN is surer"
        text += f" (frames differ by {rows:.1f} and {columns:.1f} px)"
        doubtful = max(self.spread) > max(1.0, SCATTERED * min(size))
        return f"warning: {text}; --center ROW,COLUMN is surer" if doubtful else text


def estimated_center(images: NDArray[np.float32], valid: NDArray[np.bool_], scale: str) -> EstimatedCentre:
    """The centre about which some frames are most symmetric.

    It is that of their mean correlation: what is not symmetric differs from frame to frame.

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
    total: NDArray[np.float64] | float = 0.0
    count: NDArray[np.int64] | int = 0
    own = []
    for image, usable in zip(grey, valid, strict=True):
        if usable.sum() < FEWEST_PIXELS or np.ptp(image[usable]) == 0:
            continue
        shifts = symmetry_shifts(_brightest(image, usable), usable, reach)
        total, count = total + np.nan_to_num(shifts.correlation), count + ~np.isnan(shifts.correlation)
        own.append(shifts.best()[0])
    if not own:
        raise ParameterError("center", "estimate", "ROW,COLUMN: no frame shows where the beam was")
    # where few frames can be compared, chance decides
    mean = np.where(count >= len(own) / 2, total / np.maximum(count, 1), np.nan)
    best = shifts._replace(correlation=mean).best()[0]
    middle = (np.array(grey.shape[1:]) - 1) / 2
    center = middle + best / 2
    row, column = np.median(np.abs(np.array(own) - best) / 2, axis=0)
    return EstimatedCentre((float(center[0]), float(center[1])), (float(row), float(column)), len(own))


def _brightest(image: NDArray[np.float32], usable: NDArray[np.bool_]) -> NDArray[np.float32]:
    """An image less what `BRIGHTEST` of its pixels exceed; where so many are saturated, the image."""
    seen = image[usable]
    least = np.quantile(seen, 1 - BRIGHTEST)
    if least == seen.max():
        return image
    return np.asarray(np.maximum(image - least, 0), dtype=np.float32)
