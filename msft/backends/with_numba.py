"""The exact solver's pixel sum compiled by numba: blocks of pixels, structure of arrays, two precisions.

The same sum as `msft.backends.with_numpy.face_sums`, where it is explained. Each inner loop runs over a
block of pixels and holds nothing but arithmetic, so that LLVM vectorises it. What keeps it from doing so, and
is avoided: the branch of a checked division, a minimum as a reduction, two selects on one condition, many
arrays that might overlap, and numba's scalar sine. Series are entered for a whole block, and only where a
pixel of it needs them.

The functions are compiled for the type of their arguments. None is a closure: numba finds no closure over
other compiled functions in its cache, and would compile anew in every process. All are inlined: a function
that a fresh process calls on its own and a cached kernel has inside would round differently in the two. Numba
compiles anew when this file changes, but not when one does that it takes a function from.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from msft.backends.cosine_sine import cosine_sine
from msft.backends.counter import take_next
from msft.backends.with_numpy import attenuations, pixel_counts
from msft.detector import ScatteringVectors
from msft.solvers.overlay import Meshes

BLOCK = 128
"""Pixels of a block: a mesh's vertex and cell values for it, about 150 kB in single precision, stay in L2."""

_Y, _Z = BLOCK, 2 * BLOCK
"""Where a block's q_y and q_z begin: with rows of fixed length in flat arrays LLVM sees them apart."""

_FAST: dict[str, Any] = {"cache": True, "fastmath": True, "error_model": "numpy"}
_INLINED: dict[str, Any] = {"forceinline": True, **_FAST}
"""What lets LLVM vectorise: Python's error model puts a branch into every division."""

TASK = 8 * BLOCK
"""Pixels of one parallel task."""

NEAR_SINGLE, NEAR_DOUBLE = 0.5, 0.1
"""`with_numpy.NEAR` for each precision: where digits are fewer, differences lose too many of them earlier."""


def _near(phase: Any) -> Any:
    """`with_numpy.NEAR` for the precision of a number: larger where digits are fewer."""


@overload(_near, jit_options={"forceinline": True})
def _near_of_type(phase):  # type: ignore[no-untyped-def]
    near = np.float32(NEAR_SINGLE) if phase == numba.float32 else NEAR_DOUBLE
    return lambda phase: near


@numba.njit(**_INLINED)
def _vertices(points, s_re, s_im, q, value):  # type: ignore[no-untyped-def]
    """Real and imaginary part of exp(exponent), two rows of `value` each."""
    real = q.dtype.type
    for v in range(len(points)):
        p_x, p_y, p_z = real(points[v, 0]), real(points[v, 1]), real(points[v, 2])
        decay = real(math.exp(-s_re * points[v, 3]))
        shift = real(s_im * points[v, 3])
        row = value[2 * BLOCK * v : 2 * BLOCK * (v + 1)]
        for p in range(BLOCK):
            cosine, sine = cosine_sine(q[_Z + p] * p_z - q[p] * p_x - q[_Y + p] * p_y - shift)
            row[p] = decay * cosine
            row[BLOCK + p] = decay * sine


@numba.njit(**_INLINED)
def _weights(cells, s_re, s_im, q, weight, flat):  # type: ignore[no-untyped-def]
    """conj(kappa) / |kappa|^2 with the sign, four rows each: x and y, real and imaginary part.

    `flat` tells which cells have a pixel near kappa = 0, where the weight is 0 instead.
    """
    real = q.dtype.type
    one, zero, tiny = real(1), real(0), real(1e-30)
    near_squared = _near(q[0]) * _near(q[0])
    for c in range(len(cells)):
        z_x, z_y = real(cells[c, 0]), real(cells[c, 1])
        # kappa = i (-q + q_z grad z) - s grad l
        re_x, re_y = real(-s_re * cells[c, 2]), real(-s_re * cells[c, 3])
        shift_x, shift_y = real(s_im * cells[c, 2]), real(s_im * cells[c, 3])
        sign = real(cells[c, 4])
        limit = near_squared / real(cells[c, 5] * cells[c, 5])
        squared_re = re_x * re_x + re_y * re_y
        far = zero
        row = weight[4 * BLOCK * c : 4 * BLOCK * (c + 1)]
        for p in range(BLOCK):
            im_x = q[_Z + p] * z_x - q[p] - shift_x
            im_y = q[_Z + p] * z_y - q[_Y + p] - shift_y
            squared = squared_re + im_x * im_x + im_y * im_y
            keep = one if squared >= limit else zero
            far += keep
            inverse = keep * sign / max(squared, tiny)
            row[p] = inverse * re_x
            row[BLOCK + p] = -inverse * im_x
            row[2 * BLOCK + p] = inverse * re_y
            row[3 * BLOCK + p] = -inverse * im_y
        flat[c] = far < BLOCK


