"""Where rows of columns meet a body's curves, and the pieces that lie between, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.creases import CENTRE, COSINE, LEAST, OUTLINE, SINE, heights
from msft.bodies.overlaps import overlaps
from msft.bodies.shape import COMPILED

SHORT = 1e-7
"""Pieces shorter than this fraction of the circumsphere radius are empty; so are the lowest creases."""


@numba.njit(**COMPILED)
def _crossings(y, i, curves, reach, x, z, met):  # type: ignore[no-untyped-def]
    """Where the row y meets crease i: the two x and z, and whether it does. Beyond the crease, its end."""
    centre, cosine, sine = curves[i, CENTRE:COSINE], curves[i, COSINE:SINE], curves[i, SINE:OUTLINE]
    along = reach[i] < 0  # along the row: its middle
    unit = 1.0 if along else reach[i]
    w = (y - centre[1]) / unit
    beyond = along or abs(w) > 1
    w = min(max(w, -1.0), 1.0)
    other = math.sqrt(1 - w * w)
    c_y, s_y = cosine[1] / unit, sine[1] / unit
    for k in range(2):
        sign = 2 * k - 1
        cos_t, sin_t = w * c_y + sign * other * s_y, w * s_y - sign * other * c_y
        x[k] = centre[0] + cosine[0] * cos_t + sine[0] * sin_t
        z[k] = centre[2] + cosine[2] * cos_t + sine[2] * sin_t
        met[k] = not beyond and cos_t >= curves[i, LEAST]


@numba.njit(**COMPILED)
def _reaches(curves):  # type: ignore[no-untyped-def]
    """How far creases reach up and down from their middles; -1 for those that lie along the rows."""
    reach, highest = np.empty(len(curves)), 0.0
    for i in range(len(curves)):
        reach[i] = math.hypot(curves[i, COSINE + 1], curves[i, SINE + 1])
        highest = max(highest, reach[i])
    for i in range(len(curves)):
        if reach[i] < SHORT * highest:
            reach[i] = -1.0
    return reach


@numba.njit(**COMPILED)
def bands(curves, radius, edges):  # type: ignore[no-untyped-def]
    """Between which heights rows meet the same creases: lower and upper ends, shape (2, B).

    With `edges`, in the same order, too.
    """
    ends, points = heights(curves), overlaps(curves, edges)
    breaks, count = np.empty(len(ends) + len(points)), 0
    for i in range(len(breaks)):
        _insert(ends[i] if i < len(ends) else points[i - len(ends), 1], breaks, i)
    found = np.empty((2, len(breaks)))
    for i in range(len(breaks) - 1):
        if breaks[i + 1] - breaks[i] > SHORT * radius:
            found[0, count], found[1, count] = breaks[i], breaks[i + 1]
            count += 1
    return found[:, :count].copy()


@numba.njit(**COMPILED)
def _insert(value, found, count):  # type: ignore[no-untyped-def]
    """Put a value in its place among so many in order: there are few."""
    place = count
    while place > 0 and found[place - 1] > value:
        found[place] = found[place - 1]
        place -= 1
    found[place] = value


@numba.njit(**COMPILED)
def _between(x, z, rise, known, rates):  # type: ignore[no-untyped-def]
    """Turn and decay from one row to the next, x and z (2, 2), along a crease's crossings that are known."""
    lateral, axial, attenuation, _ = rates
    turn, steepest = 0.0, 0.0
    for k in range(2):
        if known[k]:
            slope = z[1, k] - z[0, k]
            steepest = max(steepest, slope)
            turn = max(turn, lateral * math.hypot(x[1, k] - x[0, k], rise) + axial * abs(slope))
    return turn, attenuation * steepest


@numba.njit(**COMPILED)
def along_creases(y, curves, rates, round):  # type: ignore[no-untyped-def]
    """By how much the integrand turns along the curves, at most, over half of each band.

    Parameters
    ----------
    y
        Rows of some bands, shape (B, S).
    curves
        The creases in nm in the lab frame.
    rates
        Lateral, axial, attenuation, refraction.
    round
        Whether surfaces are curved. If not, the decay counts, too.

    Returns
    -------
    Between neighbouring rows, shape (B, S - 1).
    """
    bands, samples = y.shape
    count = len(curves)
    x, z = np.empty((samples, 2)), np.empty((samples, 2))
    met = np.empty((samples, 2), np.bool_)
    phase, reach = np.zeros((bands, samples - 1)), _reaches(curves)
    for b in range(bands):
        for i in range(count):
            for s in range(samples):
                _crossings(y[b, s], i, curves, reach, x[s], z[s], met[s])
            known = met[:, 0].any(), met[:, 1].any()
            for s in range(samples - 1):
                turn, decay = _between(x[s : s + 2], z[s : s + 2], y[b, s + 1] - y[b, s], known, rates)
                whole = turn if round else math.hypot(turn, decay)
                phase[b, s] = max(phase[b, s], whole * (samples - 1) / 2)
    return phase


@numba.njit(**COMPILED)
def _breaks(y, curves, reach, x, z, met, found):  # type: ignore[no-untyped-def]
    """Where the row y meets any crease, in order, and how often."""
    count = 0
    for i in range(len(curves)):
        if abs(y - curves[i, CENTRE + 1]) > reach[i]:
            continue  # most of them
        _crossings(y, i, curves, reach, x, z, met)
        for k in range(2):
            if met[k]:
                _insert(x[k], found, count)
                count += 1
    return count


@numba.njit(**COMPILED)
def within(y, curves, place):  # type: ignore[no-untyped-def]
    """A place (0 to 1) in each piece of rows (B, S), shape (2 C - 1, B, S); past them, the last break."""
    bands, samples = y.shape
    count = len(curves)
    x, z, met = np.empty(2), np.empty(2), np.empty(2, np.bool_)
    found, reach = np.empty(2 * count), _reaches(curves)
    inside = np.zeros((max(2 * count - 1, 0), bands, samples))
    for b in range(bands):
        for s in range(samples):
            breaks = _breaks(y[b, s], curves, reach, x, z, met, found)
            for i in range(2 * count - 1):
                if i + 1 < breaks:
                    inside[i, b, s] = found[i] + place * (found[i + 1] - found[i])
                elif breaks:
                    inside[i, b, s] = found[breaks - 1]
    return inside


@numba.njit(**COMPILED)
def pieces(y, curves, shortest):  # type: ignore[no-untyped-def]
    """Pieces of rows (J,) that are longer than the shortest: their rows (P,) and both ends (2, P)."""
    count = len(curves)
    x, z, met = np.empty(2), np.empty(2), np.empty(2, np.bool_)
    found, reach = np.empty(2 * count), _reaches(curves)
    most = len(y) * max(2 * count - 1, 0)
    row, ends, filled = np.empty(most, np.int64), np.empty((2, most)), 0
    for j in range(len(y)):
        for i in range(_breaks(y[j], curves, reach, x, z, met, found) - 1):
            if found[i + 1] - found[i] > shortest:
                row[filled], ends[0, filled], ends[1, filled] = j, found[i], found[i + 1]
                filled += 1
    return row[:filled].copy(), ends[:, :filled].copy()
