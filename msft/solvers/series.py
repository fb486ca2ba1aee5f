"""The Chebyshev series of e^{i q_z z}, and what else a transform of columns needs beside them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import scipy.special
from numpy.typing import ArrayLike, NDArray

from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics

FloatArray = NDArray[np.float64]

STEP = 0.25
"""Between the phases for which the number of terms is tabulated."""


LARGEST = 4096
"""Of k R: beyond it there are more than ten million columns."""


class Series(NamedTuple):
    """The same for all particles of a body.

    Attributes
    ----------
    densities
        Of the C chords of a column, shape (C,); 1 is the full material.
    s
        Attenuation of the full material in nm^-1.
    k
        Wavenumber in nm^-1.
    pixels
        Of the detector, per side.
    axis
        0 and the positive q_x below k, on the side where the detector has one more, in nm^-1.
    terms
        Chebyshev terms that the phases 0, `STEP`, 2 `STEP`, ... need.
    deepest
        Path through the full material in nm beyond which there is no light.
    """

    densities: FloatArray
    s: complex
    k: float
    pixels: int
    axis: FloatArray
    terms: NDArray[np.int64]
    deepest: float

    @property
    def largest_q(self) -> float:
        """No pixel that sees light has a larger q_perp, in nm^-1."""
        return min(self.k, math.sqrt(2) * float(self.axis[-1]))

    @property
    def largest_q_z(self) -> float:
        """The q_z of `largest_q`."""
        return self.k - math.sqrt(self.k**2 - self.largest_q**2)


def check_radius(radius: float, k: float) -> None:
    """Refuse, with a `ParameterError`, a circumsphere radius in nm that takes too many columns."""
    if k * radius > LARGEST:
        allowed = f"for radii of at most {LARGEST / k:.4g} nm at this wavelength"
        raise ParameterError("accuracy", f"at a radius of {radius:g} nm", allowed)


def series(
    densities: tuple[float, ...],
    optics: Optics,
    detector: EwaldDetector,
    radius: float,
    accuracy: float,
    beyond: float = 0.0,
) -> Series:
    """For particles of at most some circumsphere radius in nm; the terms left out sum to `accuracy`.

    `beyond`: how far columns may end outside the circumsphere, in nm.
    """
    k, s = optics.wavenumber, optics.attenuation
    check_radius(radius, k)
    axis = detector.q_step * np.arange(detector.pixels // 2 + 1, dtype=np.float64)
    largest = 2 ** math.ceil(math.log2(max(16.0, k * (radius + beyond))))  # few tables for all radii
    return Series(
        np.array(densities, dtype=np.float64), s, k, detector.pixels, axis[axis < k],
        _terms(largest, accuracy), -math.log(accuracy) / s.real if s.real else math.inf,
    )  # fmt: skip


def terms(phases: ArrayLike, accuracy: ArrayLike) -> NDArray[np.int64]:
    """Chebyshev terms of e^{i c t}, -1 <= t <= 1, such that those left out sum to less than some accuracy.

    By the Jacobi-Anger expansion the coefficients are 2 |J_n(c)|, 1 |J_0(c)| for n = 0.

    Parameters
    ----------
    phases, accuracy
        c, and the bound: shapes that broadcast.
    """
    c, bound = np.asarray(phases, dtype=np.float64), np.asarray(accuracy, dtype=np.float64)
    largest = float(c.max(initial=0.0))
    n = np.arange(int(largest + 40 + 4 * largest ** (1 / 3)))
    left_out = 2 * np.abs(scipy.special.jv(n, c[..., None]))[..., ::-1].cumsum(axis=-1)[..., ::-1]
    return np.asarray(np.maximum(1, (left_out >= bound[..., None]).sum(axis=-1)))


@lru_cache(maxsize=16)
def _terms(largest: int, accuracy: float) -> NDArray[np.int64]:
    phases = STEP * np.arange(int(largest / STEP) + 3)
    parts = np.array_split(phases, -(-len(phases) // 256))  # each with no more orders than it needs
    return np.concatenate([terms(part, accuracy) for part in parts])