@numba.njit(**_INLINED)
def _edge_sums(points, edges, none, s_re, s_im, q, value, weight, out):  # type: ignore[no-untyped-def]
    real = q.dtype.type
    half, quarter, one, zero, tiny = real(0.5), real(0.25), real(1), real(0), real(1e-30)
    t1, t2, t3, t4 = real(-1 / 3), real(2 / 15), real(-17 / 315), real(62 / 2835)
    t5 = real(-1382 / 155925)
    near_squared = _near(q[0]) * _near(q[0])
    for e in range(len(edges)):
        first, last = edges[e, 0], edges[e, 1]
        d_x = real(points[last, 0] - points[first, 0])
        d_y = real(points[last, 1] - points[first, 1])
        d_z = real(points[last, 2] - points[first, 2])
        d_l = points[last, 3] - points[first, 3]
        difference_re, shift = real(-s_re * d_l), real(s_im * d_l)
        re_squared = difference_re * difference_re
        left, right = edges[e, 2], edges[e, 3] if edges[e, 3] >= 0 else none
        a = value[2 * BLOCK * first : 2 * BLOCK * (first + 1)]
        b = value[2 * BLOCK * last : 2 * BLOCK * (last + 1)]
        here = weight[4 * BLOCK * left : 4 * BLOCK * (left + 1)]
        there = weight[4 * BLOCK * right : 4 * BLOCK * (right + 1)]
        far = zero
        for p in range(BLOCK):
            difference_im = q[_Z + p] * d_z - q[p] * d_x - q[_Y + p] * d_y - shift
            squared = re_squared + difference_im * difference_im
            keep = one if squared >= near_squared else zero
            far += keep
            inverse = keep / max(squared, tiny)
            across_re = (here[p] - there[p]) * d_y
            across_re -= (here[2 * BLOCK + p] - there[2 * BLOCK + p]) * d_x
            across_im = (here[BLOCK + p] - there[BLOCK + p]) * d_y
            across_im -= (here[3 * BLOCK + p] - there[3 * BLOCK + p]) * d_x
            # (e^b - e^a) / (b - a)
            rise_re = (b[p] - a[p]) * inverse
            rise_im = (b[BLOCK + p] - a[BLOCK + p]) * inverse
            mean_re = rise_re * difference_re + rise_im * difference_im
            mean_im = rise_im * difference_re - rise_re * difference_im
            out[p] += across_re * mean_re - across_im * mean_im
            out[BLOCK + p] += across_re * mean_im + across_im * mean_re
        if far == BLOCK:
            continue
        for p in range(BLOCK):
            difference_im = q[_Z + p] * d_z - q[p] * d_x - q[_Y + p] * d_y - shift
            squared = re_squared + difference_im * difference_im
            # 0 where the series is not taken, which also keeps its argument small there
            take = one if squared < near_squared else zero
            across_re = (here[p] - there[p]) * d_y
            across_re -= (here[2 * BLOCK + p] - there[2 * BLOCK + p]) * d_x
            across_im = (here[BLOCK + p] - there[BLOCK + p]) * d_y
            across_im -= (here[3 * BLOCK + p] - there[3 * BLOCK + p]) * d_x
            # (e^a + e^b) / 2 * tanh(d) / d with d = (b - a) / 2, t = d^2
            t_re = quarter * take * (re_squared - difference_im * difference_im)
            t_im = half * take * difference_re * difference_im
            c_re, c_im = t4 + t5 * t_re, t5 * t_im
            c_re, c_im = t3 + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
            c_re, c_im = t2 + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
            c_re, c_im = t1 + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
            c_re, c_im = one + t_re * c_re - t_im * c_im, t_re * c_im + t_im * c_re
            sum_re = half * take * (a[p] + b[p])
            sum_im = half * take * (a[BLOCK + p] + b[BLOCK + p])
            mean_re = sum_re * c_re - sum_im * c_im
            mean_im = sum_re * c_im + sum_im * c_re
            out[p] += across_re * mean_re - across_im * mean_im
            out[BLOCK + p] += across_re * mean_im + across_im * mean_re


