"""Convex polyhedra: vertices, faces, and the chords that the beam cuts out of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull

from msft.errors import ParameterError

FloatArray = NDArray[np.float64]

GRAZING = 1e-7
"""Faces whose normal makes a smaller cosine with the beam are parallel to it: they show no area."""


@dataclass(frozen=True, eq=False)
class ConvexPolyhedron:
    """A convex polyhedron with its circumsphere centre at the origin.

    Build it with `from_vertices`.

    Attributes
    ----------
    name
        Name of the body.
    vertices
        Float64, shape (V, 3), the farthest at distance 1.
    normals, offsets
        Outward unit normals (F, 3) and distances (F,) of the faces: inside means normal . r <= offset.
    faces
        Vertex indices of each face in order around it, counter-clockwise seen from outside, int64, shape
        (F, M), padded with -1.
    """

    name: str
    vertices: FloatArray
    normals: FloatArray
    offsets: FloatArray
    faces: NDArray[np.int64]

    @classmethod
    def from_vertices(cls, name: str, vertices: ArrayLike) -> ConvexPolyhedron:
        """The convex hull of points (V, 3), scaled so that the farthest lies at distance 1.

        Raises
        ------
        ParameterError
            If the points are not at least four in three dimensions that enclose the origin.
        """
        points = np.asarray(vertices, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or len(points) < 4 or not np.isfinite(points).all():
            raise ParameterError("vertices", f"shape {points.shape}", "four or more finite points (V, 3)")
        points = points / (np.linalg.norm(points, axis=1).max() or 1.0)
        if np.linalg.matrix_rank(points - points.mean(axis=0), tol=1e-9) < 3:
            raise ParameterError("vertices", "points in one plane", "points that enclose a volume")
        hull = ConvexHull(points)
        # Qhull gives triangles: those in one plane are one face.
        planes = np.unique(hull.equations.round(9), axis=0)
        normals, offsets = planes[:, :3], -planes[:, 3]
        if not (offsets > 0).all():
            raise ParameterError("vertices", "points on one side of the origin", "points around the origin")
        on_face = np.abs(points @ normals.T - offsets) < 1e-8
        normals = np.array([_plane_normal(points[on], n) for on, n in zip(on_face.T, normals, strict=True)])
        offsets = np.array([(points[on] @ n).mean() for on, n in zip(on_face.T, normals, strict=True)])
        loops = [_around(points, np.flatnonzero(on), n) for on, n in zip(on_face.T, normals, strict=True)]
        faces = np.full((len(loops), max(map(len, loops))), -1, dtype=np.int64)
        for row, loop in zip(faces, loops, strict=True):
            row[: len(loop)] = loop
        return cls(name, points, normals, offsets, faces)

    @cached_property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        return float(ConvexHull(self.vertices).volume)

    def columns(
        self, x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float
    ) -> tuple[FloatArray, FloatArray]:
        """Where the beam at (x, y) enters and leaves the body.

        Parameters
        ----------
        x, y
            Lateral positions in nm, shapes that broadcast.
        rotation
            R(q), shape (3, 3).
        radius
            Circumsphere radius in nm.

        Returns
        -------
        z_in, z_out in nm, of the common shape; z_in >= z_out where the beam passes by.
        """
        x, y = np.broadcast_arrays(x, y)
        z_in = np.full(x.shape, -radius, dtype=np.float64)
        z_out = np.full(x.shape, radius, dtype=np.float64)
        for (n_x, n_y, n_z), offset in zip(self.normals @ rotation.T, self.offsets * radius, strict=True):
            distance = offset - n_x * x - n_y * y
            if n_z < -GRAZING:
                np.maximum(z_in, distance / n_z, out=z_in)
            elif n_z > GRAZING:
                np.minimum(z_out, distance / n_z, out=z_out)
            else:
                z_out[distance < 0] = -radius
        return z_in, z_out

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        inside = np.ones(points.shape[:-1], dtype=np.bool_)
        for normal, offset in zip(self.normals @ rotation.T, self.offsets * radius, strict=True):
            inside &= points @ normal <= offset
        return inside


def _plane_normal(points: FloatArray, guess: FloatArray) -> FloatArray:
    """Unit normal of points in a plane to full precision, on the side of `guess`."""
    normal = np.asarray(np.linalg.svd(points - points.mean(axis=0))[2][-1], dtype=np.float64)
    return normal if normal @ guess > 0 else -normal


def _around(points: FloatArray, members: NDArray[np.int64], normal: FloatArray) -> NDArray[np.int64]:
    """The members of a face in counter-clockwise order seen against its normal."""
    centre = points[members].mean(axis=0)
    first = points[members[0]] - centre
    spokes = points[members] - centre
    angle = np.arctan2(spokes @ np.cross(normal, first), spokes @ first)
    return members[np.argsort(angle)]
