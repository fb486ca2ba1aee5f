"""Parts of a detector that saw nothing and that no mask names: exactly 0 in every frame, beside light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, binary_opening, label, maximum_filter

from invert.reading.defects import FEWEST

LEAST = 0.005
"""Of the pixels. A beam hole of 5 pixels has as many of 128 x 128. In a few frames less may be darkness."""

LEAST_OF_MANY = 0.001
"""The same in `FEWEST` frames or more: 4 x 4 pixels of 128 x 128."""

LIT = 0.1
"""Of the pixels that count, at least: where fewer saw light, it falls too steeply to tell want of photons."""

EVERYWHERE = np.ones((3, 3), dtype=bool)
"""Single zeros and thin lines of them are no part, and pixels are neighbours across corners as well."""

BRIGHTER = 4.0
"""Beside a part the brightest frame has more than so many times the faintest light: what is 0 for want of
photons, or since fractions were rounded or noise was cut off, lies beside what is little more."""

SELDOM = 0.25
"""Of the pixels that are 0 in some frames only: of their least light, this quantile is the faintest there is.
Single photons are all alike; of noise that was cut off below 0, the very least is next to nothing."""

OFTEN = 0.5
"""Of the frames in which a pixel counts show that light there, too: beside darkness only the brightest do."""

MOST = 0.6
"""Of the pixels beside a part are that bright, and so often."""

OFF = 3
"""Pixels from the edge of the Ewald sphere that are not judged: the beam may be off by a few."""


class Unlit:
    """Looks at frames, one after another, for parts that stay 0.

    Parameters
    ----------
    inside
        Pixels (H, W) inside the Ewald sphere; those beyond it are dark by nature.
    """

    def __init__(self, inside: NDArray[np.bool_]) -> None:
        self._inside = binary_erosion(inside, EVERYWHERE, iterations=OFF, border_value=1)
        self._light = np.zeros(inside.shape)
        self._least = np.full(inside.shape, np.inf)
        self._dark = np.zeros(inside.shape, dtype=bool)
        self._counted, self._lit = (np.zeros(inside.shape, dtype=np.int64) for _ in range(2))

    def see(self, image: NDArray[np.float32], good: NDArray[np.bool_]) -> None:
        """Look at a frame's intensities (H, W) and the pixels that count; an empty shot tells nothing."""
        light = np.where(good, np.abs(image), 0)
        if not light.any():
            return
        np.maximum(self._light, light, out=self._light)
        np.minimum(self._least, light, out=self._least, where=light > 0)
        self._dark |= good & (light == 0)
        self._counted += good
        self._lit += light > 0

    @property
    def judged(self) -> NDArray[np.bool_]:
        """Pixels (H, W) that counted in a frame and would show it."""
        return np.asarray((self._counted > 0) & self._inside)

    @property
    def enough(self) -> NDArray[np.bool_]:
        """Pixels (H, W) that counted in `FEWEST` frames or more."""
        return np.asarray(self._counted >= FEWEST)

    @property
    def _faintest(self) -> float:
        """Light: what a pixel shows that is 0 in other frames, or if there are no such pixels, the least."""
        lit = self.judged & (self._light > 0)
        sometimes = lit & self._dark
        if sometimes.sum() > LEAST * sometimes.size:
            return float(np.quantile(self._least[sometimes], SELDOM))
        return float(self._least[lit].min(initial=np.inf))

    @property
    def pixels(self) -> NDArray[np.bool_]:
        """Pixels (H, W) of such parts, and what is 0 beside them as far as nothing is judged."""
        measured = self.judged
        dark = (self._counted > 0) & (self._lit == 0)
        if (measured & ~dark).sum() <= LIT * measured.sum():
            return np.zeros_like(dark)
        parts, _ = label(binary_opening(measured & dark, EVERYWHERE), EVERYWHERE)
        around = np.where(measured & (parts == 0), maximum_filter(parts, 3), 0)
        bright = (self._light > BRIGHTER * self._faintest) & (self._lit >= np.floor(OFTEN * self._counted))
        bright = binary_opening(bright | ~measured, EVERYWHERE)
        sizes, rims, bright_rims = (
            np.bincount(numbers.ravel(), weights, parts.max() + 1)
            for numbers, weights in ((parts, None), (around, None), (around, bright.ravel()))
        )
        least = (LEAST_OF_MANY if self.enough.any() else LEAST) * parts.size
        found = (sizes >= least) & (rims > 0) & (bright_rims >= MOST * rims)
        found[0] = False
        return np.asarray(binary_dilation(found[parts], EVERYWHERE, iterations=OFF + 1, mask=dark))
