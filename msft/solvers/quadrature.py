"""Columns on which the lateral integral of a body's chords converges as fast as that of an analytic function.

Between a body's creases (`msft.bodies.creases`) the chords are analytic in (x, y). The lateral plane is cut
into rows between the heights where a crease begins or ends, and each row between its crossings with the
creases; every piece gets Gauss-Legendre points. Where a curved surface turns out of sight the chord has a
square root, which the sine of the point's place in the piece takes away. `msft.solvers.gauss` says how many
points a piece gets, and `msft.backends.columns` is all of it compiled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.backends import columns as compiled
from msft.backends.columns import MOST_COLUMNS, Demands
from msft.bodies import ChordedBody
from msft.errors import ParameterError
from msft.solvers.gauss import counts, rules
from msft.solvers.series import Series

FloatArray = NDArray[np.float64]


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


@dataclass(frozen=True)
class ManyColumns:
    """Columns of N particles, M in J rows in all, one particle after the other.

    Attributes
    ----------
    positions
        x of the columns, then y of the rows, in nm, shape (M + J,).
    start
        Where the columns of each row begin, and where the last ends, int64, shape (J + 1,).
    first_row
        Of each particle, and where the last one's end, int64, shape (N + 1,).
    weight, z_in, z_out
        As those of `Columns`; particles may have fewer chords than others, whose further ones are empty.
    """

    positions: FloatArray
    start: NDArray[np.int64]
    first_row: NDArray[np.int64]
    weight: FloatArray
    z_in: FloatArray
    z_out: FloatArray

    def __len__(self) -> int:
        return len(self.first_row) - 1

    def __iter__(self) -> Iterator[Columns]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, particle: int) -> Columns:
        one = self.part(slice(particle, particle + 1))
        x, y = np.split(one.positions, [len(one.weight)])
        return Columns(y, one.start, x, one.weight, one.z_in, one.z_out)

    @property
    def first_column(self) -> NDArray[np.int64]:
        """Of each particle, and where the last one's end, shape (N + 1,)."""
        return self.start[self.first_row]

    def part(self, particles: slice) -> ManyColumns:
        """Those of particles that follow each other; of all of them, without a copy."""
        begin, end, _ = particles.indices(len(self))
        if (begin, end) == (0, len(self)):
            return self
        first_row = self.first_row[begin : end + 1]
        rows = slice(first_row[0], first_row[-1])
        start = self.start[rows.start : rows.stop + 1]
        columns, y = slice(start[0], start[-1]), self.positions[len(self.weight) :]
        return ManyColumns(
            np.concatenate([self.positions[columns], y[rows]]), start - start[0], first_row - first_row[0],
            *(np.ascontiguousarray(array[..., columns]) for array in (self.weight, self.z_in, self.z_out)),
        )  # fmt: skip

    @classmethod
    def of(cls, one: Columns) -> ManyColumns:
        """One particle."""
        first_row = np.array([0, len(one.y)])
        return cls(
            np.concatenate([one.x, one.y]), one.start, first_row, one.weight, one.z_in, one.z_out
        )  # fmt: skip


class Rates(NamedTuple):
    """By how much the integrand changes per nm, at most.

    Attributes
    ----------
    lateral, axial
        Its phase across and along the beam.
    attenuation
        The logarithm of its modulus along the path through material.
    absorption
        The same through the full material.
    refraction
        Its phase along the path through material.
    """

    lateral: float
    axial: float
    attenuation: float
    absorption: float = 0.0
    refraction: float = 0.0

    @classmethod
    def of(cls, series: Series) -> Rates:
        """Of all pixels."""
        s, densest = series.s, float(series.densities.max())
        refraction = abs(s.imag) * densest
        return cls(series.largest_q, series.largest_q_z, s.real * densest, s.real, refraction)


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
    return columns_of_many([body], np.array([radius]), rotation[None], rates, accuracy)[0]


def columns_of_many(
    bodies: Sequence[ChordedBody], radii: FloatArray, rotations: FloatArray, rates: Rates, accuracy: float
) -> ManyColumns:
    """The same of N particles whose chords have the same densities, in one call that holds no lock.

    Parameters
    ----------
    bodies, radii, rotations
        Lengths N, (N,) and (N, 3, 3); one or more.
    rates, accuracy
        As for `columns`.

    Raises
    ------
    ParameterError
        If those of one particle are too many.
    """
    different = {id(body): body.numbers for body in bodies}
    places = np.cumsum([0, *map(len, different.values())])
    begin = dict(zip(different, places.tolist(), strict=False))
    most, *found = compiled.columns_of_many(
        np.concatenate(list(different.values())),
        np.array([begin[id(body)] for body in bodies]),
        np.ascontiguousarray(rotations),
        np.asarray(radii, np.float64),
        np.array(bodies[0].densities),
        _demands(rates, accuracy),
    )
    if most > MOST_COLUMNS:
        allowed = f"an accuracy and a radius that take at most {MOST_COLUMNS:.0e} columns"
        raise ParameterError("accuracy", f"{most:.0e} columns", allowed)
    return ManyColumns(*found)


OPAQUE = 9e-5
"""Accuracy of columns below which absorption hides in no particle what edges that cross do."""


@lru_cache(maxsize=32)
def _demands(rates: Rates, accuracy: float) -> Demands:
    # q_z is largest at 90 degrees alone, where patterns are darkest
    axial = _part(0.85, accuracy) * rates.axial
    # behind where the wave has fallen to the root of the accuracy, depths count little, by the tests
    dark = -math.log(accuracy) / (2 * rates.absorption) if rates.absorption > 0 else math.inf
    turns = rates.lateral, axial, rates.attenuation, rates.refraction
    # what is refracted, or asked for in more digits, is never that dark; without a path there is no product
    opaque = 1 / rates.attenuation if rates.attenuation > 0 else 0.0
    if rates.refraction > 0 or (opaque and accuracy < OPAQUE):
        opaque = math.inf
    return Demands(turns, dark, opaque, _part(0.98, accuracy), counts(accuracy), rules())


def _part(of_phase: float, accuracy: float) -> float:
    """What is enough of a phase: by the tests, `of_phase` for an accuracy of 1e-4 of the pieces.

    More than the whole, since differences of samples miss up to a tenth of the largest rate.
    """
    return min(1.1, of_phase - 0.06 * math.log10(accuracy / 1e-4))
