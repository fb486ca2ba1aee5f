"""Gauss-Legendre points of pieces, compiled; `msft.solvers.gauss` says how many a piece gets."""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.shape import COMPILED

ROUND_SAMPLES = 0.98 * np.array([-1.0, -0.5, 0.0, 0.5, 1.0])
FLAT_SAMPLES = 0.98 * np.array([-1.0, 1.0])
"""Places in a piece where its phase is measured, with curved surfaces and without: not at its very ends,
where rounding may miss the body."""

LARGEST_PHASE = 48.0
"""Of a piece: longer ones are cut."""

PHASE_STEP = 0.125
"""Between the phases at which the number of points is tabulated."""

LEVELS = 12
"""Pieces that are 2, 4, ... times shorter than the particle may have errors 2, 4, ... times larger; rows
between edges, whose sum varies less, 4, 16, ... times."""


@numba.njit(**COMPILED)
def counted(phase, part, counts):  # type: ignore[no-untyped-def]
    """Into how many parts a piece is cut, and how many points each of them gets.

    Parameters
    ----------
    phase
        By which the integrand turns over half of it.
    part
        Its length in units of the particle's; see `extent`.
    counts
        Points by level and phase; see `msft.solvers.gauss.counts`.
    """
    cuts = max(math.ceil(phase / LARGEST_PHASE), 1)
    level = int(min(max(-math.log2(part), 0.0), LEVELS - 1.0))
    return cuts, counts[level, math.ceil(phase / cuts / PHASE_STEP)]


@numba.njit(**COMPILED)
def extent(ends):  # type: ignore[no-untyped-def]
    """How long the particle is where pieces with some ends (2, P) cut it.

    As it is seen: the pieces of a needle along the beam are short beside its radius, but all that there is.
    """
    low, high = np.inf, -np.inf
    for p in range(ends.shape[1]):
        low, high = min(low, ends[0, p]), max(high, ends[1, p])
    return high - low


@numba.njit(**COMPILED)
def _place(low, high, along, round):  # type: ignore[no-untyped-def]
    """Position of the place -1 <= along <= 1 between two ends, and the derivative.

    Where there are square roots at the ends, a sine takes them away.
    """
    half = (high - low) / 2
    if round:
        angle = math.pi / 2 * along
        return low + half * (1 + math.sin(angle)), half * math.pi / 2 * math.cos(angle)
    return low + half * (1 + along), half


@numba.njit(**COMPILED)
def sampled(ends, round):  # type: ignore[no-untyped-def]
    """Positions of the samples in all pieces with some ends (2, P), shape (P, S)."""
    places = ROUND_SAMPLES if round else FLAT_SAMPLES
    positions = np.empty((ends.shape[1], len(places)))
    for p in range(ends.shape[1]):
        for s in range(len(places)):
            positions[p, s], _ = _place(ends[0, p], ends[1, p], places[s], round)
    return positions


@numba.njit(**COMPILED)
def points(ends, counts, round, rules):  # type: ignore[no-untyped-def]
    """Gauss-Legendre points of pieces: piece, place, and weight of each.

    Parameters
    ----------
    ends, counts
        Of the pieces: low and high, and what `counted` gave, both (2, P).
    round
        Whether the integrand has square roots at the ends, as of curved surfaces.
    rules
        Nodes and weights on -1 to 1, and where those of a rule with so many points begin.
    """
    nodes, weights, offset = rules
    total, at = (counts[0] * counts[1]).sum(), 0
    piece, place, weight = np.empty(total, np.int64), np.empty(total), np.empty(total)
    for p in range(ends.shape[1]):
        cuts, count = counts[0, p], counts[1, p]
        for cut in range(cuts):
            for i in range(offset[count], offset[count] + count):
                along = (nodes[i] + 2 * cut + 1) / cuts - 1
                place[at], derivative = _place(ends[0, p], ends[1, p], along, round)
                piece[at], weight[at] = p, derivative * (weights[i] / cuts)
                at += 1
    return piece, place, weight
