"""The Chebyshev solver's transform compiled by numba: one particle per task, in the precision of the work.

The same sum as `msft.backends.chebyshev_numpy.amplitude`, where it is explained. Two matrix products do most
of the work: cosines and sines times moments in every row of columns, and what comes out, for every column of
pixels, times the Bessel functions of its pixels. The inner loops of both run over contiguous numbers, four by
four sums of products at a time, which LLVM turns into fused vector instructions. Moments are in double
precision throughout: their recurrences would lose digits that a product of many terms does not.

`msft.backends.with_numba` says what keeps numba from vectorising, and from caching.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from msft.backends.moments import FAST, WIDTH, depths, elimination, moments_of, workspace
from msft.errors import ParameterError
from msft.solvers.projection import Projection
from msft.solvers.quadrature import Columns
from msft.solvers.series import STEP, Series

MOST_NUMBERS = 2**30
"""In memory for one particle: 4 GB in single precision."""

START = 12
"""Orders beyond the last, from which the recurrence of the Bessel functions starts."""


@numba.njit(**FAST)
def _turns(x, step, out):  # type: ignore[no-untyped-def]
    """Cosine and sine of m step x in rows 2 m and 2 m + 1 of out."""
    columns = len(x)
    cosine, sine = np.ones(columns), np.zeros(columns)
    c_step, s_step = np.cos(step * x), np.sin(step * x)
    for m in range(out.shape[0] // 2):
        row_c, row_s = out[2 * m], out[2 * m + 1]
        for p in range(columns):
            row_c[p], row_s[p] = cosine[p], sine[p]
        for p in range(columns):
            after = cosine[p] * c_step[p] - sine[p] * s_step[p]
            sine[p] = sine[p] * c_step[p] + cosine[p] * s_step[p]
            cosine[p] = after


@numba.njit(**FAST)
def _product(a, b, skip, count, c):  # type: ignore[no-untyped-def]
    """Add four rows a (4, P) times b to c, P a multiple of 4; b[p] is 0 before skip[p // 4].

    `b` (P, WIDTH) and `c` (4, WIDTH) are flat: with rows of a fixed length LLVM sees that they are apart.
    """
    for p in range(0, a.shape[1], 4):
        a00, a01, a02, a03 = a[0, p], a[0, p + 1], a[0, p + 2], a[0, p + 3]
        a10, a11, a12, a13 = a[1, p], a[1, p + 1], a[1, p + 2], a[1, p + 3]
        a20, a21, a22, a23 = a[2, p], a[2, p + 1], a[2, p + 2], a[2, p + 3]
        a30, a31, a32, a33 = a[3, p], a[3, p + 1], a[3, p + 2], a[3, p + 3]
        begin = skip[p // 4]
        rows, sums = b[p * WIDTH + begin : (p + 4) * WIDTH], c[begin:]
        for n in range(count - begin):
            x0, x1, x2, x3 = rows[n], rows[WIDTH + n], rows[2 * WIDTH + n], rows[3 * WIDTH + n]
            sums[n] += a00 * x0 + a01 * x1 + a02 * x2 + a03 * x3
            sums[WIDTH + n] += a10 * x0 + a11 * x1 + a12 * x2 + a13 * x3
            sums[2 * WIDTH + n] += a20 * x0 + a21 * x1 + a22 * x2 + a23 * x3
            sums[3 * WIDTH + n] += a30 * x0 + a31 * x1 + a32 * x2 + a33 * x3


@numba.njit(**FAST)
def _bessel(c, count, out):  # type: ignore[no-untyped-def]
    """The Chebyshev coefficients (2 - [n = 0]) J_n(c) for n < count, by backward recurrence (Miller)."""
    if c < 1e-12:
        out[0] = 1.0
        out[1:count] = 0.0
        return
    after, now, total = 0.0, 1e-30, 0.0
    for n in range(count + START, 0, -1):
        # now is J_n but for a factor
        if n < count:
            out[n] = now
        if n % 2 == 0:
            total += 2 * now
        after, now = now, 2 * n / c * now - after
    out[0] = now
    scale = 1 / (total + now)
    out[0] *= scale
    for n in range(1, count):
        out[n] *= 2 * scale


@numba.njit(**FAST)
def _tables(q_z, lit, half, terms, step, coefficients, even, odd, skip):  # type: ignore[no-untyped-def]
    """i^n times the coefficients at some pixels, even[n // 2, pixel] and odd[...], and where they begin."""
    even[:], odd[:], skip[:] = 0.0, 0.0, lit
    for v in range(lit):
        count = terms[math.ceil(half * q_z[v] / step)]
        _bessel(half * q_z[v], count, coefficients)
        for n in range(count):
            signed = coefficients[n] if n % 4 < 2 else -coefficients[n]
            if n % 2 == 0:
                even[n // 2 * WIDTH + v] = signed
            else:
                odd[n // 2 * WIDTH + v] = signed
            # vectors begin at multiples of 8
            skip[n // 8] = min(skip[n // 8], v // 8 * 8)


@numba.njit(**FAST)
def _add_products(factor, real_part, imaginary_part, sums):  # type: ignore[no-untyped-def]
    """Add one row times a factor to both rows of a sum."""
    u_re, u_im = sums[0], sums[1]
    for v in range(WIDTH):
        u_re[v] += factor[v] * real_part[v]
        u_im[v] += factor[v] * imaginary_part[v]


@numba.njit(**FAST)
def _write(image, m, first, lit, sums, phase):  # type: ignore[no-untyped-def]
    """The four pixels (+-q_x, +-q_y) from the sums over cos cos, cos sin, sin cos and sin sin, y last."""
    a, b, c, d = sums[0], sums[1], sums[2], sums[3]
    middle, pixels = image.shape[0] // 2, image.shape[0]
    for v in range(lit):
        for sign_x in (1, -1):
            column = middle + sign_x * m
            if column >= pixels or (m == 0 and sign_x < 0):
                continue
            for sign_y in (1, -1):
                row = middle + sign_y * (first + v)
                if row >= pixels or (first + v == 0 and sign_y < 0):
                    continue
                # e^{-i (q_x x + q_y y)}
                value = complex(a[0, v], a[1, v]) - sign_x * sign_y * complex(d[0, v], d[1, v])
                value -= 1j * (sign_y * complex(b[0, v], b[1, v]) + sign_x * complex(c[0, v], c[1, v]))
                image[row, column] = value * phase[v]


@numba.njit(**FAST)
def _along_rows(start, x, weight, z_in, z_out, densities, s, middle, half, shape, step, deepest, space):  # type: ignore[no-untyped-def]
    """Moments of all columns, and their sums along the rows: along[m, cosine or sine, row, order]."""
    lit, rows, orders, segment, blocks, longest = shape
    used_orders = segment * (4 if s.imag != 0.0 else 2)
    work = workspace(orders, s * half)
    closed = work[1].shape[1]
    factors = np.empty((len(densities), 2, closed), np.complex128)
    for c in range(len(densities)):
        factors[c] = elimination(s * densities[c] * half, closed)
    first, last = 0, (2 * lit + 2) * longest
    turns = space[first:last].reshape(2 * lit + 2, longest)
    turns[2 * lit :] = 0.0
    first, last = last, last + blocks * longest * WIDTH
    values = space[first:last].reshape(blocks, longest * WIDTH)
    values[:] = 0.0
    along = space[last : last + (lit + 1) * 2 * rows * blocks * WIDTH].reshape(
        lit + 1, 2, rows, blocks * WIDTH
    )
    along[:, :, len(start) - 1 :] = 0.0
    nothing, four = np.zeros(longest // 4 + 1, np.int64), np.zeros(4 * WIDTH, space.dtype)
    for j in range(len(start) - 1):
        part = slice(start[j], start[j + 1])
        count = start[j + 1] - start[j]
        used = (count + 3) // 4 * 4
        values[:, count * WIDTH : used * WIDTH] = 0.0
        turns[:, count:used] = 0.0
        moments_of(
            z_in[:, part], z_out[:, part], weight[part], densities, s, middle, half, deepest, factors, work,
            segment, values,
        )  # fmt: skip
        _turns(x[part], step, turns[:, :count])
        for block in range(blocks):
            width = min(WIDTH, used_orders - block * WIDTH)
            begin = block * WIDTH
            for m in range(0, lit, 2):
                four[:] = 0.0
                _product(turns[2 * m : 2 * m + 4, :used], values[block], nothing, width, four)
                for i in range(4):
                    # a loop: an assignment of slices takes longer than the sums
                    row = along[m + i // 2, i % 2, j, begin : begin + width]
                    for n in range(width):
                        row[n] = four[i * WIDTH + n]
    return along


@numba.njit(**FAST)
def _across(along, y, axis, k, middle, half, segment, segments, terms, step, image):  # type: ignore[no-untyped-def]
    """Every column of pixels: sums over the orders with the pixels' coefficients, then across the rows."""
    rows, lit_x = along.shape[2], len(axis)
    q_step = axis[1] if lit_x > 1 else 0.0
    vertical = np.zeros((2 * lit_x, rows), along.dtype)
    _turns(y, q_step, vertical[:, : len(y)])
    even, odd = np.zeros(segment * WIDTH, along.dtype), np.zeros(segment * WIDTH, along.dtype)
    skip, coefficients = np.zeros(segment // 4, np.int64), np.zeros(2 * segment + 1)
    one, two = np.zeros(4 * WIDTH, along.dtype), np.zeros(4 * WIDTH, along.dtype)
    waves, sums = np.zeros((rows, 2, WIDTH), along.dtype), np.zeros((4, 2, WIDTH), along.dtype)
    q_z, phase = np.zeros(WIDTH), np.zeros(WIDTH, np.complex128)
    for first in range(0, lit_x, WIDTH):
        for j in range(rows):
            for v in range(min(WIDTH, lit_x - first)):
                waves[j, 0, v], waves[j, 1, v] = (
                    vertical[2 * (first + v), j],
                    vertical[2 * (first + v) + 1, j],
                )
        for m in range(lit_x):
            lit = 0
            while lit < min(WIDTH, lit_x - first) and axis[m] ** 2 + axis[first + lit] ** 2 < k * k:
                squared = axis[m] ** 2 + axis[first + lit] ** 2
                q_z[lit] = squared / (k + math.sqrt(k * k - squared))
                phase[lit] = complex(math.cos(q_z[lit] * middle), math.sin(q_z[lit] * middle))
                lit += 1
            if lit == 0:
                break
            width = (lit + 7) // 8 * 8
            _tables(q_z, lit, half, terms, step, coefficients, even, odd, skip)
            sums[:] = 0.0
            for side in range(2):
                for j in range(0, rows, 4):
                    these = along[m, side, j : j + 4]
                    one[:], two[:] = 0.0, 0.0
                    for n in range(segments):
                        # times i, even orders add to the odd ones and odd ones to the even ones
                        part, table = these[:, n * segment : (n + 1) * segment], even if n % 2 == 0 else odd
                        _product(part, table, skip, width, one if n in (0, 3) else two)
                    for i in range(4):
                        row = slice(i * WIDTH, (i + 1) * WIDTH)
                        for turn in range(2):
                            _add_products(waves[j + i, turn], one[row], two[row], sums[2 * side + turn])
            _write(image, m, first, lit, sums, phase)


_memory = threading.local()
"""Of each thread, by precision: the system takes longer to give fresh memory than a pattern takes."""


def _space(size: int, real: str) -> NDArray[Any]:
    space = getattr(_memory, real, None)
    if space is None or space.size < size:
        space = np.empty(size * 5 // 4, real)
        setattr(_memory, real, space)
    return space


def amplitude(columns: Columns, series: Series, double: bool) -> NDArray[np.complexfloating]:
    """`chebyshev_numpy.amplitude`, compiled; in complex64 unless `double`."""
    real, precision = ("float64", np.complex128) if double else ("float32", np.complex64)
    image = np.zeros((series.pixels, series.pixels), precision)
    y, start, x, weight, z_in, z_out = columns
    densities = np.broadcast_to(series.densities, len(z_in)).copy()
    low, high = depths(z_in, z_out, densities, series.deepest)
    if not high > low:
        return image
    middle, half = (low + high) / 2, (high - low) / 2
    orders = int(series.terms[math.ceil(half * series.largest_q_z / STEP)])
    segment, segments = -(-orders // 8) * 4, 4 if series.s.imag else 2
    blocks, rows = -(-segment * segments // WIDTH), -(-len(y) // 4) * 4
    longest, lit = -(-int(np.diff(start).max()) // 4) * 4, len(series.axis)
    size = (lit + 1) * 2 * (rows * blocks * WIDTH + longest) + blocks * longest * WIDTH
    if size > MOST_NUMBERS:
        needs = f"at most {MOST_NUMBERS:.0e} numbers for a particle, not {size:.0e}"
        raise ParameterError("accuracy", "of a particle that large", f"what takes {needs}")
    shape = (lit, rows, orders, segment, blocks, longest)
    q_step = float(series.axis[1]) if lit > 1 else 0.0
    along = _along_rows(
        start, x, weight, z_in, z_out, densities, complex(series.s), middle, half, shape, q_step,
        series.deepest, _space(size, real),
    )  # fmt: skip
    _across(along, y, series.axis, series.k, middle, half, segment, segments, series.terms, STEP, image)
    return image


def amplitude_of_voxels(projection: Projection, series: Series, double: bool) -> NDArray[np.complexfloating]:
    """`chebyshev_numpy.amplitude_of_voxels`, the rows by BLAS, the rest compiled."""
    real, precision = ("float64", np.complex128) if double else ("float32", np.complex64)
    image = np.zeros((series.pixels, series.pixels), precision)
    orders, segments = len(projection.moments), 4 if np.iscomplexobj(projection.moments) else 2
    segment, lit, rows = -(-orders // 8) * 4, len(series.axis), -(-len(projection.y) // 4) * 4
    angle = np.outer(projection.x, series.axis)
    turns = np.concatenate([np.cos(angle), np.sin(angle)], axis=1).astype(real)
    along = np.zeros((lit + 1, 2, rows, -(-segment * segments // WIDTH) * WIDTH), real)
    parts = (projection.moments,) if segments == 2 else (projection.moments.real, projection.moments.imag)
    for part, moments in enumerate(parts):
        for odd in (0, 1):
            # i times an odd order of the imaginary part is real
            sign = -1 if part and odd else 1
            summed = sign * np.matmul(moments[odd::2].astype(real, copy=False), turns)
            begin = (2 * part + odd) * segment
            shaped = summed.reshape(*summed.shape[:2], 2, lit).transpose(3, 2, 1, 0)
            along[:lit, :, : len(projection.y), begin : begin + len(summed)] = shaped
    _across(
        along, projection.y, series.axis, series.k, projection.middle, projection.half, segment, segments,
        series.terms, STEP, image,
    )  # fmt: skip
    return image


def threads() -> int:
    """Threads that numba may use."""
    return int(numba.get_num_threads())
