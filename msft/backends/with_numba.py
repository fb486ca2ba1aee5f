"""The exact solver's pixel sum compiled by numba: blocks of pixels, structure of arrays, two precisions.

The same sum as `msft.backends.with_numpy.face_sums`, where it is explained. Each inner loop runs over a
block of pixels and holds nothing but arithmetic, so that LLVM vectorises it; numba has no vector sine here,
hence the polynomial. Series are entered for a whole block, and only where a pixel of it needs them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from msft.detector import ScatteringVectors
from msft.solvers.overlay import Meshes

BLOCK = 128
"""Pixels of a block: a mesh's vertex and cell values for it, about 150 kB in single precision, stay in L2."""

TASK = 8 * BLOCK
"""Pixels of one parallel task."""

NEAR_SINGLE, NEAR_DOUBLE = 0.5, 0.1
"""`with_numpy.NEAR` for each precision: where digits are fewer, differences lose too many of them earlier."""

# Minimax-quality fits of cos(2 pi t) in t^2 and sin(2 pi t) / t in t^2 for |t| <= 1/2, by Chebyshev
# interpolation when the module is loaded; 9 terms leave 1e-8, below the rounding of single precision.
_TERMS = 9


def _fit(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    polynomial = np.polynomial.Chebyshev.interpolate(function, _TERMS - 1, domain=[0.0, 0.25])
    return np.asarray(polynomial.convert(kind=np.polynomial.Polynomial, domain=[-1, 1]).coef)


_COSINE = tuple(_fit(lambda u: np.cos(2 * np.pi * np.sqrt(u))).astype(np.float32))
_SINE = tuple(_fit(lambda u: 2 * np.pi * np.sinc(2 * np.sqrt(u))).astype(np.float32))
(_C0, _C1, _C2, _C3, _C4, _C5, _C6, _C7, _C8) = _COSINE
(_S0, _S1, _S2, _S3, _S4, _S5, _S6, _S7, _S8) = _SINE
_TURN = np.float32(1 / (2 * np.pi))
_HALF = np.float32(0.5)


@numba.njit(fastmath=True, inline="always")
def _cis_single(phase):  # type: ignore[no-untyped-def]
    """Cos and sin of a phase in radians, float32: fold to half a turn, then polynomials."""
    t = phase * _TURN
    t -= math.floor(t + _HALF)
    u = t * t
    cosine = _C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * (_C4 + u * (_C5 + u * (_C6 + u * (_C7 + u * _C8)))))))
    sine = _S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * (_S4 + u * (_S5 + u * (_S6 + u * (_S7 + u * _S8)))))))
    return cosine, t * sine


@numba.njit(inline="always")
def _cis_double(phase):  # type: ignore[no-untyped-def]
    return math.cos(phase), math.sin(phase)


