"""Transforms of voxels at fixed q_z: projected along the beam with e^{i q_z z}, then transformed in 2D."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Voxels
from msft.detector import EwaldDetector, ScatteringVectors

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]


def transforms(
    body: Voxels,
    radius: float,
    rotation: FloatArray,
    s: complex,
    detector: EwaldDetector,
    vectors: ScatteringVectors,
    nodes: FloatArray,
) -> ComplexArray:
    """The multi-slice transform of voxels with q_z held at each of some nodes.

    The density is sampled on a grid of the lab frame as fine as the voxels, which it meets where the particle
    is not turned. Each sample scatters from its middle, where half its own path lies before it.

    Parameters
    ----------
    body, radius, rotation
        The particle: voxels, circumsphere radius in nm and R(q), shape (3, 3).
    s
        Attenuation of the full material in nm^-1.
    detector, vectors
        Pixels on a grid in q_perp, and their P scattering vectors.
    nodes
        Values of q_z in nm^-1, shape (K,).

    Returns
    -------
    Complex128 array (K, P) in nm^3.
    """
    x, y, z = (
        _centres(radius, edge, count) for edge, count in zip(body.edges, body.values.shape, strict=True)
    )
    density = body.density(x, y, z, rotation, radius)
    d_x, d_y, d_z = (axis[1] - axis[0] for axis in (x, y, z))
    path = d_z * (np.cumsum(density, axis=0, dtype=np.float64) - density / 2)
    wave = density * np.exp(-(s if s.imag else s.real) * path)
    phases = np.exp(1j * np.outer(nodes, z))
    projected = (phases @ wave.reshape(len(z), -1)).reshape(len(nodes), len(y), len(x))
    rows = np.exp(-1j * np.outer(detector.axis, y))
    columns = np.exp(-1j * np.outer(detector.axis, x))
    images = rows @ projected @ columns.T
    return np.asarray(d_x * d_y * d_z * images.reshape(len(nodes), -1)[:, vectors.pixel])


def _centres(radius: float, edge: float, count: int) -> FloatArray:
    """Points over the circumsphere, as far apart as the voxels, on the centres of voxels not turned."""
    spacing = edge * radius
    points = 2 * math.ceil(radius / spacing) + count % 2
    return np.asarray(spacing * (np.arange(points, dtype=np.float64) - (points - 1) / 2))
