"""Voxels as moments along the beam: what the Chebyshev solver transforms instead of closed chords."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Voxels
from msft.solvers.series import STEP, Series

FloatArray = NDArray[np.float64]


ROWS = 8
"""Of columns that are computed at a time: what is computed on the way stays in the cache."""


class Projection(NamedTuple):
    """Chebyshev moments of columns on a grid.

    Attributes
    ----------
    x, y
        Of the columns in nm, shapes (X,), (Y,).
    moments
        Float32 or complex64, shape (K, Y, X), in nm^3: the integral over each column of
        rho e^{-s l} T_n((z - middle) / half).
    middle, half
        Of the depths, in nm.
    """

    x: FloatArray
    y: FloatArray
    moments: NDArray[np.inexact]
    middle: float
    half: float


def project(body: Voxels, radius: float, rotation: FloatArray, series: Series) -> Projection:
    """The moments of voxels.

    The density is sampled on a grid of the lab frame, along each axis as fine as the voxels are in that
    direction, which it meets where the particle is not turned; finer, if the detector sees more than such
    voxels resolve. Each sample scatters from its middle, where half its own path lies before it.

    Parameters
    ----------
    body, radius, rotation
        The particle: voxels, circumsphere radius in nm and R(q), shape (3, 3).
    series
        Material, and the terms that are needed.
    """
    # what a grid of voxels resolves ends at an ellipsoid of half axes pi / edge: here is its width along each
    spacings = radius / np.linalg.norm(rotation / np.array(body.edges), axis=1)
    seen = np.array([series.largest_q, series.largest_q, series.largest_q_z])
    finer = np.ceil(np.maximum(1.0, spacings * seen / np.pi)).astype(int)
    x, y, z = (
        _centres(radius, spacing, count)
        for spacing, count in zip((spacings / finer).tolist(), body.values.shape * finer, strict=True)
    )
    density = body.density(x, y, z, rotation, radius).astype(np.float32, copy=False)
    volume, d_z = math.prod(axis[1] - axis[0] for axis in (x, y, z)), z[1] - z[0]
    half = float(z[-1])
    orders = int(series.terms[math.ceil(half * series.largest_q_z / STEP)])
    polynomials = np.cos(np.outer(np.arange(orders), np.arccos(np.clip(z / half, -1, 1))))
    weights = (volume * polynomials).astype(np.float32)
    shape = orders, len(y), len(x)
    moments: NDArray[np.inexact] = np.empty(shape, np.complex64 if series.s.imag else np.float32)
    for begin in range(0, len(y), ROWS):
        rows = slice(begin, begin + ROWS)
        parts = [weights @ wave for wave in _waves(density[:, rows].reshape(len(z), -1), series.s * d_z)]
        moments.real[:, rows] = parts[0].reshape(orders, -1, len(x))
        if series.s.imag:
            moments.imag[:, rows] = parts[1].reshape(orders, -1, len(x))
    return Projection(x, y, moments, 0.0, half)


def _waves(density: NDArray[np.float32], rate: complex) -> list[NDArray[np.float32]]:
    """Density (Z, P) times the wave in the middle of each sample: its real part, its imaginary one if any."""
    if rate == 0:
        return [density]
    path = np.cumsum(density, axis=0)
    path -= np.float32(0.5) * density
    wave = density
    if rate.real:
        wave = np.exp(np.float32(-rate.real) * path)
        wave *= density
    if rate.imag == 0:
        return [wave]
    path *= np.float32(rate.imag)
    return [wave * np.cos(path), -wave * np.sin(path)]


def _centres(radius: float, spacing: float, count: int) -> FloatArray:
    """Points over the circumsphere, on the centres of voxels not turned."""
    points = 2 * math.ceil(radius / spacing) + count % 2
    return np.asarray(spacing * (np.arange(points, dtype=np.float64) - (points - 1) / 2))
