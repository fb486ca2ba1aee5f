"""Amplitudes on a flat detector, from a grid in q_perp that the grid solvers can compute.

The amplitude is the transform of something that ends at the particle's surface, so it is band-limited in
(q_x, q_y): the phase e^{-i q.r + i q_z z} changes by at most R / cos(theta) per unit of q. A quintic spline
on samples at a phase w apart reproduces such waves to about (w / (2 pi - w))^6, here 6e-5 at the band's edge
(for whole particles 1e-5; tests/msft/test_interpolation.py).
"""

from __future__ import annotations

import math

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from msft.detector import MOST_PIXELS, EwaldDetector, ScatteringVectors
from msft.errors import ParameterError
from msft.solvers.slices import SliceGrid

OVERSAMPLING = 3
"""Samples for each that the sampling theorem asks for: a phase of pi / 3 apart."""

BORDER = 12
"""Samples beyond the last pixel, over which the spline forgets what it meets: 0.43^12 = 4e-5 is left."""

SIZE_CLASS = 1.2
"""Ratio of the sizes that share a grid."""


def grid_detector(
    vectors: ScatteringVectors, k: float, radius: float, grid: SliceGrid | None = None
) -> EwaldDetector:
    """A grid in q_perp around the pixels of a flat detector, fine enough to interpolate from.

    Parameters
    ----------
    vectors
        Of the flat detector.
    k
        Wavenumber in nm^-1.
    radius
        Circumsphere radius in nm.
    grid
        If given, the step is one that the transforms of these slices can have.

    Raises
    ------
    ParameterError
        If the grid would have too many pixels.
    """
    cosine = float((k - vectors.z).min()) / k
    outermost = k * math.sqrt(1 - cosine**2)
    # the amplitude ends at k, which the spline must have forgotten at the last pixel
    step = min(math.pi * cosine / (OVERSAMPLING * radius), (k - outermost) / BORDER)
    if grid is not None:
        least = math.ceil(2 * math.pi / (grid.voxel * step))
        step = 2 * math.pi / (grid.voxel * max(least, grid.voxels))
    largest = float(max(np.abs(vectors.x).max(), np.abs(vectors.y).max()))
    pixels = 2 * (math.ceil(largest / step) + BORDER) + 1
    if pixels > MOST_PIXELS:
        steepest = math.degrees(math.acos(cosine))
        raise ParameterError(
            "detector",
            f"flat up to {steepest:.1f} degrees for a radius of {radius:g} nm",
            f"angles or radii that need at most {MOST_PIXELS} samples, or the solver exact",
        )
    return EwaldDetector(pixels, step)


def size_classes(radii: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each radius in nm rounded up to a power of `SIZE_CLASS`: what a particle gets depends on it alone."""
    return np.asarray(SIZE_CLASS ** np.ceil(np.log(radii) / math.log(SIZE_CLASS)))


def interpolate(
    images: NDArray[np.complexfloating], grid: EwaldDetector, vectors: ScatteringVectors
) -> NDArray[np.complexfloating]:
    """Images (N, n, n) on the grid at other scattering vectors, shape (N, P), in the images' own type."""
    middle = grid.pixels // 2
    where = np.stack([vectors.y, vectors.x]) / grid.q_step + middle
    return np.array(
        [scipy.ndimage.map_coordinates(image, where, order=5, mode="nearest") for image in images]
    )
