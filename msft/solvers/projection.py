"""Voxels as moments along the beam: what the Chebyshev solver transforms instead of closed chords."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Voxels
from msft.solvers.series import STEP, Series

FloatArray = NDArray[np.float64]


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

    The density is sampled on a grid of the lab frame as fine as the voxels, which it meets where the particle
    is not turned. Each sample scatters from its middle, where half its own path lies before it.

    Parameters
    ----------
    body, radius, rotation
        The particle: voxels, circumsphere radius in nm and R(q), shape (3, 3).
    series
        Material, and the terms that are needed.
    """
    x, y, z = (
        _centres(radius, edge, count) for edge, count in zip(body.edges, body.values.shape, strict=True)
    )
    wave: NDArray[np.inexact] = body.density(x, y, z, rotation, radius)
    d_x, d_y, d_z = (axis[1] - axis[0] for axis in (x, y, z))
    if series.s:
        # s times the path to the middle of each sample
        rate = np.float32(d_z * series.s.real) if series.s.imag == 0 else np.complex64(d_z * series.s)
        before = np.cumsum(wave, axis=0, dtype=np.float32) - wave / 2
        wave = wave * np.exp(-rate * before)
    half = float(z[-1])
    orders = int(series.terms[math.ceil(half * series.largest_q_z / STEP)])
    polynomials = np.cos(np.outer(np.arange(orders), np.arccos(np.clip(z / half, -1, 1))))
    weights = (d_x * d_y * d_z * polynomials).astype(np.float32)
    moments = weights @ wave.reshape(len(z), -1)
    return Projection(x, y, moments.reshape(orders, len(y), len(x)), 0.0, half)


def _centres(radius: float, edge: float, count: int) -> FloatArray:
    """Points over the circumsphere, as far apart as the voxels, on the centres of voxels not turned."""
    spacing = edge * radius
    points = 2 * math.ceil(radius / spacing) + count % 2
    return np.asarray(spacing * (np.arange(points, dtype=np.float64) - (points - 1) / 2))
