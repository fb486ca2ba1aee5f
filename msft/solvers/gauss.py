"""Gauss-Legendre points of pieces over which an integrand turns by some phase.

How many points a piece gets follows from the phase c by which the integrand turns from its middle to its end:
e^{i c t} on -1 <= t <= 1 has the Chebyshev coefficients 2 |J_n(c)| (Jacobi-Anger), and n points integrate the
orders below 2 n without error.
"""

from __future__ import annotations

import math
from functools import cache, lru_cache

import numpy as np
import scipy.special
from numpy.typing import NDArray

from msft.backends.places import LARGEST_PHASE, LEVELS, PHASE_STEP
from msft.solvers.series import terms

FloatArray = NDArray[np.float64]

MOST_POINTS = 64
"""Of a piece of the largest phase at any accuracy."""


@lru_cache(maxsize=32)
def counts(accuracy: float) -> NDArray[np.int64]:
    """Points by level and phase (0, `PHASE_STEP`, ...) for an accuracy of the longest pieces."""
    phases = PHASE_STEP * np.arange(math.ceil(LARGEST_PHASE / PHASE_STEP) + 1)
    levels = accuracy * 2.0 ** np.arange(LEVELS)
    return (terms(phases, levels[:, None]) + 1) // 2


@cache
def rules() -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Points and weights of the rules of 1 to `MOST_POINTS` points, and where each begins."""
    lengths = np.arange(1, MOST_POINTS + 1)
    found = [scipy.special.roots_legendre(n) for n in lengths]
    return (
        np.concatenate([rule[0] for rule in found]),
        np.concatenate([rule[1] for rule in found]),
        np.concatenate([[0], np.cumsum(lengths) - lengths]),
    )
