"""Columns on which the lateral integral of a body's chords converges as fast as that of an analytic function.

Between a body's creases (`msft.bodies.creases`) the chords are analytic in (x, y). The lateral plane is cut
into rows between the heights where a crease begins or ends, and each row between its crossings with the
creases; every piece gets Gauss-Legendre points. Where a curved surface turns out of sight the chord has a
square root, which the sine of the point's place in the piece takes away. `msft.solvers.gauss` says how many
points a piece gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.backends import pieces as compiled
from msft.bodies import ChordedBody
from msft.bodies.creases import Creases
from msft.solvers.gauss import points
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

    Raises
    ------
    ParameterError
        If they are too many.
    """
    creases = body.creases(rotation[2]).turned(rotation, radius)
    # q_z is largest at 90 degrees alone, where patterns are darkest
    rates = rates._replace(axial=_part(0.85, accuracy) * rates.axial)
    # behind where the wave has fallen to the root of the accuracy, depths count little, by the tests
    dark = -math.log(accuracy) / (2 * rates.absorption) if rates.absorption > 0 else math.inf
    deepest = dark if creases.round else math.inf

    def along(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        ends = np.array(body.chords(x, y, rotation, radius))
        densities = np.resize(np.array(body.densities), ends.shape[1])
        found: tuple[FloatArray, FloatArray] = compiled.along_lines(ends, x, y, densities, deepest, rates[:3])
        return found

    if len(creases.centre) == 0:
        nowhere = np.empty(0)
        return Columns(nowhere, np.zeros(1, np.int64), nowhere, nowhere, *np.empty((2, 1, 0)))
    y, height = _rows(along, creases, radius, rates, accuracy)
    row, low, high = compiled.pieces(y, creases.curves, SHORT, SHORT * radius)
    x = compiled.sampled(low, high, creases.round, _SAMPLES[creases.round])
    # the derivative of a sine, and a chord that ends there, turn by half a circle
    phase = _together(*along(x, y[row, None]), creases.round, accuracy).max(axis=-1) + np.pi * creases.round
    piece, x, weight = points(low, high, phase, (high - low) / (2 * radius), creases.round, accuracy)
    row = row[piece]
    z_in, z_out = body.chords(x, y[row], rotation, radius)
    return Columns(y, np.searchsorted(row, np.arange(len(y) + 1)), x, weight * height[row], z_in, z_out)


Along = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]
"""From the samples of pieces to `pieces.along_lines`."""


def _rows(
    along: Along, creases: Creases, radius: float, rates: Rates, accuracy: float
) -> tuple[FloatArray, FloatArray]:
    """Positions of the rows and their weights in nm, both (J,)."""
    breaks = np.sort(np.concatenate([creases.heights(), creases.overlaps()[:, 1]]))
    long = np.diff(breaks) > SHORT * radius
    low, high = breaks[:-1][long], breaks[1:][long]
    y = compiled.sampled(low, high, creases.round, _SAMPLES[creases.round])
    phase = compiled.along_creases(y, creases.curves, SHORT, rates[:3], creases.round)
    if creases.round:
        # surfaces may be steeper than the curves around them: the side of a cylinder seen along its axis
        x = compiled.middles(y, creases.curves, SHORT)
        lines = x.reshape(-1, x.shape[-1]), np.tile(y, (len(x), 1))
        turn, decay = (found.reshape(len(x), *phase.shape).max(axis=0) for found in along(*lines))
        phase = _together(np.maximum(phase, turn), decay, True, accuracy)
    phase = phase.max(axis=1) + 1.5 * np.pi * creases.round
    part = ((high - low) / (2 * radius)) ** (1 if creases.round else 2)
    _, y, weight = points(low, high, phase, part, creases.round, accuracy)
    return y, weight


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
