"""Where the beam met the detector: measured and simulated log pattern correlated over every shift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft2, next_fast_len, rfft2

from invert.fitting.forward import Beam

FEWEST_SHARED = 0.25
"""A shift counts only where so large a part of the valid pixels meets light, of those that do at the best."""


def find_beam(
    measured: NDArray[np.float32],
    valid: NDArray[np.bool_],
    simulated: NDArray[np.float32],
    lit: NDArray[np.bool_],
    reach: int,
) -> Beam:
    """The whole-pixel shift of one simulated image, (H, W), that correlates best; see `find_beams`."""
    row, column = find_beams(measured, valid, simulated[None], lit, reach)[0]
    return float(row), float(column)


def find_beams(
    measured: NDArray[np.float32],
    valid: NDArray[np.bool_],
    simulated: NDArray[np.float32],
    lit: NDArray[np.bool_],
    reach: int,
    about: tuple[int, int] = (0, 0),
) -> NDArray[np.int64]:
    """The whole-pixel shifts of simulated images that correlate best with the measured one.

    The correlation is taken, for every shift, over the pixels that are valid in the one and lit in the other
    (D. Padfield, IEEE Trans. Image Process. 21, 2706 (2012)).

    Parameters
    ----------
    measured, valid
        Grey image (H, W) and its pixels that count.
    simulated, lit
        N grey images (N, H, W) with the beam in the centre, and their pixels that see light, (H, W).
    reach, about
        Farthest that a shift may be from that one in each direction, in pixels; none leads out of the image.

    Returns
    -------
    Row and column of the beam from the centre, int64 (N, 2).
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

    def over_shifts(first: NDArray[np.complex128], second: NDArray[np.complex128]) -> NDArray[np.float64]:
        """Sums of first(p) second(p - d) for all shifts d."""
        return np.asarray(irfft2(first * second.conj(), size)[..., rows[:, None], columns])

    frames = np.where(valid, measured - measured[valid].mean(), 0.0)
    patterns = np.where(lit, simulated - simulated[:, lit].mean(axis=1)[:, None, None], 0.0)
    weight, light = spectrum(valid.astype(np.float64)), spectrum(lit.astype(np.float64))
    frame, pattern = spectrum(frames), spectrum(patterns)
    shared = np.rint(over_shifts(weight, light))
    count = np.maximum(shared, 1.0)
    sum_frame, sum_pattern = over_shifts(frame, light), over_shifts(weight, pattern)
    covariance = over_shifts(frame, pattern) - sum_frame * sum_pattern / count
    spread_frame = over_shifts(spectrum(frames**2), light) - sum_frame**2 / count
    spread_pattern = over_shifts(weight, spectrum(patterns**2)) - sum_pattern**2 / count
    spread = np.sqrt(np.maximum(spread_frame * spread_pattern, 0.0))
    usable = (shared > FEWEST_SHARED * shared.max()) & (
        spread > 1e-6 * spread.max(axis=(1, 2), keepdims=True)
    )
    correlation = np.where(usable, covariance / np.where(usable, spread, 1.0), -1.0)
    best = correlation.reshape(len(simulated), -1).argmax(axis=1)
    row, column = np.unravel_index(best, spread.shape[1:])
    return np.column_stack([rows[row], columns[column]])