def _build(real: Any, cis: Any, near: float) -> Any:
    """The kernel for one precision; `near` as in `with_numpy.NEAR`, larger where digits are fewer."""
    near_squared = real(near * near)
    half, quarter, one, zero, huge = real(0.5), real(0.25), real(1), real(0), real(1e30)
    t1, t2, t3, t4 = real(-1 / 3), real(2 / 15), real(-17 / 315), real(62 / 2835)
    t5 = real(-1382 / 155925)

    @numba.njit(fastmath=True, cache=True)
    def vertices(points, s_re, s_im, x, y, z, value_re, value_im):  # type: ignore[no-untyped-def]
        for v in range(len(points)):
            p_x, p_y, p_z = real(points[v, 0]), real(points[v, 1]), real(points[v, 2])
            decay = real(math.exp(-s_re * points[v, 3]))
            shift = real(s_im * points[v, 3])
            row_re, row_im = value_re[v], value_im[v]
            for p in range(x.size):
                cosine, sine = cis(z[p] * p_z - x[p] * p_x - y[p] * p_y - shift)
                row_re[p] = decay * cosine
                row_im[p] = decay * sine

    @numba.njit(fastmath=True, cache=True)
    def weights(cells, extents, s_re, s_im, x, y, z, weight, flat):  # type: ignore[no-untyped-def]
        """conj(kappa) / |kappa|^2 with the sign; `flat` tells which cells have a pixel near kappa = 0."""
        for c in range(len(cells)):
            z_x, z_y = real(cells[c, 0]), real(cells[c, 1])
            # kappa = i (-q + q_z grad z) - s grad l
            re_x, re_y = real(-s_re * cells[c, 2]), real(-s_re * cells[c, 3])
            shift_x, shift_y = real(s_im * cells[c, 2]), real(s_im * cells[c, 3])
            sign = real(cells[c, 4])
            limit = near_squared / real(extents[c] * extents[c])
            squared_re = re_x * re_x + re_y * re_y
            smallest = huge
            x_re, x_im, y_re, y_im = weight[c, 0], weight[c, 1], weight[c, 2], weight[c, 3]
            for p in range(x.size):
                im_x = z[p] * z_x - x[p] - shift_x
                im_y = z[p] * z_y - y[p] - shift_y
                squared = squared_re + im_x * im_x + im_y * im_y
                inverse = sign / squared if squared >= limit else zero
                smallest = min(smallest, squared)
                x_re[p] = inverse * re_x
                x_im[p] = -inverse * im_x
                y_re[p] = inverse * re_y
                y_im[p] = -inverse * im_y
            flat[c] = smallest < limit

    @numba.njit(fastmath=True, cache=True)
    def edge_sums(points, edges, s_re, s_im, x, y, z, value_re, value_im, weight, none, out_re, out_im):  # type: ignore[no-untyped-def]
        for e in range(len(edges)):
            first, last, left, right = edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3]
            d_x = real(points[last, 0] - points[first, 0])
            d_y = real(points[last, 1] - points[first, 1])
            d_z = real(points[last, 2] - points[first, 2])
            d_l = points[last, 3] - points[first, 3]
            difference_re, shift = real(-s_re * d_l), real(s_im * d_l)
            re_squared = difference_re * difference_re
            here = weight[left]
            there = weight[right] if right >= 0 else none
            a_re, a_im, b_re, b_im = value_re[first], value_im[first], value_re[last], value_im[last]
            smallest = huge
            for p in range(x.size):
                difference_im = z[p] * d_z - x[p] * d_x - y[p] * d_y - shift
                squared = re_squared + difference_im * difference_im
                smallest = min(smallest, squared)
                inverse = one / squared if squared >= near_squared else zero
                across_re = (here[0, p] - there[0, p]) * d_y - (here[2, p] - there[2, p]) * d_x
                across_im = (here[1, p] - there[1, p]) * d_y - (here[3, p] - there[3, p]) * d_x
                # (e^b - e^a) / (b - a)
                rise_re, rise_im = (b_re[p] - a_re[p]) * inverse, (b_im[p] - a_im[p]) * inverse
                mean_re = rise_re * difference_re + rise_im * difference_im
                mean_im = rise_im * difference_re - rise_re * difference_im
                out_re[p] += across_re * mean_re - across_im * mean_im
                out_im[p] += across_re * mean_im + across_im * mean_re
            if smallest >= near_squared:
                continue
            for p in range(x.size):
                difference_im = z[p] * d_z - x[p] * d_x - y[p] * d_y - shift
                squared = re_squared + difference_im * difference_im
                take = half if squared < near_squared else zero
                across_re = (here[0, p] - there[0, p]) * d_y - (here[2, p] - there[2, p]) * d_x
                across_im = (here[1, p] - there[1, p]) * d_y - (here[3, p] - there[3, p]) * d_x
                # (e^a + e^b) / 2 * tanh(d) / d with d = (b - a) / 2, t = d^2
                t_re = quarter * (re_squared - difference_im * difference_im)
                t_im = half * difference_re * difference_im
                # where the series is not taken its argument may be large: keep it finite
                t_re, t_im = (t_re, t_im) if squared < near_squared else (zero, zero)
                c_re, c_im = t4 + t5 * t_re, t5 * t_im
                c_re, c_im = t3 + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
                c_re, c_im = t2 + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
                c_re, c_im = t1 + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
                c_re, c_im = one + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
                sum_re, sum_im = (a_re[p] + b_re[p]) * take, (a_im[p] + b_im[p]) * take
                mean_re = sum_re * c_re - sum_im * c_im
                mean_im = sum_re * c_im + sum_im * c_re
                out_re[p] += across_re * mean_re - across_im * mean_im
                out_im[p] += across_re * mean_im + across_im * mean_re

    @numba.njit(parallel=True, fastmath=True, cache=True)
    def kernel(points, edges, cells, loops, counts, q_x, q_y, q_z, s_re, s_im, out_re, out_im):  # type: ignore[no-untyped-def]
        pixels = q_x.size
        tasks_each = (pixels + TASK - 1) // TASK
        for task in numba.prange(len(counts) * tasks_each):
            i, start = task // tasks_each, (task % tasks_each) * TASK
            n_points, n_edges, n_cells = counts[i, 0], counts[i, 1], counts[i, 2]
            value_re = np.empty((n_points, BLOCK), real)
            value_im = np.empty((n_points, BLOCK), real)
            weight = np.empty((n_cells, 4, BLOCK), real)
            none = np.zeros((4, BLOCK), real)
            flat = np.empty(n_cells, np.bool_)
            extents = np.empty(n_cells, np.float64)
            for c in range(n_cells):
                extents[c] = _extent(points[i], loops[i, c])
            for begin in range(start, min(start + TASK, pixels), BLOCK):
                end = min(begin + BLOCK, pixels)
                x, y, z = q_x[begin:end], q_y[begin:end], q_z[begin:end]
                to_re, to_im = out_re[i, begin:end], out_im[i, begin:end]
                to_re[:] = zero
                to_im[:] = zero
                vertices(points[i, :n_points], s_re, s_im, x, y, z, value_re, value_im)
                weights(cells[i, :n_cells], extents, s_re, s_im, x, y, z, weight, flat)
                edge_sums(
                    points[i], edges[i, :n_edges], s_re, s_im, x, y, z, value_re, value_im, weight, none,
                    to_re, to_im,
                )  # fmt: skip
                for c in range(n_cells):
                    if flat[c]:
                        _add_flat(
                            points[i], cells[i, c], loops[i, c], weight[c], complex(s_re, s_im), x, y, z,
                            to_re, to_im,
                        )  # fmt: skip

    return kernel


