"""What a GPU's threads read of columns: those of all particles of a batch, one after the other.

The structures are those of ``chebyshev.cu``. Built on the host, where `msft.solvers.quadrature` and
`msft.solvers.projection` make the columns.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.backends.extents import depths_of_many, eliminations, owners
from msft.backends.moments import CLOSURE, further
from msft.solvers.projection import Projection
from msft.solvers.quadrature import ManyColumns
from msft.solvers.series import STEP, Series

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

EIGHT = 8
"""Orders are padded to a multiple of it: a thread sums so many along a row."""


class Batch(NamedTuple):
    """N particles of M columns in J rows together.

    Attributes
    ----------
    positions
        x of the columns, then y of the rows, in nm, shape (M + J,).
    start
        Where the columns of each row begin, and where the last ends, shape (J + 1,).
    particle_of_row
        Shape (J,).
    particles
        First row, rows, orders of the series, and orders at which the moments' equations are closed, (N, 4).
    depths
        Middle and half of the depths that light reaches, in nm, shape (N, 2).
    z_in, z_out, weight, densities
        Chords (C, M) in nm, areas (M,) in nm^2, and densities (N, C); empty where there are `moments`.
    factors
        Of the moments' elimination, complex128, shape (N, C, closed, 2).
    moments
        Instead of chords: (parts, orders / 4, M, 4).
    orders
        Of all, a multiple of `EIGHT`.
    """

    positions: FloatArray
    start: IntArray
    particle_of_row: IntArray
    particles: IntArray
    depths: FloatArray
    z_in: FloatArray
    z_out: FloatArray
    weight: FloatArray
    densities: FloatArray
    factors: NDArray[np.complex128]
    moments: NDArray[np.floating] | None
    orders: int


class Extents(NamedTuple):
    """What of N particles decides how much a GPU computes; all of shape (N,).

    Attributes
    ----------
    middle, half
        Of the depths that light reaches, in nm.
    orders, closed
        Of the series, and those at which the moments' equations are closed.
    columns, rows
        Numbers of them.
    """

    middle: FloatArray
    half: FloatArray
    orders: NDArray[np.int64]
    closed: NDArray[np.int64]
    columns: NDArray[np.int64]
    rows: NDArray[np.int64]

    def part(self, particles: slice) -> Extents:
        """Those of some particles."""
        return Extents._make([of_all[particles] for of_all in self])


Given = ManyColumns | list[Projection]
"""Particles as chords, or as moments on grids."""


def extents(given: Given, series: Series) -> Extents:
    """Of some particles; one that no light reaches has one order."""
    if isinstance(given, list):
        sizes = np.array([one.moments.shape for one in given]).reshape(-1, 3)
        middle, half = np.array([(one.middle, one.half) for one in given]).reshape(-1, 2).T
        orders, rows = sizes[:, 0], sizes[:, 1]
        return Extents(middle, half, orders, orders, rows * sizes[:, 2], rows)
    first, densities = given.first_column, _densities(given, series)
    found = depths_of_many(first, given.z_in, given.z_out, densities, series.deepest)
    lit = found[:, 1] > found[:, 0]
    low, high = np.where(lit[:, None], found, [-1.0, 1.0]).T
    half = (high - low) / 2
    needed = series.terms[np.ceil(half * series.largest_q_z / STEP).astype(np.int64)]
    orders = np.where(lit, needed, 1)
    strong = np.where(lit, further.py_func(complex(series.s) * half), 0).astype(np.int64)
    columns, rows = np.diff(first), np.diff(given.first_row)
    return Extents((low + high) / 2, half, orders, orders + CLOSURE + strong, columns, rows)


def padded(orders: int) -> int:
    """Orders that a kernel computes."""
    return -(-orders // EIGHT) * EIGHT


def batch_of_columns(given: ManyColumns, extents: Extents, series: Series) -> Batch:
    """Particles as chords, which are not copied."""
    densities = _densities(given, series)
    return Batch(
        positions=given.positions,
        start=given.start.astype(np.int32),
        z_in=given.z_in,
        z_out=given.z_out,
        weight=given.weight,
        densities=np.tile(densities, (len(given), 1)),
        factors=eliminations(complex(series.s) * extents.half, densities, extents.closed),
        moments=None,
        **_of_particles(given.first_row, extents),
    )


def batch_of_projections(given: list[Projection], extents: Extents, parts: int, real: str) -> Batch:
    """Particles as moments on grids: the real part of each and, if there are two, the imaginary one."""
    orders = padded(int(extents.orders.max()))
    moments = []
    for projection in given:
        flat = projection.moments.reshape(len(projection.moments), -1)
        piece = np.zeros((parts, orders, flat.shape[1]), real)
        piece[:, : len(flat)] = np.stack([flat.real, flat.imag][:parts])
        moments.append(piece.reshape(parts, orders // 4, 4, -1).swapaxes(2, 3))
    x = [np.tile(projection.x, len(projection.y)) for projection in given]
    lengths = np.concatenate([np.full(len(one.y), len(one.x)) for one in given])
    nothing = np.empty((0, 0))
    return Batch(
        positions=np.concatenate([*x, *(projection.y for projection in given)]),
        start=_firsts(lengths).astype(np.int32),
        z_in=nothing,
        z_out=nothing,
        weight=np.empty(0),
        densities=nothing,
        factors=np.empty((0, 0, 0, 2), np.complex128),
        moments=np.concatenate(moments, axis=2),
        **_of_particles(_firsts(extents.rows), extents),
    )


def _of_particles(first_row: NDArray[np.int64], extents: Extents) -> dict[str, Any]:
    particles = first_row[:-1], extents.rows, extents.orders, extents.closed
    return {
        "particle_of_row": owners(first_row),
        "particles": np.stack(particles, axis=1).astype(np.int32),
        "depths": np.stack([extents.middle, extents.half], axis=1),
        "orders": padded(int(extents.orders.max())),
    }


def _firsts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where what has some lengths begins, one after the other, and where the last ends."""
    return np.concatenate([[0], np.cumsum(lengths)])


def _densities(given: ManyColumns, series: Series) -> FloatArray:
    return np.broadcast_to(series.densities, len(given.z_in)).copy()
