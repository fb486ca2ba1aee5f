"""Intensities or logarithms: what a file's values look like where it does not say."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST_LOGARITHM = 100.0
"""No logarithm of an intensity is above."""

LINEAR_SKEWNESS = 12.0
"""Simulated patterns of 30 to 160 nm around a hole of 10 pixels have a median of 123, and their logarithms
of 7 over 4 decades and 2 over 5, but 31 over 3, all that is cut off counted
(benchmarks/quality.py, 60 patterns); in a window, less."""

LOGARITHMIC_SKEWNESS = 6.0
"""Below, numbers that are too large for logarithms are perhaps scaled ones, as of a picture of 16 bits."""

PEDESTAL = 0.35
"""The darkest pixels of simulated frames hold at most 0.23 of the median through `experiment`, 0.33 through
`any_window` (400 patterns each); with 100 photons more in each pixel, half of them exceed 0.63 and 0.84."""

FEWEST = 32

NEARLY_WHOLE = 0.01
"""How far from a whole number of photons their logarithms in single precision may lead."""


def looks_scaled(seen: Sequence[NDArray[np.float32]]) -> bool:
    """Whether the pixels that count of some frames, too bright for logarithms, are spread as those are."""
    return bool(np.median([skewness(values) for values in seen]) < LOGARITHMIC_SKEWNESS)


def looks_linear(seen: Sequence[NDArray[np.float32]], eight_bit: bool = False) -> bool:
    """Whether frames look like intensities rather than logarithms.

    A pattern falls over decades from the middle out: the brightest intensities lie much further above the
    median than the darkest below it, while their logarithms lie about evenly on both sides. Of fractions that
    mostly are the darkest the others tell. Logarithms of few photons are mostly those of none or one, but all
    are logarithms of one more than a whole number; if they were scaled, too, they are taken for intensities.

    Parameters
    ----------
    seen
        The pixels that count of each frame, of one at least; each frame shows something.
    eight_bit
        Whether the numbers end at 255 because the file's type does.
    """
    if not eight_bit and max(float(values.max()) for values in seen) > LARGEST_LOGARITHM:
        return True
    if any(_logarithms_of_counts(values) for values in seen):
        return False
    return bool(np.median([skewness(_lit(values)) for values in seen]) > LINEAR_SKEWNESS)


def _lit(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fractions without the darkest, where half of them are: cut-off logarithms, or what nothing lights."""
    lit: NDArray[np.float32] = values[values > values.min()]
    if 2 * lit.size >= values.size or lit.size < FEWEST or (values == np.rint(values)).all():
        return values
    return lit


def darkness(values: NDArray[np.float32]) -> float:
    """The darkest percent of intensities over their median; 0 where that is none."""
    if values.size < FEWEST:
        return 0.0
    dark, middle = np.quantile(values[:: max(1, values.size >> 16)], [0.01, 0.5])
    return float(dark / middle) if middle > 0 else 0.0


def skewness(values: NDArray[np.float32]) -> float:
    """(q99.5 - median) / (median - q0.5) of some values; infinite where half of them are the darkest."""
    low, middle, high = np.quantile(values.astype(np.float64), [0.005, 0.5, 0.995])
    return float((high - middle) / (middle - low)) if middle > low else float("inf")


def shows_something(values: NDArray[np.float32]) -> bool:
    """Whether the pixels of a frame that count are enough, and differ."""
    return values.size >= FEWEST and bool(np.ptp(values) > 0)


def _logarithms_of_counts(values: NDArray[np.float32]) -> bool:
    """Whether values are log(1 + n) of whole numbers n, 1 and 2 among them."""
    fractions = values[values != np.rint(values)]
    fractions = fractions[:: max(1, fractions.size >> 16)].astype(np.float64)
    for base in (math.e, 10.0):
        counts = np.expm1(math.log(base) * fractions)
        few = counts[(counts > 0.5) & (counts < 1e3)]  # single precision tells these from others
        whole = np.rint(few)
        if few.size < FEWEST or np.abs(few - whole).max() > NEARLY_WHOLE:
            continue
        if (whole == 1).any() and (whole == 2).any():
            return True
    return False