@numba.njit(cache=True)
def _extent(points, loop):  # type: ignore[no-untyped-def]
    """The farthest that a corner of a cell lies from its first corner."""
    largest = 0.0
    for m in range(1, loop.size):
        if loop[m] >= 0:
            d_x, d_y = points[loop[m], 0] - points[loop[0], 0], points[loop[m], 1] - points[loop[0], 1]
            largest = max(largest, d_x * d_x + d_y * d_y)
    return math.sqrt(largest)


@numba.njit(cache=True)
def _add_flat(points, cell, loop, weight, s, x, y, z, out_re, out_im):  # type: ignore[no-untyped-def]
    """Add a cell at the pixels where its exponent hardly varies, by the triangles' series, in double."""
    for p in range(x.size):
        if weight[0, p] != 0 or weight[1, p] != 0 or weight[2, p] != 0 or weight[3, p] != 0:
            continue
        q_x, q_y, q_z = np.float64(x[p]), np.float64(y[p]), np.float64(z[p])
        total = 0j
        for m in range(1, loop.size - 1):
            if loop[m + 1] < 0:
                break
            total += _triangle(points[loop[0]], points[loop[m]], points[loop[m + 1]], q_x, q_y, q_z, s)
        out_re[p] += cell[4] * total.real
        out_im[p] += cell[4] * total.imag


@numba.njit(cache=True)
def _triangle(first, second, third, q_x, q_y, q_z, s):  # type: ignore[no-untyped-def]
    """`with_numpy._triangle` for one pixel."""
    twice_area = (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (
        third[0] - first[0]
    )
    a = complex(0, q_z * first[2] - q_x * first[0] - q_y * first[1]) - s * first[3]
    b = complex(0, q_z * second[2] - q_x * second[0] - q_y * second[1]) - s * second[3]
    c = complex(0, q_z * third[2] - q_x * third[0] - q_y * third[1]) - s * third[3]
    mean = (a + b + c) / 3
    a, b, c = a - mean, b - mean, c - mean
    e2, e3 = a * b + b * c + c * a, a * b * c
    h3, h2, h1 = 0j, 1 + 0j, 0j
    total, factorial = 0.5 + 0j, 6.0
    for n in range(2, 10):
        h3, h2, h1 = h2, h1, -e2 * h2 + e3 * h3
        factorial *= n + 2
        total += h1 / factorial
    return twice_area * np.exp(mean) * total


@cache
def _kernel(dtype: str) -> Any:
    if dtype == "float32":
        return _build(np.float32, _cis_single, NEAR_SINGLE)
    return _build(np.float64, _cis_double, NEAR_DOUBLE)


def _face_sums(meshes: Meshes, vectors: ScatteringVectors, s: complex, dtype: str) -> NDArray[Any]:
    shape = (len(meshes.counts), vectors.x.size)
    real, imaginary = np.empty(shape, dtype), np.empty(shape, dtype)
    q = (component.astype(dtype) for component in (vectors.x, vectors.y, vectors.z))
    _kernel(dtype)(*meshes, *q, s.real, s.imag, real, imaginary)
    return real + 1j * imaginary


def face_sums_single(meshes: Meshes, vectors: ScatteringVectors, s: complex) -> NDArray[np.complex64]:
    """`with_numpy.face_sums` in complex64, all cores."""
    return _face_sums(meshes, vectors, s, "float32")


def face_sums_double(meshes: Meshes, vectors: ScatteringVectors, s: complex) -> NDArray[np.complex128]:
    """`with_numpy.face_sums` in complex128, all cores."""
    return _face_sums(meshes, vectors, s, "float64")
