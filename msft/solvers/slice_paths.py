"""The path through material in each slice of a particle, on the lateral grid of its propagation.

Slice j stands at the depth z_j = j dz and gathers the material between its neighbours, with a weight that
falls to 0 at theirs:

    l_j(x, y) = integral over z of rho(x, y, z) max(0, 1 - |z - z_j| / dz).

All slices of a column sum up to the path through it. With rho(q, q_z) the transform of the body,
K = 2 pi / dz and sinc x = sin x / x, what they make of it is, by Poisson's sum,

    sum over j of l_j(q) e^{i q_z z_j} = sum over m of rho(q, q_z + m K) sinc^2((q_z + m K) dz / 2).

The term m = 0 is the answer times a known factor, which is divided out (`response`). The others are what
the slices confuse with it, at large angles where q_z comes near K / 2; a box in place of the triangle has
the sinc without the square, and confuses more. Laterally it is the same with the Lanczos filter that takes
the chords to the grid.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from msft.bodies import Body, ChordedBody, Voxels
from msft.rotation import rotation_matrix
from msft.solvers.propagation_grid import BLOCK, LOBES, PropagationGrid

FloatArray = NDArray[np.float64]
Array = Any
"""An array of the back end."""

FINER = 4
"""Chords per grid point and axis, from which the slices are filtered."""

STEP = FINER * BLOCK
REACH = FINER * (BLOCK + 2 * LOBES)
"""Chords from one block to the next, and those that a block is made of."""


class SlicePath(NamedTuple):
    """A slice: the rows and columns of the grid that have material, and its path there in nm, (N, r, c)."""

    rows: slice
    columns: slice
    path: Array


def slice_paths(
    body: Body,
    radii: FloatArray,
    orientations: FloatArray,
    grid: PropagationGrid,
    xp: ModuleType,
    dtype: str,
) -> Iterator[SlicePath | None]:
    """The slices of N particles, in the beam's order; None for a slice without material.

    Chords and densities are sampled on the host, the chords once for all slices; what follows is done by the
    back end.

    Parameters
    ----------
    body, radii, orientations
        The particles: a body, circumsphere radii (N,) in nm and unit quaternions (N, 4).
    grid
        Lateral grid and slices.
    xp, dtype
        Namespace of the back end, and float32 or float64.
    """
    radius = float(radii.max())
    count = REACH - STEP + STEP * grid.blocks(radius)
    centres = grid.spacing * ((np.arange(count) + 0.5) / FINER - 0.5 - LOBES - grid.half_width(radius))
    particles = list(zip(rotation_matrix(orientations), radii, strict=True))
    if isinstance(body, ChordedBody):
        return _of_chords(body, particles, centres, grid, xp, dtype)
    assert isinstance(body, Voxels)
    return _of_voxels(body, particles, centres, grid, xp, dtype)


def response(grid: PropagationGrid, axis: FloatArray, q_z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the slices make of a body's transform at q_x or q_y on an axis (n,), and at q_z (P,), in nm^-1.

    Factors of the term m = 0: of each lateral axis, and of the beam's.
    """
    lateral = _lanczos()[0] @ np.cos(np.outer(grid.spacing * _distances()[0], axis))
    return lateral, np.sinc(q_z * grid.thickness / (2 * math.pi)) ** 2


def _of_chords(
    body: ChordedBody,
    particles: list[tuple[FloatArray, float]],
    centres: FloatArray,
    grid: PropagationGrid,
    xp: ModuleType,
    dtype: str,
) -> Iterator[SlicePath | None]:
    def depths(particle: tuple[FloatArray, float]) -> list[NDArray[Any]]:
        """Where chords begin and end, in slices."""
        found = body.chords(centres[None, :], centres[:, None], *particle)
        return [(depth / grid.thickness).astype(dtype) for depth in found]

    # those of a batch in threads: a device waits for nothing else; alone, a particle is in a thread already
    with ThreadPoolExecutor() if len(particles) > 1 else nullcontext() as pool:
        ends = list(pool.map(depths, particles) if pool else map(depths, particles))
    z_in, z_out = (np.stack(one) for one in zip(*ends, strict=True))
    missed = z_out <= z_in
    z_in[missed] = z_out[missed] = math.inf
    by_row, by_column = _Extent.of(z_in, z_out, missed, 2), _Extent.of(z_in, z_out, missed, 3)
    enter, leave = xp.asarray(z_in), xp.asarray(z_out)
    densities = xp.asarray(np.array(body.densities, dtype=dtype)[:, None, None])
    alike = z_in.shape[1] == 1 and body.densities == (1.0,)
    taps = xp.asarray(_lanczos().astype(dtype))
    deepest = grid.deepest(max(radius for _, radius in particles))
    for index in range(-deepest, deepest + 1):
        rows, columns = by_row.blocks(index), by_column.blocks(index)
        if rows is None or columns is None:
            yield None
            continue
        part = (..., _chords_of(rows), _chords_of(columns))
        share = _share(leave[part] - index, xp)
        share -= _share(enter[part] - index, xp)
        share = share[:, 0] if alike else (densities * share).sum(axis=1)
        path = grid.thickness * _filtered(share, taps, xp)
        yield SlicePath(_points_of(rows), _points_of(columns), path)


