"""Fringes finer than one particle makes: those of two, a distance d apart, have the period 2 pi / d.

A pattern's Fourier transform holds what lies within twice the particle's radius, and a second particle's
interference outside of it. Patterns are whitened first: smaller structure than the fringes' is all that is
left, as strong everywhere.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

FloatArray = NDArray[np.float64]

FINE, EVEN, SMOOTH = 0.8, 2.0, 1.0
"""Widths of Gaussians in pixels: of what is subtracted, of the strength that is divided by, and of what the
power is averaged over. With 2, 2 and 1 for the first three of 0.6 to 1, 2 to 3 and 0.7 to 1.5 the ROC's area
varied by 0.03."""

WIDEST = 0.6
"""Part of the widest particle's width beyond which fringes count at least: a logarithm's overtones of smaller
particles are no fringes."""


def fringes(
    grey: NDArray[np.float32],
    valid: NDArray[np.bool_],
    radius: FloatArray,
    largest_radius: float,
    q_step: float,
) -> FloatArray:
    """How strong the strongest period outside of a particle's reach is, beside the strongest inside.

    Parameters
    ----------
    grey, valid
        Frames (N, n, n) in grey values, and their pixels that count.
    radius
        Of the particles, in nm, shape (N,).
    largest_radius
        Of all particles that are expected, in nm.
    q_step
        Width of a pixel in nm^-1, on the axis.

    Returns
    -------
    Decimal logarithms of the powers' ratios, float64 (N,); 0 where the detector resolves no such period.
    """
    white = _whitened(grey, valid)
    power = np.abs(scipy.fft.rfft2(white)) ** 2
    power = gaussian_filter(power, (0, SMOOTH, SMOOTH), mode=("constant", "wrap", "nearest"))
    distance = _distances(grey.shape[-1], q_step)
    reach = 2 * np.maximum(radius, WIDEST * largest_radius)
    outside = distance > reach[:, None, None]
    ratio = np.where(outside, power, 0).max(axis=(1, 2)) / np.maximum(
        np.where(outside, 0, power).max(axis=(1, 2)), 1e-30
    )
    return np.where(ratio > 0, np.log10(np.maximum(ratio, 1e-6)), 0.0)


def _whitened(grey: NDArray[np.float32], valid: NDArray[np.bool_]) -> NDArray[np.float32]:
    """What is finer than `FINE`, over its own strength nearby, and 0 outside of the valid pixels."""
    inside = binary_erosion(valid, np.ones((1, 3, 3), dtype=bool)).astype(np.float32)

    def mean(values: NDArray[np.float32], width: float) -> NDArray[np.float32]:
        weight = np.maximum(gaussian_filter(inside, (0, width, width)), 1e-3)
        return np.asarray(gaussian_filter(values, (0, width, width)) / weight, dtype=np.float32)

    fine = (grey - mean(grey * inside, FINE)) * inside
    return np.asarray(fine / np.sqrt(mean(fine**2, EVEN) + 1e-12), dtype=np.float32)


@cache
def _distances(pixels: int, q_step: float) -> FloatArray:
    """Distance in nm that each period of a real transform (n, n // 2 + 1) belongs to."""
    x, y = (2 * np.pi * frequency(pixels, q_step) for frequency in (scipy.fft.rfftfreq, scipy.fft.fftfreq))
    return np.asarray(np.hypot(y[:, None], x[None, :]))
