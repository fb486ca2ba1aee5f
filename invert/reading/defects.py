"""Hot pixels that no mask names: far brighter than their neighbours in frame after frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATIO = 10.0
"""Spots of the largest particles, 160 nm, come every 2.66 pixels of the default detector: one in the middle
of a pixel is at most 1 / cos(pi / 2.66)^2 = 7 times brighter than its neighbours."""

MOST = 0.75
"""Of the frames. Single photons fall on one pixel of otherwise dark ones in 4 % at most."""

BRIGHT = 0.9
"""Quantile of a frame. Pixels beside brighter ones are not judged: a coarse detector sees the middle of a
pattern, which falls by more than `RATIO` from one pixel to the next, as the brightest few."""

FEWEST = 8
"""Frames of which anything can be said."""


class HotPixels:
    """Looks at frames, one after another, for pixels that are brighter than their neighbours in most of them.

    Parameters
    ----------
    size
        Rows and columns of a frame.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self._hot, self._counted = (np.zeros(size, dtype=np.int64) for _ in range(2))

    def see(self, image: NDArray[np.float32], good: NDArray[np.bool_]) -> None:
        """Look at the intensities (H, W) of a frame and the pixels that count."""
        if not good.any():
            return
        around = _brightest_neighbours(np.where(good, image, -np.inf))
        least = image[good & (image > 0)].min(initial=np.inf)  # single photons among none are not hot
        ordinary = around <= np.quantile(image[good][:: max(1, image.size >> 16)], BRIGHT)
        self._hot += good & ordinary & (image > RATIO * np.maximum(around, least))
        self._counted += good

    @property
    def pixels(self) -> NDArray[np.int64]:
        """Rows and columns (N, 2) of those that are brighter by `RATIO`; none before `FEWEST` frames."""
        return np.argwhere((self._hot > MOST * self._counted) & (self._counted >= FEWEST))


def _brightest_neighbours(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest of the eight pixels around each; beyond the rim there is nothing, -inf."""
    height, width = image.shape
    around = np.pad(image, 1, constant_values=-np.inf)
    largest = np.full_like(image, -np.inf)
    for row, column in np.ndindex(3, 3):
        if (row, column) != (1, 1):
            np.maximum(largest, around[row : row + height, column : column + width], out=largest)
    return largest
