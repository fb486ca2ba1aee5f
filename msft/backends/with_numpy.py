"""The exact solver's pixel sum in NumPy, complex128: the reference of the compiled twins."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from msft.detector import ScatteringVectors
from msft.solvers.overlay import Meshes

ComplexArray = NDArray[np.complex128]

NEAR = 0.1
"""Exponents that differ by less over an edge, or over a cell, are summed as a series."""


def face_sums(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | ComplexArray,
    wanted: NDArray[np.int64] | None = None,
) -> ComplexArray:
    """Integrals of exp(exponent), with the cells' signs, over every mesh and at every pixel.

    With f linear on a cell and kappa its gradient, exp(f) is the divergence of
    conj(kappa) exp(f) / |kappa|^2, so the integral over a cell is a sum over its edges; the exponents are
    continuous, and an edge's integral serves the cells on both sides.

    Parameters
    ----------
    meshes
        Of N particles.
    vectors
        Scattering vectors of P pixels.
    s
        Attenuation in nm^-1: one number, or of each mesh one (N,) or several (N, S).
    wanted
        Of each mesh only so many of the pixels, from the first one on, int64, shape (N,); the others are 0.
        By default all.

    Returns
    -------
    Complex128 array (N, P) or (N, S, P) in nm^2.
    """
    each, counts = attenuations(s, meshes), pixel_counts(wanted, meshes, vectors)
    total = np.zeros((*each.shape, vectors.x.size), dtype=np.complex128)
    for particle, count in enumerate(counts):
        lit = vectors.only(np.arange(vectors.x.size) < count)
        for row, rate in zip(total[particle], each[particle], strict=True):
            row[:count] = _one(*meshes.one(particle), lit, rate)
    return total if np.ndim(s) == 2 else total[:, 0]


def attenuations(s: complex | ComplexArray, meshes: Meshes) -> ComplexArray:
    """The argument s of `face_sums` as complex128 array (N, S)."""
    each = np.asarray(s, dtype=np.complex128)
    each = each if each.ndim else np.broadcast_to(each, len(meshes.counts))
    return np.ascontiguousarray(each if each.ndim == 2 else each[:, None])


def pixel_counts(
    wanted: NDArray[np.int64] | None, meshes: Meshes, vectors: ScatteringVectors
) -> NDArray[np.int64]:
    """The argument `wanted` of `face_sums` as int64 array (N,)."""
    everything = np.full(len(meshes.counts), vectors.x.size, dtype=np.int64)
    return everything if wanted is None else np.asarray(wanted, dtype=np.int64)


def _one(
    points: NDArray[np.float64],
    edges: NDArray[np.int32],
    cells: NDArray[np.float64],
    loops: NDArray[np.int32],
    vectors: ScatteringVectors,
    s: complex,
) -> ComplexArray:
    q = np.stack([-1j * vectors.x, -1j * vectors.y, 1j * vectors.z, np.full(vectors.x.size, -s)])
    exponent = points @ q
    value = np.exp(exponent)
    total = np.zeros(vectors.x.size, dtype=np.complex128)

    weight_x = np.empty((len(cells), vectors.x.size), dtype=np.complex128)
    weight_y = np.empty_like(weight_x)
    for cell, (z_x, z_y, l_x, l_y, sign, extent) in enumerate(cells):
        loop = loops[cell][loops[cell] >= 0]
        kappa_x, kappa_y = q[0] + z_x * q[2] + l_x * q[3], q[1] + z_y * q[2] + l_y * q[3]
        squared = np.abs(kappa_x) ** 2 + np.abs(kappa_y) ** 2
        flat = squared * extent**2 < NEAR**2
        inverse = np.where(flat, 0.0, sign / np.where(flat, 1.0, squared))
        weight_x[cell], weight_y[cell] = inverse * kappa_x.conj(), inverse * kappa_y.conj()
        for first, last in pairwise(loop[1:]):
            corners = [loop[0], first, last]
            total[flat] += sign * _triangle(points[corners], exponent[corners][:, flat])

    for first, last, left, right in edges:
        d_x, d_y = points[last, :2] - points[first, :2]
        across_x, across_y = weight_x[left], weight_y[left]
        if right >= 0:
            across_x, across_y = across_x - weight_x[right], across_y - weight_y[right]
        difference = exponent[last] - exponent[first]
        near = np.abs(difference) < NEAR
        mean = np.where(
            near,
            (value[first] + value[last])
            / 2
            * _tanhc(np.where(near, difference / 2, 0j).astype(np.complex128)),
            (value[last] - value[first]) / np.where(near, 1.0, difference),
        )
        total += (across_x * d_y - across_y * d_x) * mean
    return total


def _tanhc(d: ComplexArray) -> ComplexArray:
    """The series of tanh(d) / d."""
    t = d * d
    return 1 + t * (-1 / 3 + t * (2 / 15 + t * (-17 / 315 + t * (62 / 2835 - t * 1382 / 155925))))


def _triangle(corners: NDArray[np.float64], exponent: ComplexArray) -> ComplexArray:
    """Integral of exp(linear) over a triangle with close exponents (3, P) at its corners (3, 4).

    It is 2 area exp[a, b, c], the divided difference: with m the mean and e2, e3 the elementary symmetric
    polynomials of the differences from it, e^m sum h_n / (n + 2)!, h_n = -e2 h_(n-2) + e3 h_(n-3).
    """
    side, other = corners[1, :2] - corners[0, :2], corners[2, :2] - corners[0, :2]
    twice_area = side[0] * other[1] - side[1] * other[0]
    mean = exponent.mean(axis=0)
    a, b, c = exponent - mean
    e2, e3 = a * b + b * c + c * a, a * b * c
    h3, h2, h1 = np.zeros_like(mean), np.ones_like(mean), np.zeros_like(mean)  # h_-1, h_0, h_1
    total, factorial = h2 / 2, 6.0
    for n in range(2, 10):
        h3, h2, h1 = h2, h1, -e2 * h2 + e3 * h3
        factorial *= n + 2
        total = total + h1 / factorial
    return np.asarray(twice_area * np.exp(mean) * total)
