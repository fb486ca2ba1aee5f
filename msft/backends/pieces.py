"""The loops of `msft.solvers.quadrature`, compiled: where rows meet creases, and what lies between them.

Their arrays are so short that each call of NumPy would take longer than its arithmetic, and hold Python's
lock meanwhile.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.lines import COMPILED


@numba.njit(**COMPILED)
def _crossings(y, i, creases, flat, x, z, met):  # type: ignore[no-untyped-def]
    """Where the row y meets crease i: the two x and z, and whether it does. Beyond the crease, its end."""
    centre, cosine, sine, least = creases
    reach = math.hypot(cosine[i, 1], sine[i, 1])
    along = reach < flat  # along the row: its middle
    unit = 1.0 if along else reach
    w = (y - centre[i, 1]) / unit
    beyond = along or abs(w) > 1
    w = min(max(w, -1.0), 1.0)
    other = math.sqrt(1 - w * w)
    c_y, s_y = cosine[i, 1] / unit, sine[i, 1] / unit
    for k in range(2):
        sign = 2 * k - 1
        cos_t, sin_t = w * c_y + sign * other * s_y, w * s_y - sign * other * c_y
        x[k] = centre[i, 0] + cosine[i, 0] * cos_t + sine[i, 0] * sin_t
        z[k] = centre[i, 2] + cosine[i, 2] * cos_t + sine[i, 2] * sin_t
        met[k] = not beyond and cos_t >= least[i]


@numba.njit(**COMPILED)
def _flat(creases, short):  # type: ignore[no-untyped-def]
    """Height below which a crease lies along the rows."""
    _, cosine, sine, _ = creases
    highest = 0.0
    for i in range(len(cosine)):
        highest = max(highest, math.hypot(cosine[i, 1], sine[i, 1]))
    return short * highest


@numba.njit(**COMPILED)
def _between(x, z, rise, known, rates):  # type: ignore[no-untyped-def]
    """Turn and decay from one row to the next, x and z (2, 2), along a crease's crossings that are known."""
    lateral, axial, attenuation = rates
    turn, steepest = 0.0, 0.0
    for k in range(2):
        if known[k]:
            slope = z[1, k] - z[0, k]
            steepest = max(steepest, slope)
            turn = max(turn, lateral * math.hypot(x[1, k] - x[0, k], rise) + axial * abs(slope))
    return turn, attenuation * steepest


@numba.njit(**COMPILED)
def along_creases(y, creases, short, rates, round):  # type: ignore[no-untyped-def]
    """By how much the integrand turns along the creases, at most, over half of each band.

    Parameters
    ----------
    y
        Rows of some bands, shape (B, S).
    creases
        Their centres, cosines, sines and least cosines.
    short
        What counts as nothing, in units of the whole.
    rates
        Lateral, axial, attenuation.
    round
        Whether surfaces are curved. If not, the decay counts, too.

    Returns
    -------
    Between neighbouring rows, shape (B, S - 1).
    """
    bands, samples = y.shape
    count = len(creases[0])
    x, z = np.empty((samples, 2)), np.empty((samples, 2))
    met = np.empty((samples, 2), np.bool_)
    phase, flat = np.zeros((bands, samples - 1)), _flat(creases, short)
    for b in range(bands):
        for i in range(count):
            for s in range(samples):
                _crossings(y[b, s], i, creases, flat, x[s], z[s], met[s])
            known = met[:, 0].any(), met[:, 1].any()
            for s in range(samples - 1):
                turn, decay = _between(x[s : s + 2], z[s : s + 2], y[b, s + 1] - y[b, s], known, rates)
                whole = turn if round else math.hypot(turn, decay)
                phase[b, s] = max(phase[b, s], whole * (samples - 1) / 2)
    return phase


@numba.njit(**COMPILED)
def _breaks(y, creases, flat, x, z, met, found):  # type: ignore[no-untyped-def]
    """Where the row y meets any crease, in order, and how often."""
    count = 0
    for i in range(len(creases[0])):
        _crossings(y, i, creases, flat, x, z, met)
        for k in range(2):
            if met[k]:
                place = count  # insertion: there are few
                while place > 0 and found[place - 1] > x[k]:
                    found[place] = found[place - 1]
                    place -= 1
                found[place] = x[k]
                count += 1
    return count


