"""The projected mesh of a convex polyhedron on which the exact solver's exponents are linear.

Seen along the beam, a convex polyhedron shows its entry faces, and behind them its exit faces. Where the
beam enters, z_in is linear on each entry face; where it leaves, z_out and the path l = z_out - z_in are
linear on each cell of the overlay of both. The mesh holds the entry faces and those cells, with their
vertices and edges shared. Compiled by numba, without which a mesh would cost more than a pattern.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.lines import GRAZING

MERGE = 1e-9
"""Vertices closer than this fraction of the radius are one."""

SLIVER = 1e-13
"""Cells smaller than this fraction of the squared radius are rounding errors of the clipping."""


@numba.njit(cache=True, nogil=True)
def build_all(vertices, faces, normals, offsets, radii, matrices, points, edges, cells, loops, counts):  # type: ignore[no-untyped-def]
    """Meshes of N particles one after the other into the arrays of `msft.solvers.overlay.Meshes`.

    Those are as long as they may have to be, and are not initialised: of what is never reached no page of
    memory is touched.
    """
    point, edge, cell = 0, 0, 0
    most = 2 * faces.shape[1]
    work = np.empty((2, most, 4)), np.empty(most)
    outlines = np.empty((len(faces), faces.shape[1], 3)), np.empty((len(faces), 6))
    sizes = (faces >= 0).sum(axis=1)
    # the newest edge that begins at each vertex, and before each edge the next newest
    chains = np.empty(len(points), np.int32), np.empty(len(edges), np.int32)
    for i in range(radii.size):
        radius, matrix = radii[i], matrices[i]
        lab = _turned(vertices, matrix, radius), _turned(normals, matrix, 1.0), radius * offsets
        mesh = points[point:], edges[edge:], cells[cell:], loops[cell:], counts[i], chains
        _build(lab, faces, sizes, radius, outlines, work, mesh)
        point, edge, cell = point + counts[i, 0], edge + counts[i, 1], cell + counts[i, 2]


@numba.njit(cache=True)
def _turned(rows, matrix, scale):  # type: ignore[no-untyped-def]
    """Vectors in the lab frame. BLAS would have locks, and other last digits on other processors."""
    turned = np.empty_like(rows)
    for i in range(len(rows)):
        x, y, z = scale * rows[i, 0], scale * rows[i, 1], scale * rows[i, 2]
        for axis in range(3):
            turned[i, axis] = matrix[axis, 0] * x + matrix[axis, 1] * y + matrix[axis, 2] * z
    return turned


@numba.njit(cache=True)
def _build(lab, faces, sizes, radius, outlines, work, mesh):  # type: ignore[no-untyped-def]
    """One mesh, of a body in the lab frame."""
    vertices, normals, offsets = lab
    polygons, boxes = outlines
    polygon = work[0][0]
    mesh[4][:] = 0
    for i in range(len(faces)):
        _outline(vertices, faces[i], sizes[i], normals[i, 2] > 0, polygons[i], boxes[i])
    for i in range(len(faces)):
        if normals[i, 2] > -GRAZING:
            continue
        in_x, in_y = -normals[i, 0] / normals[i, 2], -normals[i, 1] / normals[i, 2]
        polygon[: sizes[i], :3] = polygons[i, : sizes[i]]
        polygon[: sizes[i], 3] = 0.0
        _add_cell(polygon, sizes[i], (in_x, in_y, 0.0, 0.0, 1.0), radius, mesh)
        for j in range(len(faces)):
            if normals[j, 2] < GRAZING or _apart(boxes[i], boxes[j]):
                continue
            size = _clip(polygons[i], sizes[i], polygons[j], sizes[j], work)
            if size < 3:
                continue
            clipped = work[0][sizes[j] % 2]
            out_x, out_y = -normals[j, 0] / normals[j, 2], -normals[j, 1] / normals[j, 2]
            lowest, highest = boxes[j, 4], boxes[j, 5]
            for p in range(size):
                z_out = offsets[j] / normals[j, 2] + out_x * clipped[p, 0] + out_y * clipped[p, 1]
                # on a face that is nearly parallel to the beam the plane says little about z
                z_out = min(max(z_out, lowest), highest)
                clipped[p, 3] = max(z_out - clipped[p, 2], 0.0)
                clipped[p, 2] = z_out
            gradient = (out_x, out_y, out_x - in_x, out_y - in_y, -1.0)
            _add_cell(clipped, size, gradient, radius, mesh)


@numba.njit(cache=True)
def _outline(vertices, face, size, exit_, polygon, box):  # type: ignore[no-untyped-def]
    """Corners of a face, counter-clockwise in (x, y), and the least and the largest x, y and z of them."""
    for p in range(size):
        corner = face[p if exit_ else size - 1 - p]
        for axis in range(3):
            value = vertices[corner, axis]
            polygon[p, axis] = value
            box[2 * axis] = value if p == 0 else min(box[2 * axis], value)
            box[2 * axis + 1] = value if p == 0 else max(box[2 * axis + 1], value)


@numba.njit(cache=True)
def _apart(box, other):  # type: ignore[no-untyped-def]
    """Whether polygons have nothing in common: most faces before the beam and behind it."""
    return box[0] > other[1] or other[0] > box[1] or box[2] > other[3] or other[2] > box[3]


@numba.njit(cache=True)
def _clip(subject, size, window, window_size, work):  # type: ignore[no-untyped-def]
    """Clip a convex polygon with z by a convex window, both counter-clockwise (Sutherland & Hodgman 1974).

    Returns the number of corners; they are in the first of the buffers of `work` after an even number of
    windows' edges, else in the second.
    """
    buffers, inside = work
    for p in range(size):
        for axis in range(3):
            buffers[0, p, axis] = subject[p, axis]
    for e in range(window_size):
        f = e + 1 if e + 1 < window_size else 0
        a_x, a_y = window[e, 0], window[e, 1]
        d_x, d_y = window[f, 0] - a_x, window[f, 1] - a_y
        here, kept = buffers[e % 2], buffers[1 - e % 2]
        for p in range(size):
            inside[p] = d_x * (here[p, 1] - a_y) - d_y * (here[p, 0] - a_x)
        kept_size = 0
        for p in range(size):
            n = p + 1 if p + 1 < size else 0
            if inside[p] >= 0:
                for axis in range(3):
                    kept[kept_size, axis] = here[p, axis]
                kept_size += 1
            if (inside[p] > 0) != (inside[n] > 0) and inside[p] != 0 and inside[n] != 0:
                t = inside[p] / (inside[p] - inside[n])
                for axis in range(3):
                    kept[kept_size, axis] = here[p, axis] + t * (here[n, axis] - here[p, axis])
                kept_size += 1
        size = kept_size
        if size < 3:
            return 0
    return size


@numba.njit(cache=True)
def _add_cell(polygon, polygon_size, gradient, radius, mesh):  # type: ignore[no-untyped-def]
    """Add a cell with its vertices and edges, sharing those that are there."""
    points, edges, cells, loops, counts, chains = mesh
    area = 0.0
    for p in range(1, polygon_size - 1):
        area += (polygon[p, 0] - polygon[0, 0]) * (polygon[p + 1, 1] - polygon[0, 1])
        area -= (polygon[p, 1] - polygon[0, 1]) * (polygon[p + 1, 0] - polygon[0, 0])
    if area < 2 * SLIVER * radius * radius:
        return
    cell, size = counts[2], 0
    for p in range(loops.shape[1]):
        loops[cell, p] = -1
    for p in range(polygon_size):
        corner = polygon[p, 0], polygon[p, 1], polygon[p, 2], polygon[p, 3]
        vertex = _find_or_add_vertex(corner, MERGE * radius, points, counts, chains[0])
        if size == 0 or (loops[cell, size - 1] != vertex and loops[cell, 0] != vertex):
            loops[cell, size] = vertex
            size += 1
    if size < 3:
        return
    first, squared = loops[cell, 0], 0.0
    for p in range(1, size):
        d_x, d_y = points[loops[cell, p], 0] - points[first, 0], points[loops[cell, p], 1] - points[first, 1]
        squared = max(squared, d_x * d_x + d_y * d_y)
    for field in range(5):
        cells[cell, field] = gradient[field]
    cells[cell, 5] = math.sqrt(squared)
    counts[2] += 1
    for p in range(size):
        _add_edge(loops[cell, p], loops[cell, p + 1 if p + 1 < size else 0], cell, edges, counts, chains)


@numba.njit(cache=True)
def _find_or_add_vertex(corner, tolerance, points, counts, newest):  # type: ignore[no-untyped-def]
    x, y, z, path = corner
    size = counts[0]
    for v in range(size):
        if (
            abs(points[v, 0] - x) < tolerance
            and abs(points[v, 1] - y) < tolerance
            and abs(points[v, 2] - z) < tolerance
            and abs(points[v, 3] - path) < tolerance
        ):
            return v
    points[size, 0], points[size, 1], points[size, 2], points[size, 3] = x, y, z, path
    newest[size] = -1
    counts[0] += 1
    return size


@numba.njit(cache=True)
def _add_edge(first, last, cell, edges, counts, chains):  # type: ignore[no-untyped-def]
    """An edge walked the other way by a neighbour is the neighbour's edge, with this cell on its right."""
    newest, before = chains
    found, e = -1, newest[last]
    while e >= 0:
        if edges[e, 1] == first and edges[e, 3] < 0:
            found = e  # of several the oldest
        e = before[e]
    if found >= 0:
        edges[found, 3] = cell
        return
    e = counts[1]
    edges[e, 0], edges[e, 1], edges[e, 2], edges[e, 3] = first, last, cell, -1
    before[e], newest[first] = newest[first], e
    counts[1] += 1
