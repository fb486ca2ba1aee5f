"""Convex polyhedra: vertices, faces, and the chords that the beam cuts out of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull, HalfspaceIntersection

from msft.bodies.body import ConvexBody
from msft.bodies.creases import segment
from msft.bodies.shape import FloatArray, Shape
from msft.errors import ParameterError


@dataclass(frozen=True, eq=False)
class ConvexPolyhedron(ConvexBody):
    """A convex polyhedron with its circumsphere centre at the origin.

    Build it with `from_vertices` or `from_half_spaces`.

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

    @classmethod
    def from_half_spaces(cls, name: str, normals: ArrayLike, offsets: ArrayLike) -> ConvexPolyhedron:
        """All points with normal . r <= offset for every half-space, scaled so that the farthest is at 1.

        Parameters
        ----------
        name
            Name of the body.
        normals
            Outward normals (F, 3), of any length above 0.
        offsets
            Shape (F,), in units of the normals' lengths; all above 0, so that the origin is inside.

        Raises
        ------
        ParameterError
            If they do not enclose a bounded volume around the origin.
        """
        planes, distances = np.asarray(normals, dtype=np.float64), np.asarray(offsets, dtype=np.float64)
        if planes.ndim != 2 or planes.shape[1] != 3 or distances.shape != (len(planes),) or len(planes) < 4:
            raise ParameterError(
                "half_spaces",
                f"shapes {planes.shape} and {distances.shape}",
                "four or more normals and offsets",
            )
        lengths = np.linalg.norm(planes, axis=1)
        if not (np.isfinite(planes).all() and np.isfinite(distances).all() and (lengths > 0).all()):
            raise ParameterError(
                "half_spaces", "a normal of length 0 or not finite", "finite normals above 0"
            )
        if not (distances > 0).all():
            raise ParameterError(
                "half_spaces", f"offset {distances.min():g}", "offsets above 0: the origin inside"
            )
        planes, distances = planes / lengths[:, None], distances / lengths
        if not _positively_span(planes):
            raise ParameterError(
                "half_spaces", "half-spaces that leave a direction open", "half-spaces that bound a volume"
            )
        corners = HalfspaceIntersection(np.column_stack([planes, -distances]), np.zeros(3)).intersections
        scale = np.linalg.norm(corners, axis=1).max()
        # where more than three planes meet, one corner is found several times with different rounding
        distinct = [corner for n, corner in enumerate(corners) if not _repeats(corner, corners[:n], scale)]
        return cls.from_vertices(name, distinct)

    @cached_property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        return float(ConvexHull(self.vertices).volume)

    @property
    def shape(self) -> Shape:
        """The faces and edges; see `ChordedBody.shape`."""
        return Shape.of(
            round=False,
            faces=np.column_stack([self.normals, self.offsets]),
            curves=segment(self.vertices[self._edges[:, 0]], self.vertices[self._edges[:, 1]]),
        )

    @cached_property
    def _edges(self) -> NDArray[np.int64]:
        """Vertex indices (E, 2)."""
        loops = [face[face >= 0] for face in self.faces]
        pairs = np.concatenate([np.column_stack([loop, np.roll(loop, -1)]) for loop in loops])
        return np.unique(np.sort(pairs, axis=1), axis=0)

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        inside = np.ones(points.shape[:-1], dtype=np.bool_)
        for normal, offset in zip(self.normals @ rotation.T, self.offsets * radius, strict=True):
            inside &= points @ normal <= offset
        return inside

    def _stretched(self, factor: float) -> ConvexPolyhedron:
        return ConvexPolyhedron.from_vertices(self.name, self.vertices * [1.0, 1.0, factor])


def _positively_span(normals: FloatArray) -> bool:
    """Whether 0 is a combination of the normals with weights of at least 1, and they span three dimensions.

    Then no direction d has normal . d <= 0 for all of them but 0: the intersection is bounded.
    """
    if np.linalg.matrix_rank(normals, tol=1e-9) < 3:
        return False
    found = linprog(np.ones(len(normals)), A_eq=normals.T, b_eq=np.zeros(3), bounds=(1, None))
    return bool(found.success)


def _repeats(corner: FloatArray, before: FloatArray, scale: float) -> bool:
    return bool((np.abs(before - corner) < 1e-9 * scale).all(axis=1).any())


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
