"""Where the beam met the detector: measured and simulated log pattern correlated over every shift."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

FEWEST_SHARED = 0.25
"""A shift counts only where so large a part of the valid pixels meets light, of those that do at the best."""


class Shifts(NamedTuple):
    """How well N images correlate with another one when they are shifted.

    Attributes
    ----------
    correlation
        Shape (N, R, C); NaN where too few pixels are shared, or one of the images does not vary there.
    rows, columns
        By how many pixels they are shifted, int64 (R,) and (C,).
    """

    correlation: NDArray[np.float64]
    rows: NDArray[np.int64]
    columns: NDArray[np.int64]

    def best(self) -> NDArray[np.int64]:
        """Row and column of the shift that correlates best, int64 (N, 2)."""
        found = np.nan_to_num(self.correlation, nan=-1.0).reshape(len(self.correlation), -1).argmax(axis=1)
        row, column = np.unravel_index(found, self.correlation.shape[1:])
        return np.column_stack([self.rows[row], self.columns[column]])


def over_shifts(
    measured: NDArray[np.float32],
    valid: NDArray[np.bool_],
    simulated: NDArray[np.float32],
    lit: NDArray[np.bool_],
    reach: int,
    about: tuple[int, int] = (0, 0),
) -> Shifts:
    """Correlation of simulated images with the measured one, for all shifts by whole pixels.

    It is taken, for every shift, over the pixels that are valid in the one and lit in the other (D. Padfield,
    IEEE Trans. Image Process. 21, 2706 (2012)).

    Parameters
    ----------
    measured, valid
        Grey image (H, W) and its pixels that count.
    simulated, lit
        N grey images (N, H, W) with the beam in the centre, and their pixels that see light, (H, W).
    reach, about
        Farthest that a shift may be from that one in each direction, in pixels; none leads out of the image.
    """
    rows, columns = (
        np.arange(max(1 - length, middle - reach), min(length - 1, middle + reach) + 1)
        for length, middle in zip(measured.shape, about, strict=True)
    )
    size = [
        next_fast_len(length + int(abs(shifts).max()), real=True)
        for length, shifts in zip(measured.shape, (rows, columns), strict=True)
    ]

    def spectrum(images: NDArray[np.float64]) -> NDArray[np.complex128]:
        return np.asarray(rfft2(images, size))

    def sums(first: NDArray[np.complex128], second: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Sums of first(p) second(p - d) for all shifts d."""
        return np.asarray(irfft2(first * second.conj(), size)[..., rows[:, None], columns])

    frames = np.where(valid, measured - measured[valid].mean(), 0.0)
    patterns = np.where(lit, simulated - simulated[:, lit].mean(axis=1)[:, None, None], 0.0)
    weight, light = spectrum(valid.astype(np.float64)), spectrum(lit.astype(np.float64))
    frame, pattern = spectrum(frames), spectrum(patterns)
    shared = np.rint(sums(weight, light))
    count = np.maximum(shared, 1.0)
    sum_frame, sum_pattern = sums(frame, light), sums(weight, pattern)
    covariance = sums(frame, pattern) - sum_frame * sum_pattern / count
    spread_frame = sums(spectrum(frames**2), light) - sum_frame**2 / count
    spread_pattern = sums(weight, spectrum(patterns**2)) - sum_pattern**2 / count
    spread = np.sqrt(np.maximum(spread_frame * spread_pattern, 0.0))
    usable = (shared > FEWEST_SHARED * shared.max()) & (
        spread > 1e-6 * spread.max(axis=(1, 2), keepdims=True)
    )
    return Shifts(np.where(usable, covariance / np.where(usable, spread, 1.0), np.nan), rows, columns)
