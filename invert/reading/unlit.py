"""Parts of a detector that saw nothing and that no mask names: exactly 0 in every frame, beside light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, binary_opening, label, maximum_filter

LEAST = 0.005
"""Of the pixels. A beam hole of 5 pixels has as many of 128 x 128."""

LIT = 0.05
"""Of the pixels that count, at least: where fewer saw light, it falls too steeply to tell want of photons."""

EVERYWHERE = np.ones((3, 3), dtype=bool)
"""Single zeros and thin lines of them are no part, and pixels are neighbours across corners as well."""

BRIGHTER = 4.0
"""Beside a part the brightest frame has more than so many times the faintest light of all: what is 0 for want
of photons, or since fractions were rounded, lies beside what is little more."""

MOST = 0.6
"""Of the pixels beside a part are that bright."""

OFF = 3
"""Pixels from the edge of the Ewald sphere that are not judged."""


class Unlit:
    """Looks at frames, one after another, for parts that stay 0.

    Parameters
    ----------
    inside
        Pixels (H, W) inside the Ewald sphere; those beyond it are dark by nature.
    """

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        # the beam may be off by a few pixels
        self._inside = binary_erosion(inside, EVERYWHERE, iterations=OFF, border_value=1)
        self._light = np.zeros(inside.shape)
        self._faintest = np.inf
        self._measured = np.zeros(inside.shape, dtype=bool)

    def see(self, image: NDArray[np.float32], good: NDArray[np.bool_]) -> None:
        """Look at the intensities (H, W) of a frame and the pixels that count."""
        good = good & self._inside
        light = np.where(good, np.abs(image), 0)
        np.maximum(self._light, light, out=self._light)
        self._faintest = min(self._faintest, light[light > 0].min(initial=np.inf))
        self._measured |= good

    @property
    def part(self) -> float:
        """How much of the pixels that count lies in such parts."""
        lit = self._light > 0
        if lit.sum() <= LIT * self._measured.sum():
            return 0.0
        parts, _ = label(binary_opening(self._measured & ~lit, EVERYWHERE), EVERYWHERE)
        around = np.where(self._measured & (parts == 0), maximum_filter(parts, 3), 0)
        bright = binary_opening((self._light > BRIGHTER * self._faintest) | ~self._measured, EVERYWHERE)
        sizes, rims, bright_rims = (
            np.bincount(numbers.ravel(), weights, parts.max() + 1)
            for numbers, weights in ((parts, None), (around, None), (around, bright.ravel()))
        )
        found = (sizes >= LEAST * parts.size) & (rims > 0) & (bright_rims >= MOST * rims)
        return float(sizes[1:][found[1:]].sum() / self._measured.sum())
