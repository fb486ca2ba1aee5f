"""Columns on which the lateral integral of a body's chords converges as fast as that of an analytic function.

Between a body's creases (`msft.bodies.creases`) the chords are analytic in (x, y). The lateral plane is cut
into rows between the heights where a crease begins or ends, and each row between its crossings with the
creases; every piece gets Gauss-Legendre points. Where a curved surface turns out of sight the chord has a
square root, which the sine of the point's place in the piece takes away. `msft.solvers.gauss` says how many
points a piece gets.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.bodies import ChordedBody
from msft.bodies.creases import Creases
from msft.solvers.gauss import place, points
from msft.solvers.series import Series

FloatArray = NDArray[np.float64]

_SAMPLES = {True: 0.98 * np.array([-1.0, -0.5, 0.0, 0.5, 1.0]), False: 0.98 * np.array([-1.0, 1.0])}
"""Places in a piece where its phase is measured, with curved surfaces and without: not at its very ends,
where rounding may miss the body."""

SHORT = 1e-7
"""Pieces shorter than this fraction of the circumsphere radius are empty."""


class Columns(NamedTuple):
    """Points of a quadrature over the lateral plane, in rows.

    Attributes
    ----------
    y
        Of the J rows in nm, shape (J,).
    start
        Where the points of each row begin, and where the last ends, int64, shape (J + 1,).
    x, weight
        Of the M points: position in nm, and area in nm^2, shape (M,).
    z_in, z_out
        Chords of the points in nm, shape (C, M); see `ChordedBody.chords`.
    """

    y: FloatArray
    start: NDArray[np.int64]
    x: FloatArray
    weight: FloatArray
    z_in: FloatArray
    z_out: FloatArray


class Rates(NamedTuple):
    """By how much the integrand changes per nm, at most.

    Attributes
    ----------
    lateral, axial
        Its phase across and along the beam.
    attenuation
        Its logarithm along the path through material.
    absorption
        The logarithm of its modulus along the path through the full material.
    """

    lateral: float
    axial: float
    attenuation: float
    absorption: float = 0.0

    @classmethod
    def of(cls, series: Series) -> Rates:
        """Of all pixels."""
        attenuation = abs(series.s) * float(series.densities.max())
        return cls(series.largest_q, series.largest_q_z, attenuation, series.s.real)


Chords = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From x and y to z_in and z_out, shape (2, C, ...), whole and as far as there is light."""


