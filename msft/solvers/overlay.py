"""The projected meshes of convex polyhedra, on which the exact solver's exponents are linear.

What a mesh is, and how one is found, is in `msft.solvers.overlay_cells`. Here are those of many particles:
where they lie in memory, and how threads make them before they are needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from msft.bodies.polyhedron import ConvexPolyhedron
from msft.rotation import rotation_matrix
from msft.solvers.overlay_cells import build_all

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int32]

TOGETHER = 32
"""Meshes that a thread makes at a time: 0.6 ms of work at 18 us each (icosahedra, one core)."""

AHEAD = 2
"""Portions whose meshes are made before they are asked for: with one, threads would wait for its slowest."""


class Meshes(NamedTuple):
    """Meshes of N particles, one after the other.

    Attributes
    ----------
    points
        x, y, z, l in nm of each vertex, float64, shape (V, 4). The exponent at a vertex is
        -i (q_x x + q_y y) + i q_z z - s l.
    edges
        First and last vertex, the cell on the left and the one on the right (-1: none), by their numbers in
        their mesh, int32, shape (E, 4).
    cells
        Gradients dz/dx, dz/dy, dl/dx, dl/dy, the sign (+1 entry faces, -1 overlay cells) and how far in nm a
        corner lies from the first one at most, float64, shape (C, 6).
    loops
        Vertices of each cell, counter-clockwise, padded with -1, int32, shape (C, M).
    counts, starts
        Numbers of vertices, edges and cells of each mesh, and where its first ones are, int32, shape (N, 3).
    """

    points: FloatArray
    edges: IntArray
    cells: FloatArray
    loops: IntArray
    counts: IntArray
    starts: IntArray

    def only(self, particles: slice | NDArray[np.int64]) -> Meshes:
        """The meshes of some particles, in the arrays of all."""
        return self._replace(counts=self.counts[particles], starts=self.starts[particles])

    def one(self, particle: int) -> tuple[FloatArray, IntArray, FloatArray, IntArray]:
        """Points, edges, cells and loops of one mesh."""
        points, edges, cells = map(
            slice, self.starts[particle], self.starts[particle] + self.counts[particle]
        )
        return self.points[points], self.edges[edges], self.cells[cells], self.loops[cells]


def meshes(body: ConvexPolyhedron, radii: FloatArray, orientations: FloatArray) -> Meshes:
    """The meshes of particles with circumsphere radii (N,) in nm and unit quaternions (N, 4)."""
    with Ahead(body, radii, orientations) as ahead:
        return ahead.of(slice(0, len(radii)))


class Ahead:
    """Meshes of particles, portion by portion, while threads make those of the next ones.

    Parameters
    ----------
    body, radii, orientations
        As for `meshes`.
    """

    def __init__(self, body: ConvexPolyhedron, radii: FloatArray, orientations: FloatArray) -> None:
        self._given = body, radii, rotation_matrix(orientations)
        self._coming: deque[tuple[slice, Future[Meshes]]] = deque()
        self._threads = ThreadPoolExecutor(numba.get_num_threads())

    def __enter__(self) -> Ahead:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def of(self, rows: slice) -> Meshes:
        """The meshes of some particles: made already, if they follow those asked for before, as many."""
        body, radii, matrices = self._given
        size, count = rows.stop - rows.start, len(radii)
        if count <= TOGETHER:
            return _made(body, radii[rows], matrices[rows])
        if not self._coming or self._coming[0][0] != rows:
            self._coming.clear()
            self._begin(rows)
        while len(self._coming) <= AHEAD and (start := self._coming[-1][0].stop) < count:
            self._begin(slice(start, min(start + size, count)))
        return self._coming.popleft()[1].result()

    def _begin(self, rows: slice) -> None:
        body, radii, matrices = self._given
        parts = [slice(i, min(i + TOGETHER, rows.stop)) for i in range(rows.start, rows.stop, TOGETHER)]
        made = [self._threads.submit(_made, body, radii[part], matrices[part]) for part in parts]
        # begun after all of its parts, so that one thread is enough
        self._coming.append((rows, self._threads.submit(_joined, made)))


def _made(body: ConvexPolyhedron, radii: FloatArray, matrices: FloatArray) -> Meshes:
    """`meshes` of particles with rotation matrices (N, 3, 3), by the thread that asks for them."""
    faces, corners = body.faces.shape
    most_cells = faces + faces * faces // 4
    most_points = 3 * most_cells + len(body.vertices)
    count = len(radii)
    points = np.empty((count * most_points, 4))
    edges = np.empty((count * (most_points + most_cells), 4), dtype=np.int32)
    cells = np.empty((count * most_cells, 6))
    loops = np.empty((count * most_cells, 2 * corners), dtype=np.int32)
    counts = np.zeros((count, 3), dtype=np.int32)
    shape = body.vertices, body.faces, body.normals, body.offsets
    build_all(*shape, radii, matrices, points, edges, cells, loops, counts)
    n_points, n_edges, n_cells = counts.sum(axis=0)
    return Meshes(
        points[:n_points], edges[:n_edges], cells[:n_cells], loops[:n_cells], counts, _starts(counts)
    )


def _joined(parts: Sequence[Future[Meshes]]) -> Meshes:
    made = (part.result() for part in parts)
    points, edges, cells, loops, counts, _ = map(np.concatenate, zip(*made, strict=True))
    return Meshes(points, edges, cells, loops, counts, _starts(counts))


def _starts(counts: IntArray) -> IntArray:
    return np.cumsum(counts, axis=0, dtype=np.int32) - counts