def _share(depth: Array, xp: ModuleType) -> Array:
    """Weight of a slice above a depth, in slices from it, less the half that lies above the slice itself."""
    depth = xp.clip(depth, -1, 1, out=depth)
    weight = xp.abs(depth)
    weight *= -0.5
    weight += 1
    weight *= depth
    return weight


class _Extent(NamedTuple):
    """Depths in slices between which each block of points has material."""

    first: FloatArray
    last: FloatArray

    @classmethod
    def of(cls, z_in: NDArray[Any], z_out: NDArray[Any], missed: NDArray[np.bool_], axis: int) -> _Extent:
        """Over the chords that a block along an axis is made of."""
        others = tuple(other for other in range(4) if other != axis)
        last = np.where(missed, -math.inf, z_out).max(axis=others)
        return cls(
            sliding_window_view(z_in.min(axis=others), REACH)[::STEP].min(axis=-1),
            sliding_window_view(last, REACH)[::STEP].max(axis=-1),
        )

    def blocks(self, index: int) -> slice | None:
        """The blocks from the first to the last that reach a slice."""
        touched = np.flatnonzero((self.first < index + 1) & (self.last > index - 1))
        return slice(int(touched[0]), int(touched[-1]) + 1) if touched.size else None


def _chords_of(blocks: slice) -> slice:
    return slice(blocks.start * STEP, (blocks.stop - 1) * STEP + REACH)


def _points_of(blocks: slice) -> slice:
    return slice(blocks.start * BLOCK, blocks.stop * BLOCK)


def _of_voxels(
    body: Voxels,
    particles: list[tuple[FloatArray, float]],
    centres: FloatArray,
    grid: PropagationGrid,
    xp: ModuleType,
    dtype: str,
) -> Iterator[SlicePath]:
    radii = [radius for _, radius in particles]
    taps = xp.asarray(_lanczos().astype(dtype))
    everywhere = _points_of(slice(0, grid.blocks(max(radii))))
    # as dense as the voxels lie
    count = math.ceil(grid.thickness / (min(body.edges) * min(radii)))
    within = (np.arange(count) + 0.5) / count
    weights = np.stack([1 - within, within]) / count
    deepest = grid.deepest(max(radii))
    before: Any = 0.0
    for index in range(-deepest, deepest + 1):
        depths = grid.thickness * (index + within)
        layers = [body.density(centres, centres, depths, *particle) for particle in particles]
        # what lies between two slices is shared by them
        here, after = np.einsum("wz,nzyx->wnyx", weights, np.stack(layers)).astype(dtype)
        path = grid.thickness * _filtered(xp.asarray(before + here), taps, xp)
        yield SlicePath(everywhere, everywhere, path)
        before = after


def _distances() -> FloatArray:
    """From `BLOCK` points to the chords within their reach, in points, shape (points, chords)."""
    chords = (np.arange(REACH) + 0.5) / FINER - 0.5 - LOBES
    return np.asarray(chords - np.arange(BLOCK)[:, None])


@lru_cache(maxsize=1)
def _lanczos() -> FloatArray:
    """Filter from chords to `BLOCK` points, shape (points, chords)."""
    distance = _distances()
    taps = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    return np.asarray(taps / taps[0].sum())


def _filtered(chords: Array, taps: Array, xp: ModuleType) -> Array:
    """Slices (N, F, G) on the chords' grid, filtered to the points' grid.

    The filter is the same at every point, so that blocks of points share one small matrix.
    """
    count, fine, wide = chords.shape
    down, right = (fine - REACH) // STEP + 1, (wide - REACH) // STEP + 1
    window = xp.lib.stride_tricks.as_strided
    first, row, one = chords.strides
    rows = taps @ window(chords, (count, down, REACH, wide), (first, STEP * row, row, one))
    rows = rows.reshape(count, down * BLOCK, wide)
    first, row, one = rows.strides
    across = window(rows, (count, right, down * BLOCK, REACH), (first, STEP * one, row, one)) @ taps.T
    return across.transpose(0, 2, 1, 3).reshape(count, down * BLOCK, right * BLOCK)
