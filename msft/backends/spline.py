"""Cubic splines on a turned grid: what `scipy.ndimage.affine_transform` of order 3 does, compiled."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

BORDER = 3
"""Zeros that stand around the coefficients, so that no point needs to ask where it is."""


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy", inline="always")
def _weights(t):  # type: ignore[no-untyped-def]
    """Of the four coefficients around a point that lies t beyond the second."""
    u = np.float32(1) - t
    sixth, two, half = np.float32(1 / 6), np.float32(2 / 3), np.float32(0.5)
    return (
        sixth * u * u * u,
        two - half * t * t * (np.float32(2) - t),
        two - half * u * u * (np.float32(2) - u),
        sixth * t * t * t,
    )


@numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")
def _sample(coefficients, matrix, start, out):  # type: ignore[no-untyped-def]
    n_i, n_j, n_k = coefficients.shape
    flat = coefficients.ravel()
    for z in range(out.shape[0]):
        for y in range(out.shape[1]):
            row = out[z, y]
            i_0 = start[0] + matrix[0, 0] * z + matrix[0, 1] * y
            j_0 = start[1] + matrix[1, 0] * z + matrix[1, 1] * y
            k_0 = start[2] + matrix[2, 0] * z + matrix[2, 1] * y
            for x in range(out.shape[2]):
                f_i, f_j, f_k = i_0 + matrix[0, 2] * x, j_0 + matrix[1, 2] * x, k_0 + matrix[2, 2] * x
                i, j, k = int(np.floor(f_i)), int(np.floor(f_j)), int(np.floor(f_k))
                if min(i, j, k) < 1 or i > n_i - 3 or j > n_j - 3 or k > n_k - 3:
                    row[x] = 0
                    continue
                a, b, c, d = _weights(np.float32(f_k - k))
                w_i, w_j = _weights(np.float32(f_i - i)), _weights(np.float32(f_j - j))
                total = np.float32(0)
                for p in range(4):
                    plane = np.float32(0)
                    for q in range(4):
                        at = ((i - 1 + p) * n_j + j - 1 + q) * n_k + k - 1
                        line = a * flat[at] + b * flat[at + 1] + c * flat[at + 2] + d * flat[at + 3]
                        plane += w_j[q] * line
                    total += w_i[p] * plane
                row[x] = total


def sample(
    coefficients: NDArray[np.float32],
    matrix: NDArray[np.float64],
    start: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> NDArray[np.float32]:
    """Values of a cubic spline at start + matrix (i, j, k), for the indices of an array of some shape.

    Parameters
    ----------
    coefficients
        C-contiguous, with `BORDER` zeros on all sides, which the indices do not count. Nothing lies outside.
    matrix, start
        Shapes (3, 3) and (3,).
    shape
        Of the result.
    """
    out: NDArray[Any] = np.empty(shape, dtype=np.float32)
    _sample(coefficients, matrix, start + BORDER, out)
    return out
