"""Where the beam met the detector: measured and simulated log pattern correlated over every shift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from invert.fitting.forward import Beam

FEWEST_SHARED = 0.25
"""A shift counts only where so large a part of the valid pixels still meets light."""


def find_beam(
    measured: NDArray[np.float32],
    valid: NDArray[np.bool_],
    simulated: NDArray[np.float32],
    lit: NDArray[np.bool_],
    reach: int,
) -> Beam:
    """The whole-pixel shift of the simulated image that correlates best with the measured one.

    The correlation is taken, for every shift, over the pixels that are valid in the one and lit in the other
    (D. Padfield, IEEE Trans. Image Process. 21, 2706 (2012)).

    Parameters
    ----------
    measured, valid
        Grey image (H, W) and its pixels that count.
    simulated, lit
        Grey image (H, W) with the beam in the centre, and its pixels that see light.
    reach
        Largest shift in each direction, in pixels; none leads out of the image.

    Returns
    -------
    Row and column of the beam from the centre.
    """
    reach = min(reach, *(length - 1 for length in measured.shape))
    weight, light = valid.astype(np.float64), lit.astype(np.float64)
    frame = np.where(valid, measured - measured[valid].mean(), 0.0)
    pattern = np.where(lit, simulated - simulated[lit].mean(), 0.0)

    def over_shifts(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of first(p) second(p - d) for d from -reach to reach, shape (2 reach + 1,) * 2."""
        full = fftconvolve(first, second[::-1, ::-1])
        row, column = (length - 1 for length in second.shape)
        return np.asarray(full[row - reach : row + reach + 1, column - reach : column + reach + 1])

    shared = over_shifts(weight, light)
    count = np.maximum(shared, 1.0)
    sum_frame, sum_pattern = over_shifts(frame, light), over_shifts(weight, pattern)
    covariance = over_shifts(frame, pattern) - sum_frame * sum_pattern / count
    spread_frame = over_shifts(frame**2, light) - sum_frame**2 / count
    spread_pattern = over_shifts(weight, pattern**2) - sum_pattern**2 / count
    spread = np.sqrt(np.maximum(spread_frame * spread_pattern, 0.0))
    usable = (shared > FEWEST_SHARED * weight.sum()) & (spread > 1e-6 * spread.max())
    correlation = np.where(usable, covariance / np.where(usable, spread, 1.0), -1.0)
    row, column = np.unravel_index(np.argmax(correlation), correlation.shape)
    return float(row - reach), float(column - reach)
