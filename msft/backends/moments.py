"""Chebyshev moments of columns compiled by numba, some columns side by side, in double precision throughout.

Their recurrences would lose digits that a product of many terms does not. The equations are those of
`msft.backends.chebyshev_numpy`.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

FAST: dict[str, Any] = {"cache": True, "fastmath": True, "error_model": "numpy", "nogil": True}
"""`msft.backends.with_numba` says what keeps numba from vectorising."""

WIDTH = 64
"""Columns of the blocks of matrices."""

LANES = 32
"""Columns of the body whose moments are computed side by side."""

CLOSURE = 8
"""Orders beyond the last at which the moments' equations are closed, besides `further` ones."""


@numba.njit(**FAST)
def depths(z_in, z_out, densities, deepest):  # type: ignore[no-untyped-def]
    """The smallest and largest depth that light reaches."""
    low, high = np.inf, -np.inf
    for p in range(z_in.shape[1]):
        path = 0.0
        for c in range(z_in.shape[0]):
            length = z_out[c, p] - z_in[c, p]
            if length > 0 and path < deepest and densities[c] > 0:
                low = min(low, z_in[c, p])
                high = max(high, z_in[c, p] + min(length, (deepest - path) / densities[c]))
            path += densities[c] * max(length, 0.0)
    return low, high


@numba.njit(**FAST)
def elimination(sigma, orders):  # type: ignore[no-untyped-def]
    """Multipliers and inverse pivots of the moments' recurrence, rows 0 and 1."""
    factors = np.ones((2, orders), np.complex128)
    for n in range(2, orders):
        factors[0, n] = sigma / (2 * (n - 1)) * factors[1, n - 1]
        factors[1, n] = 1 / (1 + factors[0, n] * sigma / (2 * n))
    return factors


@numba.njit(**FAST)
def _polynomials(place, factor_re, factor_im, before, now, sums, both):  # type: ignore[no-untyped-def]
    """Add factor T_n(place) for all lanes to sums[part, n]."""
    before[:] = 1.0
    now[:] = place
    for n in range(0, sums.shape[1] - 1, 2):
        here, after = sums[0, n], sums[0, n + 1]
        for i in range(LANES):
            here[i] += factor_re[i] * before[i]
            after[i] += factor_re[i] * now[i]
        if both:
            here, after = sums[1, n], sums[1, n + 1]
            for i in range(LANES):
                here[i] += factor_im[i] * before[i]
                after[i] += factor_im[i] * now[i]
        for i in range(LANES):
            next = 2 * place[i] * now[i] - before[i]
            now[i] = 2 * place[i] * next - now[i]
            before[i] = next


@numba.njit(**FAST)
def _solve(sums, sigma, factors, right, moments, both):  # type: ignore[no-untyped-def]
    """Add the moments that belong to differences of T_n at the ends, sums[part, n], to moments[part, n]."""
    orders = factors.shape[1]
    parts = 2 if both else 1
    for part in range(parts):
        right[part, 0] = 0.0
    for n in range(1, orders):
        m_re, m_im = factors[0, n].real, factors[0, n].imag
        if n == 1:
            m_re, m_im = 0.0, 0.0
        above, below = 0.5 / (n + 1), (0.5 / (n - 1) if n > 1 else 0.0)
        for part in range(parts):
            here, before = right[part, n], right[part, n - 1]
            higher, lower = sums[part, n + 1], sums[part, n - 1]
            for i in range(LANES):
                here[i] = above * higher[i] - below * lower[i] - m_re * before[i]
        if both:
            real, imaginary, b_re, b_im = right[0, n], right[1, n], right[0, n - 1], right[1, n - 1]
            for i in range(LANES):
                real[i] += m_im * b_im[i]
                imaginary[i] -= m_im * b_re[i]
    # the right-hand side becomes the moment, from the highest order down
    for n in range(orders - 1, 0, -1):
        up = sigma / (2 * (n + 1)) if n < orders - 1 else 0j
        after = min(n + 1, orders - 1)
        i_re, i_im, u_re, u_im = factors[1, n].real, factors[1, n].imag, up.real, up.imag
        real, r_after = right[0, n], right[0, after]
        if both:
            imaginary, i_after = right[1, n], right[1, after]
            for i in range(LANES):
                a = real[i] + u_re * r_after[i] - u_im * i_after[i]
                b = imaginary[i] + u_re * i_after[i] + u_im * r_after[i]
                real[i] = i_re * a - i_im * b
                imaginary[i] = i_re * b + i_im * a
        else:
            for i in range(LANES):
                real[i] = i_re * (real[i] + u_re * r_after[i])
    for part in range(parts):
        zeroth, first, ends = right[part, 0], right[part, 1], sums[part, 1]
        other = right[1 - part, 1]
        turn = 0.0 if not both else (-sigma.imag if part == 0 else sigma.imag)
        for i in range(LANES):
            zeroth[i] = ends[i] + sigma.real * first[i] + turn * other[i]
        for n in range(moments.shape[1]):
            here, total = right[part, n], moments[part, n]
            for i in range(LANES):
                total[i] += here[i]