def columns(body: ChordedBody, radius: float, rotation: FloatArray, rates: Rates, accuracy: float) -> Columns:
    """The columns that integrate a particle.

    Parameters
    ----------
    body, radius, rotation
        A body, its circumsphere radius in nm, and R(q), shape (3, 3).
    rates
        Of the integrand.
    accuracy
        Of each piece, relative to the integrand's modulus.
    """
    creases = body.creases(rotation[2]).turned(rotation, radius)
    # q_z is largest at 90 degrees alone, where patterns are darkest
    rates = rates._replace(axial=_part(0.85, accuracy) * rates.axial)

    def chords(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        ends = np.array(body.chords(x, y, rotation, radius))
        if not (creases.round and rates.absorption > 0):
            return ends, ends
        # behind where the wave has fallen to the root of the accuracy, depths count little, by the tests
        return ends, _seen(ends, body.densities, -math.log(accuracy) / (2 * rates.absorption))

    if len(creases.centre) == 0:
        nowhere = np.empty(0)
        return Columns(nowhere, np.zeros(1, np.int64), nowhere, nowhere, *np.empty((2, 1, 0)))
    y, height = _rows(chords, creases, radius, rates, accuracy)
    row, low, high = _pieces(creases, y, radius)
    x, _ = place(low[:, None], high[:, None], creases.round, _SAMPLES[creases.round])
    turn, decay = _along(chords, rates, x, np.broadcast_to(y[row, None], x.shape), creases.round)
    # the derivative of a sine, and a chord that ends there, turn by half a circle
    phase = _together(turn, decay, creases.round, accuracy).max(axis=-1, initial=0.0) + np.pi * creases.round
    piece, along, share = points(phase, (high - low) / (2 * radius), accuracy)
    x, weight = place(low[piece], high[piece], creases.round, along)
    row = row[piece]
    z_in, z_out = body.chords(x, y[row], rotation, radius)
    start = np.searchsorted(row, np.arange(len(y) + 1))
    return Columns(y, start, x, weight * share * height[row], z_in, z_out)


def _crossings(creases: Creases, y: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Where rows y (J,) meet the creases: x and z, and whether they meet, each (2, C, J).

    A row beyond a crease meets its end.
    """
    centre, cosine, sine = (v[:, :, None] for v in (creases.centre, creases.cosine, creases.sine))
    reach = np.hypot(cosine[:, 1], sine[:, 1])
    flat = reach < SHORT * reach.max(initial=0.0)  # along the row: its middle
    unit = np.where(flat, 1.0, reach)
    w = (y - centre[:, 1]) / unit
    met = (np.abs(w) <= 1) & ~flat
    w = np.clip(w, -1, 1)
    other = np.sqrt(1 - w * w)
    # cos t and sin t of the two crossings
    c_y, s_y = cosine[:, 1] / unit, sine[:, 1] / unit
    cos_t = np.stack([w * c_y - other * s_y, w * c_y + other * s_y])
    sin_t = np.stack([w * s_y + other * c_y, w * s_y - other * c_y])
    x, z = (centre[:, i] + cosine[:, i] * cos_t + sine[:, i] * sin_t for i in (0, 2))
    return x, z, met & (cos_t >= creases.least[:, None])


def _rows(
    chords: Chords, creases: Creases, radius: float, rates: Rates, accuracy: float
) -> tuple[FloatArray, FloatArray]:
    """Positions of the rows and their weights in nm, both (J,)."""
    breaks = np.sort(np.concatenate([creases.heights(), creases.overlaps()[:, 1]]))
    long = np.diff(breaks) > SHORT * radius
    low, high = breaks[:-1][long], breaks[1:][long]
    y, _ = place(low[:, None], high[:, None], creases.round, _SAMPLES[creases.round])
    x, z, met = _crossings(creases, y.ravel())
    seen = met.reshape(*met.shape[:-1], *y.shape).any(axis=-1, keepdims=True)
    across = np.hypot(*(_slopes(v.reshape(*v.shape[:-1], *y.shape), creases.round) for v in (x, y.ravel())))
    across, slope = seen * across, seen * _slopes(z.reshape(*z.shape[:-1], *y.shape), creases.round)
    turn = (rates.lateral * across + rates.axial * np.abs(slope)).max(axis=0)
    decay = rates.attenuation * np.maximum(slope.max(axis=0), 0.0)
    if creases.round:
        # surfaces may be steeper than the curves around them: the side of a cylinder seen along its axis
        breaks = _breaks(x, met)
        middle = ((breaks[:, 1:] + breaks[:, :-1]) / 2).T.reshape(-1, *y.shape)
        within, decay = _along(chords, rates, middle, np.broadcast_to(y, middle.shape), True)
        turn, decay = np.concatenate([turn, within]), decay.max(axis=0)
    phase = _together(turn, decay, creases.round, accuracy).max(axis=(0, 2), initial=0.0)
    phase += 1.5 * np.pi * creases.round
    part = ((high - low) / (2 * radius)) ** (1 if creases.round else 2)
    piece, along, share = points(phase, part, accuracy)
    y, weight = place(low[piece], high[piece], creases.round, along)
    return y, weight * share


def _slopes(values: FloatArray, round: bool) -> FloatArray:
    """Differences of values at the samples of a piece, along its last axis, for half of the piece."""
    return np.asarray(np.diff(values) * (len(_SAMPLES[round]) - 1) / 2)


def _together(turn: FloatArray, decay: FloatArray, round: bool, accuracy: float) -> FloatArray:
    """The phase that stands for what happens over half a piece.

    The largest turn is that of the darkest pixels and in few places, and curved surfaces send them little.
    """
    if not round:
        return np.asarray(np.hypot(turn, decay))
    return np.asarray(_part(0.98, accuracy) * (turn + np.minimum(decay, 4 * np.sqrt(decay))))


def _part(of_phase: float, accuracy: float) -> float:
    """What is enough of a phase: by the tests, `of_phase` for an accuracy of 1e-4 of the pieces.

    More than the whole, since differences of samples miss up to a tenth of the largest rate.
    """
    return min(1.1, of_phase - 0.06 * math.log10(accuracy / 1e-4))


def _breaks(x: FloatArray, met: NDArray[np.bool_]) -> FloatArray:
    """Crossings (2, C, J) of each row in their order, (J, 2 C); where there are no more, the last again."""
    last = np.where(met, x, -np.inf).max(axis=(0, 1), initial=-np.inf)
    x = np.where(met, x, np.where(np.isfinite(last), last, 0.0))
    return np.sort(x.reshape(-1, x.shape[-1]).T, axis=1)


def _pieces(
    creases: Creases, y: FloatArray, radius: float
) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Pieces of all rows: their rows, and both ends in nm, each (P,)."""
    x, _, met = _crossings(creases, y)
    breaks = _breaks(x, met)
    row, i = np.nonzero(np.diff(breaks, axis=1) > SHORT * radius)
    return row, breaks[row, i], breaks[row, i + 1]


def _along(
    chords: Chords, rates: Rates, x: FloatArray, y: FloatArray, round: bool
) -> tuple[FloatArray, FloatArray]:
    """By how much the integrand turns and decays over half of pieces along lines (..., samples)."""
    ends, seen = chords(x, y)
    met = (seen[1] > seen[0]).all(axis=-1, keepdims=True)
    depth = (np.abs(_slopes(seen, round)) * met).max(axis=(0, 1), initial=0.0)
    met = (ends[1] > ends[0]).all(axis=-1, keepdims=True)
    path = np.abs(_slopes(np.where(met, ends[1] - ends[0], 0.0).sum(axis=0), round))
    across = np.hypot(_slopes(x, round), _slopes(y, round))
    return rates.lateral * across + rates.axial * depth, rates.attenuation * path


def _seen(ends: FloatArray, densities: tuple[float, ...], deepest: float) -> FloatArray:
    """Chords (2, C, ...) as far as the path through the full material is not deeper."""
    ends = ends.copy()
    left = np.full(ends.shape[2:], deepest)
    for chord, density in zip(range(ends.shape[1]), itertools.cycle(densities), strict=False):
        z_in, z_out = ends[:, chord]
        path = density * np.maximum(z_out - z_in, 0.0)
        np.copyto(z_out, z_in + left / density if density else z_out, where=path > left)
        left = np.maximum(left - path, 0.0)
    return ends
