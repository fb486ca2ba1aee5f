"""The Chebyshev solver's transform on arrays, in complex128: the reference for the compiled one.

With u = (z - middle) / half in -1 to 1 over the depths that light reaches, c = half q_z and l the path,

    A(q) = e^{i q_z middle} half sum over n of (2 - [n = 0]) i^n J_n(c) M_n(q_x, q_y)
    M_n = integral dx dy e^{-i (q_x x + q_y y)} m_n(x, y),  m_n = integral du rho e^{-s l} T_n(u)

(Jacobi-Anger; Abramowitz & Stegun 9.1.44-45). The moment of a chord of density rho, sigma = s rho half, is
m_n = rho e^{-s l_in} I_n; by parts, with T_n = (T'_{n+1} / (n + 1) - T'_{n-1} / (n - 1)) / 2 and
B_n = e^{-sigma (u_out - u_in)} T_n(u_out) - T_n(u_in),

    2 I_n + sigma [I_{n-1} / (n - 1) - I_{n+1} / (n + 1)] = B_{n+1} / (n + 1) - B_{n-1} / (n - 1)

for n > 1, without the terms in n - 1 for n = 1, and I_0 = B_1 + sigma I_1. There is no division by s - i q_z,
which has a zero. The equations are closed some orders beyond the last that a pixel needs.
"""

from __future__ import annotations

import math

import numpy as np
import scipy.linalg
import scipy.special
from numpy.typing import NDArray

from msft.solvers.projection import Projection
from msft.solvers.quadrature import Columns
from msft.solvers.series import STEP, Series

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

BEYOND = 40
"""Orders beyond the last at which the moments' equations are closed."""


def amplitude(columns: Columns, series: Series, double: bool = True) -> NDArray[np.complexfloating]:
    """Amplitude of one particle from its columns.

    Parameters
    ----------
    columns
        With the chords of the particle.
    series
        Detector, material and the terms that are needed.
    double
        Complex128 (always, here) or complex64.

    Returns
    -------
    Complex array (n, n) in nm^3, zero where q_perp >= k.
    """
    image = np.zeros((series.pixels, series.pixels), dtype=np.complex128)
    density = np.broadcast_to(series.densities, len(columns.z_in))[:, None]
    path = density * np.maximum(columns.z_out - columns.z_in, 0.0)
    before = np.cumsum(path, axis=0) - path
    lit = (path > 0) & (before < series.deepest)
    if not lit.any():
        return image
    # a chord ends where there is no more light
    path = np.minimum(path, series.deepest - before)
    z_out = columns.z_in + path / np.where(density > 0, density, 1.0)
    ends = np.concatenate([columns.z_in[lit], z_out[lit]])
    middle, half = (ends.min() + ends.max()) / 2, np.ptp(ends) / 2
    orders = int(series.terms[math.ceil(half * series.largest_q_z / STEP)])
    moments = np.zeros((orders, len(columns.x)), dtype=np.complex128)
    for chord in range(len(path)):
        waves = [
            np.where(lit[chord], density[chord] * np.exp(-series.s * depth[chord]), 0.0)
            for depth in (before, before + path)
        ]
        places = [np.where(lit[chord], (z[chord] - middle) / half, 0.0) for z in (columns.z_in, z_out)]
        moments += _chord(places, waves, series.s * density[chord, 0] * half, orders)
    q, moments = _axis(series), half * columns.weight * moments
    along = np.stack(
        [
            moments[:, one:other] @ np.exp(-1j * np.outer(columns.x[one:other], q))
            for one, other in zip(columns.start[:-1], columns.start[1:], strict=True)
        ],
        axis=1,
    )
    return _across(along, columns.y, series, middle, half)


def amplitude_of_voxels(
    projection: Projection, series: Series, double: bool = True
) -> NDArray[np.complexfloating]:
    """`amplitude` from moments on a grid."""
    along = projection.moments @ np.exp(-1j * np.outer(projection.x, _axis(series)))
    return _across(along, projection.y, series, projection.middle, projection.half)


def _axis(series: Series) -> FloatArray:
    step = series.axis[1] if len(series.axis) > 1 else 0.0
    return np.asarray(step * (np.arange(series.pixels) - series.pixels // 2))


def _chord(places: list[FloatArray], waves: list[ComplexArray], sigma: complex, orders: int) -> ComplexArray:
    """Moments of chords between two places, with the wave times the density at both: shape (K, M)."""
    count = orders + BEYOND + int(abs(sigma))
    entering, leaving = (
        wave * np.cos(np.outer(np.arange(count + 1), np.arccos(np.clip(u, -1, 1))))
        for u, wave in zip(places, waves, strict=True)
    )
    ends = leaving - entering  # B_n
    n = np.arange(1, count)
    right = ends[2:] / (2 * (n[:, None] + 1))
    right[1:] -= ends[1:-2] / (2 * (n[1:, None] - 1))
    bands = np.ones((3, count - 1), dtype=np.complex128)
    bands[0, 1:] = -sigma / (2 * (n[:-1] + 1))
    bands[2, :-1] = sigma / (2 * (n[1:] - 1))
    solved = scipy.linalg.solve_banded((1, 1), bands, right)
    return np.concatenate([(ends[1] + sigma * solved[0])[None], solved[: orders - 1]])


def _across(along: ComplexArray, y: FloatArray, series: Series, middle: float, half: float) -> ComplexArray:
    """The amplitude from moments transformed along the rows, (K, J, n)."""
    k, q = series.k, _axis(series)
    across = np.exp(-1j * np.outer(q, y)) @ along
    squared = q[:, None] ** 2 + q**2
    lit = squared < k * k
    squared = np.where(lit, squared, 0.0)
    q_z = squared / (k + np.sqrt(k * k - squared))
    n = np.arange(len(along))[:, None, None]
    coefficients = np.where(n == 0, 1, 2) * 1j**n * scipy.special.jv(n, half * q_z)
    return np.asarray(lit * np.exp(1j * q_z * middle) * (coefficients * across).sum(axis=0))