# without the GIL: patterns are compressed and written while the next ones are computed
@numba.njit(parallel=True, nogil=True, **_FAST)
def _kernel(  # type: ignore[no-untyped-def]
    points, edges, cells, loops, counts, starts, q_x, q_y, q_z, s, wanted, out_re, out_im, counter, threads
):
    tasks_each = (q_x.size + TASK - 1) // TASK
    for _ in numba.prange(threads):
        task = take_next(counter)
        while task < s.size * tasks_each:
            row, start = task // tasks_each, (task % tasks_each) * TASK
            i, j = row // s.shape[1], row % s.shape[1]
            point, edge, cell = starts[i, 0], starts[i, 1], starts[i, 2]
            end_points, end_edges, end_cells = point + counts[i, 0], edge + counts[i, 1], cell + counts[i, 2]
            own_cells = cells[cell:end_cells], loops[cell:end_cells]
            mesh = (points[point:end_points], edges[edge:end_edges], *own_cells)
            part = slice(start, max(start, min(start + TASK, wanted[i])))
            _pixels(mesh, (q_x[part], q_y[part], q_z[part]), s[i, j], out_re[i, j, part], out_im[i, j, part])
            task = take_next(counter)


@numba.njit(**_INLINED)
def _pixels(mesh, vectors, s, out_re, out_im):  # type: ignore[no-untyped-def]
    """The pixels of one task, block by block."""
    points, edges, cells, loops = mesh
    q_x, q_y, q_z = vectors
    s_re, s_im = s.real, s.imag
    q = np.zeros(3 * BLOCK, q_x.dtype)
    out = np.empty(2 * BLOCK, q_x.dtype)
    value = np.empty(2 * BLOCK * len(points), q_x.dtype)
    # one cell more, of weight 0: what lies outside
    weight = np.zeros(4 * BLOCK * (len(cells) + 1), q_x.dtype)
    flat = np.empty(len(cells), np.bool_)
    for begin in range(0, q_x.size, BLOCK):
        size = min(BLOCK, q_x.size - begin)
        q[:size] = q_x[begin : begin + size]
        q[_Y : _Y + size] = q_y[begin : begin + size]
        q[_Z : _Z + size] = q_z[begin : begin + size]
        out[:] = 0
        _vertices(points, s_re, s_im, q, value)
        _weights(cells, s_re, s_im, q, weight, flat)
        _edge_sums(points, edges, len(cells), s_re, s_im, q, value, weight, out)
        for c in range(len(cells)):
            if flat[c]:
                own = weight[4 * BLOCK * c : 4 * BLOCK * (c + 1)]
                _add_flat(points, cells[c], loops[c], own, s, q, size, out)
        out_re[begin : begin + size] = out[:size]
        out_im[begin : begin + size] = out[BLOCK : BLOCK + size]


@numba.njit(cache=True, forceinline=True)
def _add_flat(points, cell, loop, weight, s, q, size, out):  # type: ignore[no-untyped-def]
    """Add a cell at the pixels where its exponent hardly varies, by the triangles' series, in double."""
    for p in range(size):
        if weight[p] != 0 or weight[_Y + p] != 0 or weight[_Z + p] != 0 or weight[3 * BLOCK + p] != 0:
            continue
        q_x, q_y, q_z = np.float64(q[p]), np.float64(q[_Y + p]), np.float64(q[_Z + p])
        total = 0j
        for m in range(1, loop.size - 1):
            if loop[m + 1] < 0:
                break
            total += _triangle(points[loop[0]], points[loop[m]], points[loop[m + 1]], q_x, q_y, q_z, s)
        out[p] += cell[4] * total.real
        out[BLOCK + p] += cell[4] * total.imag


@numba.njit(cache=True, forceinline=True)
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


def _face_sums(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None,
    dtype: str,
) -> NDArray[Any]:
    each, counts = attenuations(s, meshes), pixel_counts(wanted, meshes, vectors)
    shape = (*each.shape, vectors.x.size)
    # empty memory is faster than zeros, which only pixels that are left out need
    make = np.empty if wanted is None else np.zeros
    real, imaginary = make(shape, dtype), make(shape, dtype)
    q = (component.astype(dtype) for component in (vectors.x, vectors.y, vectors.z))
    counter, threads = np.zeros(1, np.int64), numba.get_num_threads()
    _kernel(*meshes, *q, each, counts, real, imaginary, counter, threads)
    total = real + 1j * imaginary
    return total if np.ndim(s) == 2 else total[:, 0]


def face_sums_single(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None = None,
) -> NDArray[np.complex64]:
    """`with_numpy.face_sums` in complex64, all cores."""
    return _face_sums(meshes, vectors, s, wanted, "float32")


def face_sums_double(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None = None,
) -> NDArray[np.complex128]:
    """`with_numpy.face_sums` in complex128, all cores."""
    return _face_sums(meshes, vectors, s, wanted, "float64")
