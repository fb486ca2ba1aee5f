"""The columns of `msft.solvers.quadrature`, compiled: many particles in one call, which holds no lock.

Arrays are so short that each call of NumPy would take longer than its arithmetic, and would hold Python's
lock meanwhile: threads would wait for each other.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from msft.backends.phases import REFRACTION, along_lines, together
from msft.backends.pieces import SHORT, along_creases, bands, pieces, within
from msft.backends.places import counted, extent, points, sampled
from msft.bodies.chords import chords, most_chords
from msft.bodies.creases import curves_along, turned
from msft.bodies.shape import COMPILED, FloatArray, has_curved_surfaces

MOST_COLUMNS = 10**7
"""Of a particle. Each takes some hundred bytes."""

MIDDLE, BESIDE = 0.5, (0.01, 0.99)
"""Places in the pieces of a row: half way, and next to the curves at their ends."""


ONCE: dict[str, Any] = {"inline": "always", **COMPILED}
"""For what is called in one place: LLVM would optimise it there again, with all that it calls."""


class Demands(NamedTuple):
    """What an integrand asks of its columns.

    Attributes
    ----------
    rates
        By how much it changes per nm: its phase across and along the beam, the logarithm of its modulus along
        the path, and its phase there.
    dark
        Path through the full material behind which depths count little, if surfaces are curved.
    opaque
        Radius in nm of particles that let no light through to speak of.
    part
        What is enough of a phase; see `msft.backends.phases.together`.
    counts, rules
        Points by phase, and where they are; see `msft.solvers.gauss`.
    """

    rates: tuple[float, float, float, float]
    dark: float
    opaque: float
    part: float
    counts: NDArray[np.int64]
    rules: tuple[FloatArray, FloatArray, NDArray[np.int64]]


class Plan(NamedTuple):
    """Where the columns of a particle will be, before there is room for them.

    Attributes
    ----------
    rows
        Their y and weights in nm, shape (2, J).
    ends
        Of the pieces of rows, shape (2, P).
    counts
        Of each piece the row, the parts into which it is cut, and the points that each gets, shape (3, P).
    """

    rows: FloatArray
    ends: FloatArray
    counts: NDArray[np.int64]


@numba.njit(**COMPILED)
def columns_of_many(numbers, begin, rotations, radii, densities, demands):  # type: ignore[no-untyped-def]
    """Columns of N particles, one after the other.

    Parameters
    ----------
    numbers, begin
        Packed shapes, and where that of each particle begins.
    rotations, radii
        R(q) and circumsphere radii in nm, shapes (N, 3, 3) and (N,).
    densities
        Of the chords, or one for all.
    demands
        Of the integrand.

    Returns
    -------
    Columns of the particle that has most; then the attributes of `msft.solvers.quadrature.ManyColumns`, empty
    if those are more than `MOST_COLUMNS`.
    """
    plans = [
        _planned(numbers[begin[p] :], rotations[p], radii[p], densities, demands) for p in range(len(radii))
    ]
    first, most, deepest = np.zeros((2, len(radii) + 1), np.int64), 0, 1  # row and column
    for p in range(len(radii)):
        rows, _, counts = plans[p]
        first[0, p + 1], columns = first[0, p] + rows.shape[1], (counts[1] * counts[2]).sum()
        first[1, p + 1], most = first[1, p] + columns, max(most, columns)
        deepest = max(deepest, most_chords(numbers[begin[p] :]))
    if most > MOST_COLUMNS:
        first[:] = 0
    rows, columns = first[0, -1], first[1, -1]
    positions, weight = np.empty(columns + rows), np.empty(columns)
    start, ends = np.zeros(rows + 1, np.int64), np.empty((2, deepest, columns))
    for p in range(len(radii) if rows else 0):
        row, at, end = first[0, p], first[1, p], first[1, p + 1]
        x, y = positions[at:end], positions[columns + row : columns + first[0, p + 1]]
        shape = numbers[begin[p] :]
        beside = _filled(
            plans[p], has_curved_surfaces(shape), demands.rules, x, y, weight[at:end], start[row + 1 :]
        )
        chords(shape, x, beside, rotations[p], radii[p], ends[0], ends[1], at)
    return most, positions, np.cumsum(start), first[0], weight, ends[0], ends[1]


@numba.njit(**ONCE)
def _planned(numbers, rotation, radius, densities, demands):  # type: ignore[no-untyped-def]
    round = has_curved_surfaces(numbers)
    curves = turned(curves_along(numbers, rotation[2]), rotation, radius)
    line = numbers, rotation, radius, densities, demands.dark if round else np.inf
    rows = _rows(curves, round, line, demands)
    row, ends = pieces(rows[0], curves, SHORT * radius)
    x = sampled(ends, round)
    y = np.empty_like(x)
    for p in range(len(row)):
        y[p] = rows[0, row[p]]
    turn, decay = along_lines(x, y, line, demands.rates)
    counts, width = np.empty((3, len(row)), np.int64), extent(ends)
    for p in range(len(row)):
        # the derivative of a sine, and a chord that ends there, turn by half a circle
        phase = _largest(turn[p], decay[p], round, demands.part) + (np.pi if round else 0.0)
        counts[0, p], part = row[p], (ends[1, p] - ends[0, p]) / width
        counts[1, p], counts[2, p] = counted(phase, part, demands.counts)
    return Plan(rows, ends, counts)


@numba.njit(**ONCE)
def _rows(curves, round, line, demands):  # type: ignore[no-untyped-def]
    """Positions of the rows and their weights in nm, shape (2, J)."""
    radius = line[2]
    # what the path does makes a product of a chord's two ends, which does not change smoothly where an edge
    # in front crosses one behind
    crossed = radius < demands.opaque
    ends = bands(curves, radius, crossed)
    y = sampled(ends, round)
    phase = along_creases(y, curves, demands.rates, round)
    decay = np.zeros_like(phase)
    if round:
        # surfaces may be steeper than the curves around them: the side of a cylinder seen along its axis
        x = within(y, curves, MIDDLE)
        for i in range(len(x)):
            turn, lost = along_lines(x[i], y, line, demands.rates)
            phase, decay = np.maximum(phase, turn), np.maximum(decay, lost)
    elif demands.rates[REFRACTION] > 0:
        # refraction turns the phase along the path, of which the curves know one end alone
        for place in BESIDE:
            x = within(y, curves, place)
            for i in range(len(x)):
                turn, lost = along_lines(x[i], y, line, demands.rates)
                phase = np.maximum(phase, np.hypot(turn, lost))
    counts, height = np.empty((2, len(y)), np.int64), extent(ends)
    for b in range(len(y)):
        part, whole = (ends[1, b] - ends[0, b]) / height, phase[b].max()
        if round:
            whole = _largest(phase[b], decay[b], round, demands.part) + 1.5 * np.pi
        counts[0, b], counts[1, b] = counted(whole, part if round or crossed else part**2, demands.counts)
        if not round:
            # even where nothing turns, what a row holds is a quadratic function of its height
            counts[1, b] = max(counts[1, b], 2)
    _, place, weight = points(ends, counts, round, demands.rules)
    return np.stack((place, weight))


@numba.njit(**COMPILED)
def _largest(turn, decay, round, part):  # type: ignore[no-untyped-def]
    """Phase of a piece from the turns and decays between its samples."""
    phase = 0.0
    for s in range(len(turn)):
        phase = max(phase, together(turn[s], decay[s], round, part))
    return phase


@numba.njit(**ONCE)
def _filled(plan, round, rules, x, y, weight, columns):  # type: ignore[no-untyped-def]
    """Write x and weight of the columns, y of the rows, and how many columns each has; the columns' y."""
    rows, ends, counts = plan
    piece, place, share = points(ends, counts[1:], round, rules)
    beside = np.empty(len(x))
    for j in range(len(y)):
        y[j] = rows[0, j]
    for i in range(len(x)):
        row = counts[0, piece[i]]
        x[i], beside[i], weight[i] = place[i], rows[0, row], share[i] * rows[1, row]
        columns[row] += 1
    return beside
