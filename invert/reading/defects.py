"""Pixels that are unlike their neighbours in frame after frame: hot ones and dead ones that no mask names."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATIO = 4.0
"""From pixel to pixel a pattern changes less: fringes of the largest particles are 2.6 pixels wide."""

MOST = 0.75
"""Of the frames. Single photons fall on one pixel of otherwise dark ones in 4 % at most."""

FEWEST = 8
"""Frames of which anything can be said."""


class Defects:
    """Looks at frames, one after another, for pixels that are unlike their neighbours in most of them.

    Parameters
    ----------
    size
        Rows and columns of a frame.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._hot, self._dead, self._counted = (np.zeros(size, dtype=np.int64) for _ in range(3))

    def see(self, image: NDArray[np.float32], good: NDArray[np.bool_]) -> None:
        """Look at the intensities (H, W) of a frame and the pixels that count."""
        darkest, brightest = _neighbours(np.where(good, image, np.nan))
        self._hot += good & (image > RATIO * np.maximum(brightest, 0.0))
        self._dead += good & (RATIO * image < darkest)
        self._counted += good

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """Those brighter, or darker, than all their neighbours by `RATIO`; none before `FEWEST` frames."""
        most = np.maximum(self._hot, self._dead) > MOST * self._counted
        return np.asarray(most & (self._counted >= FEWEST))


def _neighbours(image: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Least and largest of the eight pixels around each, of those that are numbers; else NaN."""
    height, width = image.shape
    around = np.full((height + 2, width + 2), np.nan, dtype=np.float32)
    around[1:-1, 1:-1] = image
    least, largest = (np.full_like(image, np.nan) for _ in range(2))
    for row, column in np.ndindex(3, 3):
        if (row, column) != (1, 1):
            beside = around[row : row + height, column : column + width]
            np.fmin(least, beside, out=least)
            np.fmax(largest, beside, out=largest)
    return least, largest