@numba.njit(**FAST)
def _ends(z_in, z_out, densities, c, leaving, s, deepest, begin, size, place, f_re, f_im):  # type: ignore[no-untyped-def]
    """Depths of one end of chord c, and the wave there times the density; whether there is any.

    A chord ends where there is no more light, which leaves nothing out: its end is as dark.
    """
    f_re[:], f_im[:], place[:] = 0.0, 0.0, 0.0
    any_light = False
    for i in range(size):
        p = begin + i
        length = z_out[c, p] - z_in[c, p]
        path = 0.0
        for b in range(c):
            path += densities[b] * max(z_out[b, p] - z_in[b, p], 0.0)
        if length <= 0 or path >= deepest:
            continue
        any_light = True
        place[i] = z_in[c, p]
        if leaving:
            length = min(length, (deepest - path) / densities[c])
            place[i] += length
            path += densities[c] * length
        wave = densities[c] * math.exp(-s.real * path)
        if not leaving:
            wave = -wave
        if s.imag != 0.0:
            f_re[i] = wave * math.cos(s.imag * path)
            f_im[i] = -wave * math.sin(s.imag * path)
        else:
            f_re[i] = wave
    return any_light


@numba.njit(**FAST)
def moments_of(z_in, z_out, weight, densities, s, middle, half, deepest, factors, work, segment, out):  # type: ignore[no-untyped-def]
    """Moments of some columns out[block, column]: even orders, odd ones, the same of the imaginary part."""
    sums, right, moments, lanes = work
    place, f_re, f_im, before, now, area = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4], lanes[5]
    both = s.imag != 0.0
    orders = moments.shape[1]
    for begin in range(0, z_in.shape[1], LANES):
        size = min(LANES, z_in.shape[1] - begin)
        moments[:] = 0.0
        for first in range(len(densities)):
            density = densities[first]
            known = density == 0.0
            for c in range(first):
                known = known or densities[c] == density
            if known:
                continue
            # all chords of one density at once
            sums[:] = 0.0
            for c in range(first, len(densities)):
                if densities[c] == density:
                    for leaving in (False, True):
                        if _ends(
                            z_in, z_out, densities, c, leaving, s, deepest, begin, size, place, f_re, f_im
                        ):
                            for i in range(LANES):
                                place[i] = (place[i] - middle) / half
                            _polynomials(place, f_re, f_im, before, now, sums, both)
            _solve(sums, s * density * half, factors[first], right, moments, both)
        for i in range(size):
            area[i] = half * weight[begin + i]
        for part in range(2 if both else 1):
            for n in range(orders):
                column = 2 * part * segment + (n % 2) * segment + n // 2
                # i times an odd order is real: it stands among the even ones, with i^2
                sign = -1.0 if part == 1 and n % 2 == 1 else 1.0
                block, place_in = column // WIDTH, column % WIDTH
                target, total = out[block, begin * WIDTH + place_in :], moments[part, n]
                for i in range(size):
                    target[i * WIDTH] = sign * area[i] * total[i]


@numba.njit(**FAST)
def further(sigma):  # type: ignore[no-untyped-def]
    """Orders, not rounded, that strong absorption or refraction adds to `CLOSURE`, for one or many sigma.

    Moments of what turns by |sigma| from the middle to the end of a chord fall beyond that order alone.
    """
    return abs(sigma) / 10 + abs(sigma.imag)


@numba.njit(**FAST)
def workspace(orders, sigma):  # type: ignore[no-untyped-def]
    """What `moments_of` works on, for sigma of the full material."""
    closed = orders + CLOSURE + int(further(sigma))
    return (
        np.zeros((2, (closed + 2) // 2 * 2, LANES)),
        np.zeros((2, closed, LANES)),
        np.zeros((2, orders, LANES)),
        np.zeros((6, LANES)),
    )
