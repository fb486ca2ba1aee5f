"""Gauss-Legendre points of pieces over which an integrand turns by some phase.

How many points a piece gets follows from the phase c by which the integrand turns from its middle to its end:
e^{i c t} on -1 <= t <= 1 has the Chebyshev coefficients 2 |J_n(c)| (Jacobi-Anger), and n points integrate the
orders below 2 n without error.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy.special
from numpy.typing import NDArray

from msft.backends import pieces as compiled
from msft.errors import ParameterError
from msft.solvers.series import terms

FloatArray = NDArray[np.float64]

LARGEST_PHASE = 48.0
"""Of a piece: longer ones are cut."""

MOST_POINTS = 64
"""Of a piece of that phase at any accuracy."""

PHASE_STEP = 0.125
"""Between the phases at which the number of points is tabulated."""

MOST_COLUMNS = 10**7
"""Of which each takes some hundred bytes."""

LEVELS = 12
"""Pieces that are 2, 4, ... times shorter than the particle may have errors 2, 4, ... times larger; rows
between edges, whose sum varies less, 4, 16, ... times."""


def points(
    low: FloatArray, high: FloatArray, phase: FloatArray, part: FloatArray, round: bool, accuracy: float
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Gauss-Legendre points of pieces.

    Parameters
    ----------
    low, high
        Ends of the pieces in nm, shape (P,).
    phase
        By which the integrand turns over half of each.
    part
        Their lengths in units of the particle's.
    round
        Whether the integrand has square roots at the ends, as of curved surfaces.
    accuracy
        Of the longest.

    Returns
    -------
    Piece, position in nm, and weight in nm of each point.

    Raises
    ------
    ParameterError
        If they are too many.
    """
    cuts = np.maximum(np.ceil(phase / LARGEST_PHASE), 1).astype(np.int64)
    level = np.clip(-np.log2(part), 0, LEVELS - 1).astype(np.int64)
    count = _counts(accuracy)[level, np.ceil(phase / cuts / PHASE_STEP).astype(np.int64)]
    if (count * cuts).sum() > MOST_COLUMNS:
        allowed = f"an accuracy and a radius that take at most {MOST_COLUMNS:.0e} columns"
        raise ParameterError("accuracy", f"{(count * cuts).sum():.0e} columns", allowed)
    found: tuple[NDArray[np.int64], FloatArray, FloatArray] = compiled.points(
        low, high, cuts, count, round, *_gauss(MOST_POINTS)
    )
    return found


@lru_cache(maxsize=32)
def _counts(accuracy: float) -> NDArray[np.int64]:
    """Points for the phases 0, `PHASE_STEP`, 2 `PHASE_STEP`, ..."""
    phases = PHASE_STEP * np.arange(math.ceil(LARGEST_PHASE / PHASE_STEP) + 1)
    levels = accuracy * 2.0 ** np.arange(LEVELS)
    return (terms(phases, levels[:, None]) + 1) // 2


@lru_cache(maxsize=1)
def _gauss(most: int) -> tuple[FloatArray, FloatArray, NDArray[np.int64]]:
    """Points and weights of the rules of 1 to at least `most` points, and where each begins."""
    rules = [scipy.special.roots_legendre(n) for n in range(1, most + 1)]
    lengths = np.arange(1, most + 1)
    return (
        np.concatenate([rule[0] for rule in rules]),
        np.concatenate([rule[1] for rule in rules]),
        np.concatenate([[0], np.cumsum(lengths) - lengths]),
    )