@numba.njit(**COMPILED)
def middles(y, creases, short):  # type: ignore[no-untyped-def]
    """Middles of the pieces of rows (B, S), shape (2 C - 1, B, S); if there are no more, the last break."""
    bands, samples = y.shape
    count = len(creases[0])
    x, z, met = np.empty(2), np.empty(2), np.empty(2, np.bool_)
    found, flat = np.empty(2 * count), _flat(creases, short)
    middle = np.zeros((2 * count - 1, bands, samples))
    for b in range(bands):
        for s in range(samples):
            breaks = _breaks(y[b, s], creases, flat, x, z, met, found)
            for i in range(2 * count - 1):
                if i + 1 < breaks:
                    middle[i, b, s] = (found[i] + found[i + 1]) / 2
                elif breaks:
                    middle[i, b, s] = found[breaks - 1]
    return middle


@numba.njit(**COMPILED)
def pieces(y, creases, short, shortest):  # type: ignore[no-untyped-def]
    """Pieces of rows (J,) that are longer than the shortest: their rows and both ends, each (P,)."""
    count = len(creases[0])
    x, z, met = np.empty(2), np.empty(2), np.empty(2, np.bool_)
    found, flat = np.empty(2 * count), _flat(creases, short)
    most = len(y) * (2 * count - 1)
    row, low, high, filled = np.empty(most, np.int64), np.empty(most), np.empty(most), 0
    for j in range(len(y)):
        for i in range(_breaks(y[j], creases, flat, x, z, met, found) - 1):
            if found[i + 1] - found[i] > shortest:
                row[filled], low[filled], high[filled] = j, found[i], found[i + 1]
                filled += 1
    return row[:filled].copy(), low[:filled].copy(), high[:filled].copy()


@numba.njit(**COMPILED)
def along_lines(ends, x, y, densities, deepest, rates):  # type: ignore[no-untyped-def]
    """By how much the integrand turns and decays over half of pieces, each sampled S times.

    Parameters
    ----------
    ends
        Chords at the samples, shape (2, C, P, S).
    x, y
        Positions of the samples, shapes (P, S) and (P, 1) or (P, S).
    densities
        Of the chords, shape (C,).
    deepest
        Path through the full material behind which depths count little.
    rates
        Lateral, axial, attenuation.

    Returns
    -------
    Turns and decays between neighbouring samples, both (P, S - 1).
    """
    _, chords, count, samples = ends.shape
    lateral, axial, attenuation = rates
    turn, decay = np.zeros((count, samples - 1)), np.zeros((count, samples - 1))
    path, seen, left = np.empty(samples), np.empty(samples), np.empty(samples)
    for p in range(count):
        path[:], left[:] = 0.0, deepest
        for c in range(chords):
            z_in, z_out = ends[0, c, p], ends[1, c, p]
            lit, met = True, True
            for s in range(samples):
                # as far as the light is bright enough
                length, density = z_out[s] - z_in[s], densities[c]
                dark = density * max(length, 0.0) > left[s]
                seen[s] = z_in[s] + left[s] / density if dark else z_out[s]
                left[s] = max(left[s] - density * max(length, 0.0), 0.0)
                lit, met = lit and seen[s] > z_in[s], met and length > 0
            if met:
                path += z_out - z_in
            if lit:
                for s in range(samples - 1):
                    steepest = max(abs(seen[s + 1] - seen[s]), abs(z_in[s + 1] - z_in[s]))
                    turn[p, s] = max(turn[p, s], axial * steepest)
        for s in range(samples - 1):
            rise = y[p, s + 1] - y[p, s] if y.shape[1] > 1 else 0.0
            half = (samples - 1) / 2
            turn[p, s] = half * (turn[p, s] + lateral * math.hypot(x[p, s + 1] - x[p, s], rise))
            decay[p, s] = half * attenuation * abs(path[s + 1] - path[s])
    return turn, decay


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
def sampled(low, high, round, places):  # type: ignore[no-untyped-def]
    """Positions of the same places in all pieces, shape (P, S)."""
    positions = np.empty((len(low), len(places)))
    for p in range(len(low)):
        for s in range(len(places)):
            positions[p, s], _ = _place(low[p], high[p], places[s], round)
    return positions


@numba.njit(**COMPILED)
def points(low, high, cuts, count, round, nodes, weights, offset):  # type: ignore[no-untyped-def]
    """Gauss-Legendre points of pieces, each cut into some parts of so many points: piece, place, weight."""
    total = 0
    for p in range(len(low)):
        total += cuts[p] * count[p]
    piece, place, weight, at = np.empty(total, np.int64), np.empty(total), np.empty(total), 0
    for p in range(len(low)):
        for cut in range(cuts[p]):
            for i in range(offset[count[p]], offset[count[p]] + count[p]):
                along = (nodes[i] + 2 * cut + 1) / cuts[p] - 1
                place[at], derivative = _place(low[p], high[p], along, round)
                piece[at], weight[at] = p, derivative * (weights[i] / cuts[p])
                at += 1
    return piece, place, weight
