"""Intensities or logarithms: what a file's values look like where it does not say."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

LARGEST_LOGARITHM = 100.0
"""No logarithm of an intensity is above."""

LINEAR_SKEWNESS = 12.0
"""Simulated patterns of 30 to 160 nm around a hole of 10 pixels have a median of 123, and their logarithms
of 7 over 4 decades and 2 over 5, but 31 over 3 (benchmarks/quality.py, 60 patterns); in a window, less."""

LOGARITHMIC_SKEWNESS = 6.0
"""Below, numbers that are too large for logarithms are perhaps scaled ones, as of a picture of 16 bits."""

PEDESTAL = 0.35
"""The darkest pixels of simulated frames hold at most 0.23 of the median through `experiment`, 0.33 through
`any_window` (400 patterns each); with 100 photons more in each pixel, half of them exceed 0.63 and 0.84."""

FEWEST = 32


def looks_scaled(images: NDArray[np.float32], valid: NDArray[np.bool_]) -> bool:
    """Whether frames (n, H, W), too bright for logarithms, are spread as logarithms are."""
    seen = _telling(images, valid)
    return bool(seen) and bool(np.median([skewness(values) for values in seen]) < LOGARITHMIC_SKEWNESS)


def looks_linear(images: NDArray[np.float32], valid: NDArray[np.bool_], eight_bit: bool = False) -> bool:
    """Whether frames (n, H, W) look like intensities rather than logarithms.

    A pattern falls over decades from the middle out: the brightest intensities lie much further above the
    median than the darkest below it, while their logarithms lie about evenly on both sides. Logarithms over
    less than four decades, with nothing hidden in the middle, cannot be told from intensities.

    Parameters
    ----------
    images, valid
        The frames and their pixels that count, bool.
    eight_bit
        Whether the numbers end at 255 because the file's type does.
    """
    seen = _telling(images, valid)
    if not seen:
        return True
    if not eight_bit and max(float(values.max()) for values in seen) > LARGEST_LOGARITHM:
        return True
    return bool(np.median([skewness(values) for values in seen]) > LINEAR_SKEWNESS)


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


def _telling(images: NDArray[np.float32], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    """What counts of those frames that show enough of it, and differences."""
    seen = (image[usable] for image, usable in zip(images, valid, strict=True))
    return [values for values in seen if values.size >= FEWEST and np.ptp(values) > 0]
