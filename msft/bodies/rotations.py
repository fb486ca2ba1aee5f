"""The rotations that leave a body as it is: orientations that differ by one of them look the same."""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.spatial.transform import Rotation

from msft.bodies import named
from msft.bodies.polyhedron import ConvexPolyhedron
from msft.bodies.shape import FloatArray
from msft.rotation import canonical
from msft.symmetry import icosahedral_group

SAME = 1e-6
"""Distance between vertices that are one, circumspheres having radius 1."""


@cache
def rotation_group(body: str) -> FloatArray:
    """The rotations of a polyhedron onto itself, as unit quaternions (G, 4), the identity first.

    A rotation is known by where it takes two vertices that do not lie on one line with the centre; those
    that take all vertices to vertices are kept. Of other bodies, whose rotations may be infinitely many, the
    identity alone is told.

    Parameters
    ----------
    body
        Its name, see `msft.bodies.named`.

    Raises
    ------
    ParameterError
        If no body has that name.
    """
    if body == "icosahedron":
        return icosahedral_group()
    shape = named(body)
    group = _of_vertices(shape.vertices) if isinstance(shape, ConvexPolyhedron) else np.eye(1, 4)
    group.setflags(write=False)
    return group


def _of_vertices(vertices: FloatArray) -> FloatArray:
    products = vertices @ vertices.T
    first = int(np.argmax(np.diag(products)))
    second = int(np.argmax(np.linalg.norm(np.cross(vertices[first], vertices), axis=1)))
    start = _frame(vertices[first], vertices[second])
    lengths = np.diag(products)
    alike = (np.abs(lengths[:, None] - lengths[first]) < SAME) & (np.abs(lengths - lengths[second]) < SAME)
    alike &= np.abs(products - products[first, second]) < SAME
    found = []
    for image, other in np.argwhere(alike):
        rotation = _frame(vertices[image], vertices[other]) @ start.T
        gaps = np.linalg.norm((vertices @ rotation.T)[:, None] - vertices, axis=2).min(axis=1)
        if gaps.max() < SAME:
            found.append(rotation)
    x, y, z, w = Rotation.from_matrix(np.array(found)).as_quat().T
    group = canonical(np.stack([w, x, y, z], axis=1))
    return np.asarray(group[np.argsort(-group[:, 0], kind="stable")])


def _frame(first: FloatArray, second: FloatArray) -> FloatArray:
    """Columns: the direction of one point, the rest of another one's, and what is normal to both."""
    along = first / np.linalg.norm(first)
    across = second - (second @ along) * along
    across /= np.linalg.norm(across)
    return np.stack([along, across, np.cross(along, across)], axis=1)
