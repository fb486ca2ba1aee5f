"""The projected mesh of a convex polyhedron on which the exact solver's exponents are linear.

Seen along the beam, a convex polyhedron shows its entry faces, and behind them its exit faces. Where the
beam enters, z_in is linear on each entry face; where it leaves, z_out and the path l = z_out - z_in are
linear on each cell of the overlay of both. The mesh holds the entry faces and those cells, with their
vertices and edges shared. Compiled by numba, without which a mesh would cost more than a pattern.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from msft.bodies.lines import GRAZING
from msft.bodies.polyhedron import ConvexPolyhedron
from msft.rotation import rotation_matrix

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

MERGE = 1e-9
"""Vertices closer than this fraction of the radius are one."""

SLIVER = 1e-13
"""Cells smaller than this fraction of the squared radius are rounding errors of the clipping."""

FEWEST = 16
"""Meshes that a thread of its own is started for: 0.7 ms of work at 43 us each (icosahedra, one core)."""


class Meshes(NamedTuple):
    """Meshes of N particles, padded to the largest.

    Attributes
    ----------
    points
        x, y, z, l in nm of each vertex, float64, shape (N, V, 4). The exponent at a vertex is
        -i (q_x x + q_y y) + i q_z z - s l.
    edges
        First and last vertex, the cell on the left and the one on the right (-1: none), int64,
        shape (N, E, 4).
    cells
        Gradients dz/dx, dz/dy, dl/dx, dl/dy, the sign (+1 entry faces, -1 overlay cells) and how far in nm a
        corner lies from the first one at most, float64, shape (N, C, 6).
    loops
        Vertices of each cell, counter-clockwise, padded with -1, int64, shape (N, C, M).
    counts
        Numbers of vertices, edges and cells of each mesh, int64, shape (N, 3).
    """

    points: FloatArray
    edges: IntArray
    cells: FloatArray
    loops: IntArray
    counts: IntArray

    def only(self, particles: slice | IntArray) -> Meshes:
        """The meshes of some particles."""
        points, edges, cells, loops, counts = self
        return Meshes(
            points[particles], edges[particles], cells[particles], loops[particles], counts[particles]
        )


def meshes(body: ConvexPolyhedron, radii: FloatArray, orientations: FloatArray) -> Meshes:
    """The meshes of particles with circumsphere radii (N,) in nm and unit quaternions (N, 4)."""
    faces, corners = body.faces.shape
    most_cells = faces + faces * faces // 4
    most_points = 3 * most_cells + len(body.vertices)
    count = len(radii)
    result = Meshes(
        np.zeros((count, most_points, 4)),
        np.full((count, most_points + most_cells, 4), -1, dtype=np.int64),
        np.zeros((count, most_cells, 6)),
        np.full((count, most_cells, 2 * corners), -1, dtype=np.int64),
        np.zeros((count, 3), dtype=np.int64),
    )
    matrices = rotation_matrix(orientations)

    def build(part: slice) -> None:
        shape = body.vertices, body.faces, body.normals, body.offsets
        _build_all(*shape, radii[part], matrices[part], *result.only(part))

    threads = min(numba.get_num_threads(), count // FEWEST)
    if threads > 1:
        parts = [slice(count * i // threads, count * (i + 1) // threads) for i in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(build, parts))  # raises what one of them did
    else:
        build(slice(None))
    points, edges, cells = result.counts.max(axis=0, initial=1)
    return Meshes(
        result.points[:, :points],
        result.edges[:, :edges],
        result.cells[:, :cells],
        result.loops[:, :cells],
        result.counts,
    )


@numba.njit(cache=True, nogil=True)
def _build_all(vertices, faces, normals, offsets, radii, matrices, points, edges, cells, loops, counts):  # type: ignore[no-untyped-def]
    for i in range(radii.size):
        radius, matrix = radii[i], matrices[i]
        _build(
            radius * vertices @ matrix.T,
            faces,
            normals @ matrix.T,
            radius * offsets,
            radius,
            points[i],
            edges[i],
            cells[i],
            loops[i],
            counts[i],
        )


@numba.njit(cache=True)
def _build(vertices, faces, normals, offsets, radius, points, edges, cells, loops, counts):  # type: ignore[no-untyped-def]
    """One mesh, of a body in the lab frame, into the arrays of `Meshes`."""
    corners = faces.shape[1]
    entry = np.empty((2 * corners, 3))
    exit_ = np.empty((2 * corners, 3))
    polygon = np.empty((2 * corners, 4))
    for i in range(len(faces)):
        if normals[i, 2] > -GRAZING:
            continue
        entry_size = _face_polygon(vertices, faces[i], -1, entry)
        in_x, in_y = -normals[i, 0] / normals[i, 2], -normals[i, 1] / normals[i, 2]
        polygon[:entry_size, :3] = entry[:entry_size]
        polygon[:entry_size, 3] = 0.0
        _add_cell(
            polygon[:entry_size], (in_x, in_y, 0.0, 0.0, 1.0), radius, points, edges, cells, loops, counts
        )
        for j in range(len(faces)):
            if normals[j, 2] < GRAZING:
                continue
            exit_size = _face_polygon(vertices, faces[j], 1, exit_)
            size = _clip(entry[:entry_size], exit_[:exit_size], polygon)
            if size < 3:
                continue
            out_x, out_y = -normals[j, 0] / normals[j, 2], -normals[j, 1] / normals[j, 2]
            lowest, highest = exit_[:exit_size, 2].min(), exit_[:exit_size, 2].max()
            for p in range(size):
                z_out = offsets[j] / normals[j, 2] + out_x * polygon[p, 0] + out_y * polygon[p, 1]
                # on a face that is nearly parallel to the beam the plane says little about z
                z_out = min(max(z_out, lowest), highest)
                polygon[p, 3] = max(z_out - polygon[p, 2], 0.0)
                polygon[p, 2] = z_out
            gradient = (out_x, out_y, out_x - in_x, out_y - in_y, -1.0)
            _add_cell(polygon[:size], gradient, radius, points, edges, cells, loops, counts)


@numba.njit(cache=True)
def _face_polygon(vertices, face, direction, polygon):  # type: ignore[no-untyped-def]
    """Corners of a face, counter-clockwise in (x, y); returns how many."""
    size = 0
    while size < face.size and face[size] >= 0:
        size += 1
    for p in range(size):
        polygon[p] = vertices[face[p if direction > 0 else size - 1 - p]]
    return size


@numba.njit(cache=True)
def _clip(subject, window, polygon):  # type: ignore[no-untyped-def]
    """Clip a convex polygon with z by a convex window, both counter-clockwise (Sutherland & Hodgman 1974)."""
    size = len(subject)
    polygon[:size, :3] = subject
    kept = np.empty_like(polygon)
    for e in range(len(window)):
        a, b = window[e], window[(e + 1) % len(window)]
        kept_size = 0
        for p in range(size):
            here, there = polygon[p], polygon[(p + 1) % size]
            inside_here = (b[0] - a[0]) * (here[1] - a[1]) - (b[1] - a[1]) * (here[0] - a[0])
            inside_there = (b[0] - a[0]) * (there[1] - a[1]) - (b[1] - a[1]) * (there[0] - a[0])
            if inside_here >= 0:
                kept[kept_size] = here
                kept_size += 1
            if (inside_here > 0) != (inside_there > 0) and inside_here != 0 and inside_there != 0:
                t = inside_here / (inside_here - inside_there)
                kept[kept_size] = here + t * (there - here)
                kept_size += 1
        size = kept_size
        polygon[:size] = kept[:size]
        if size < 3:
            return 0
    return size


@numba.njit(cache=True)
def _add_cell(polygon, gradient, radius, points, edges, cells, loops, counts):  # type: ignore[no-untyped-def]
    """Add a cell with its vertices and edges, sharing those that are there."""
    area = 0.0
    for p in range(1, len(polygon) - 1):
        area += (polygon[p, 0] - polygon[0, 0]) * (polygon[p + 1, 1] - polygon[0, 1])
        area -= (polygon[p, 1] - polygon[0, 1]) * (polygon[p + 1, 0] - polygon[0, 0])
    if area < 2 * SLIVER * radius * radius:
        return
    cell = counts[2]
    loop = loops[cell]
    size = 0
    for p in range(len(polygon)):
        vertex = _find_or_add_vertex(polygon[p], MERGE * radius, points, counts)
        if size == 0 or (loop[size - 1] != vertex and loop[0] != vertex):
            loop[size] = vertex
            size += 1
    if size < 3:
        loop[:] = -1
        return
    for field in range(5):
        cells[cell, field] = gradient[field]
    for p in range(1, size):
        d_x, d_y = points[loop[p], 0] - points[loop[0], 0], points[loop[p], 1] - points[loop[0], 1]
        cells[cell, 5] = max(cells[cell, 5], math.hypot(d_x, d_y))
    counts[2] += 1
    for p in range(size):
        _add_edge(loop[p], loop[(p + 1) % size], cell, edges, counts)


@numba.njit(cache=True)
def _find_or_add_vertex(point, tolerance, points, counts):  # type: ignore[no-untyped-def]
    for v in range(counts[0]):
        if (
            abs(points[v, 0] - point[0]) < tolerance
            and abs(points[v, 1] - point[1]) < tolerance
            and abs(points[v, 2] - point[2]) < tolerance
            and abs(points[v, 3] - point[3]) < tolerance
        ):
            return v
    points[counts[0]] = point
    counts[0] += 1
    return counts[0] - 1


@numba.njit(cache=True)
def _add_edge(first, last, cell, edges, counts):  # type: ignore[no-untyped-def]
    """An edge walked the other way by a neighbour is the neighbour's edge, with this cell on its right."""
    for e in range(counts[1]):
        if edges[e, 0] == last and edges[e, 1] == first and edges[e, 3] < 0:
            edges[e, 3] = cell
            return
    edges[counts[1]] = (first, last, cell, -1)
    counts[1] += 1
