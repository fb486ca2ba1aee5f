"""What a GPU's threads read of columns: those of all particles of a batch, one after the other.

The structures are those of ``chebyshev.cu``. Built on the host, where `msft.solvers.quadrature` and
`msft.solvers.projection` make the columns.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.backends.moments import CLOSURE, depths, elimination
from msft.solvers.projection import Projection
from msft.solvers.quadrature import Columns
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
    particle_of_column, particle_of_row
        Shapes (M,), (J,).
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
    particle_of_column: IntArray
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


class Extent(NamedTuple):
    """What of a particle decides how much a GPU computes.

    Attributes
    ----------
    middle, half
        Of the depths that light reaches, in nm.
    orders, closed
        Of the series, and those at which the moments' equations are closed.
    columns, rows
        Numbers of them.
    """

    middle: float
    half: float
    orders: int
    closed: int
    columns: int
    rows: int


def extent(given: Columns | Projection, series: Series) -> Extent:
    """Of one particle; one that no light reaches has one order."""
    if isinstance(given, Projection):
        orders, rows, columns = given.moments.shape
        return Extent(given.middle, given.half, orders, orders, rows * columns, rows)
    low, high = depths(given.z_in, given.z_out, _densities(given, series), series.deepest)
    sizes = len(given.x), len(given.y)
    if not high > low:
        return Extent(0.0, 1.0, 1, 1 + CLOSURE, *sizes)
    half = (high - low) / 2
    orders = int(series.terms[math.ceil(half * series.largest_q_z / STEP)])
    return Extent((low + high) / 2, half, orders, orders + CLOSURE + int(abs(series.s * half) / 10), *sizes)


def padded(orders: int) -> int:
    """Orders that a kernel computes."""
    return -(-orders // EIGHT) * EIGHT


def batch_of_columns(given: Sequence[Columns], extents: Sequence[Extent], series: Series) -> Batch:
    """Particles as chords; some may have more of them than others, whose further ones are empty."""
    most = max(len(columns.z_in) for columns in given)
    densities = np.broadcast_to(series.densities, most)
    longest = max(one.closed for one in extents)
    factors = np.zeros((len(given), len(densities), longest, 2), np.complex128)
    for one, rows in zip(extents, factors, strict=True):
        for density, row in zip(densities, rows, strict=True):
            row[: one.closed] = elimination(complex(series.s) * density * one.half, one.closed).T
    return _batch(
        extents,
        y=[columns.y for columns in given],
        start=[columns.start for columns in given],
        x=[columns.x for columns in given],
        z_in=_side_by_side([columns.z_in for columns in given], most),
        z_out=_side_by_side([columns.z_out for columns in given], most),
        weight=np.concatenate([columns.weight for columns in given]),
        densities=np.tile(densities, (len(given), 1)),
        factors=factors,
        moments=None,
    )


def batch_of_projections(
    given: Sequence[Projection], extents: Sequence[Extent], parts: int, real: str
) -> Batch:
    """Particles as moments on grids: the real part of each and, if there are two, the imaginary one."""
    orders = padded(max(one.orders for one in extents))
    moments = []
    for projection, one in zip(given, extents, strict=True):
        flat = projection.moments.reshape(one.orders, -1)
        piece = np.zeros((parts, orders, one.columns), real)
        piece[:, : one.orders] = np.stack([flat.real, flat.imag][:parts])
        moments.append(piece.reshape(parts, orders // 4, 4, -1).swapaxes(2, 3))
    nothing = np.empty((0, 0))
    return _batch(
        extents,
        y=[projection.y for projection in given],
        start=[len(projection.x) * np.arange(len(projection.y) + 1) for projection in given],
        x=[np.tile(projection.x, len(projection.y)) for projection in given],
        z_in=nothing,
        z_out=nothing,
        weight=np.empty(0),
        densities=nothing,
        factors=np.empty((0, 0, 0, 2), np.complex128),
        moments=np.concatenate(moments, axis=2),
    )


def _batch(
    extents: Sequence[Extent],
    y: list[FloatArray],
    start: list[NDArray[np.int64]],
    x: list[FloatArray],
    **others: Any,
) -> Batch:
    columns, rows = ([one.columns for one in extents], [one.rows for one in extents])
    first_column, first_row = (np.cumsum([0, *lengths]) for lengths in (columns, rows))
    starts = [begin + row[:-1] for begin, row in zip(first_column[:-1], start, strict=True)]
    numbers = np.arange(len(extents), dtype=np.int32)
    orders, closed = [one.orders for one in extents], [one.closed for one in extents]
    return Batch(
        positions=np.concatenate([*x, *y]),
        start=np.concatenate([*starts, first_column[-1:]]).astype(np.int32),
        particle_of_column=np.repeat(numbers, columns),
        particle_of_row=np.repeat(numbers, rows),
        particles=np.stack([first_row[:-1], rows, orders, closed], axis=1).astype(np.int32),
        depths=np.array([(one.middle, one.half) for one in extents]),
        orders=padded(max(orders)),
        **others,
    )


def _side_by_side(depths: list[FloatArray], most: int) -> FloatArray:
    ends = np.cumsum([each.shape[1] for each in depths])
    beside = np.zeros((most, ends[-1]))
    for each, end in zip(depths, ends, strict=True):
        beside[: len(each), end - each.shape[1] : end] = each
    return beside


def _densities(columns: Columns, series: Series) -> FloatArray:
    return np.broadcast_to(series.densities, len(columns.z_in)).copy()
