"""By how much the integrand turns along the beam's chords over half of a piece, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.chords import chords, most_chords
from msft.bodies.shape import COMPILED

REFRACTION = 3
"""Place of that one among the rates."""


@numba.njit(**COMPILED)
def along_lines(x, y, line, rates):  # type: ignore[no-untyped-def]
    """Turn and decay between neighbouring samples (P, S) of pieces; see `_along_chords`.

    `line` is a packed shape, its rotation and radius, and the densities and the depth of `_along_chords`.
    """
    numbers, rotation, radius, densities, deepest = line
    sizes = most_chords(numbers), x.size
    z_in, z_out = np.empty(sizes), np.empty(sizes)
    chords(numbers, x.ravel(), y.ravel(), rotation, radius, z_in, z_out, 0)
    ends = sizes[0], x.shape[0], x.shape[1]
    return _along_chords(z_in.reshape(ends), z_out.reshape(ends), x, y, densities, deepest, rates)


@numba.njit(**COMPILED)
def _along_chords(z_in, z_out, x, y, densities, deepest, rates):  # type: ignore[no-untyped-def]
    """By how much the integrand turns and decays over half of pieces, each sampled S times.

    Parameters
    ----------
    z_in, z_out
        Chords at the samples, both (C, P, S).
    x, y
        Positions of the samples, both (P, S).
    densities
        Of the chords, or one for all.
    deepest
        Path through the full material behind which depths count little.
    rates
        Lateral, axial, attenuation, refraction.

    Returns
    -------
    Turns and decays between neighbouring samples, both (P, S - 1).
    """
    chords, count, samples = z_in.shape
    lateral, axial, attenuation, refraction = rates
    turn, decay = np.zeros((count, samples - 1)), np.zeros((count, samples - 1))
    path, seen, left = np.empty(samples), np.empty(samples), np.empty(samples)
    for p in range(count):
        path[:], left[:] = 0.0, deepest
        for c in range(chords):
            enters, leaves = z_in[c, p], z_out[c, p]
            density, lit, met = densities[c % len(densities)], True, True
            for s in range(samples):
                # as far as the light is bright enough
                length = leaves[s] - enters[s]
                dark = density * max(length, 0.0) > left[s]
                seen[s] = enters[s] + left[s] / density if dark else leaves[s]
                left[s] = max(left[s] - density * max(length, 0.0), 0.0)
                lit, met = lit and seen[s] > enters[s], met and length > 0
            if met:
                for s in range(samples):  # an array of the differences would take longer
                    path[s] += leaves[s] - enters[s]
            if lit:
                for s in range(samples - 1):
                    steepest = max(abs(seen[s + 1] - seen[s]), abs(enters[s + 1] - enters[s]))
                    turn[p, s] = max(turn[p, s], axial * steepest)
        for s in range(samples - 1):
            rise = y[p, s + 1] - y[p, s]
            half = (samples - 1) / 2
            longer = abs(path[s + 1] - path[s])
            across = lateral * math.hypot(x[p, s + 1] - x[p, s], rise)
            turn[p, s] = half * (turn[p, s] + across + refraction * longer)
            decay[p, s] = half * attenuation * longer
    return turn, decay


@numba.njit(**COMPILED)
def together(turn, decay, round, part):  # type: ignore[no-untyped-def]
    """The phase that stands for what happens over half a piece.

    The largest turn is that of the darkest pixels and in few places, and curved surfaces send them little:
    `part` of it is enough.
    """
    if not round:
        return math.hypot(turn, decay)
    return part * (turn + min(decay, 4 * math.sqrt(decay)))
