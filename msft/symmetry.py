"""The icosahedral rotation group, fundamental domains and the distance between orientations.

A body with symmetry s looks the same in the orientations q and q s. Of these 60 equivalents the fundamental
domain keeps the one of the smallest rotation angle (Stielow et al. 2020, appendix A); in q_vec / q_w space
it is a dodecahedron (Frank 1986).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msft.rotation import canonical, conjugate, from_axis_angle, multiply, random_rotations, rotation_angle

FloatArray = NDArray[np.float64]

GOLDEN_RATIO = (1 + math.sqrt(5)) / 2

_TIE = 1e-12
"""Equivalents this close in cos(angle / 2) are the same angle; the first of the group's order is kept."""


@cache
def icosahedral_group() -> FloatArray:
    """The 60 rotations of the icosahedron with vertices (0, +-1, +-phi) and cyclic, shape (60, 4).

    The identity comes first. Built as the closure of a fivefold rotation about a vertex and a threefold one
    about a face.
    """
    generators = [
        from_axis_angle([0, 1, GOLDEN_RATIO], 2 * math.pi / 5),
        from_axis_angle([1, 1, 1], 2 * math.pi / 3),
    ]
    elements = [np.array([1.0, 0.0, 0.0, 0.0])]
    for element in elements:  # the list grows while it is walked
        for generator in generators:
            product = multiply(generator, element)
            if not any(abs(np.dot(product, known)) > 1 - 1e-9 for known in elements):
                elements.append(canonical(product))
    group = np.array(elements)
    group.setflags(write=False)
    return group


def to_fundamental_domain(q: ArrayLike, group: FloatArray | None = None) -> FloatArray:
    """The equivalent of smallest rotation angle of each orientation, w >= 0.

    Parameters
    ----------
    q
        Unit quaternions, shape (..., 4).
    group
        Rotations of the body onto itself, unit quaternions (G, 4), as `msft.bodies.rotations` gives them; the
        icosahedron's by default.

    Returns
    -------
    Float64 array of the same shape. On the surface of the domain, where several equivalents have the same
    angle, an orientation that is already one of them is returned unchanged.
    """
    q = np.asarray(q, dtype=np.float64)
    equivalents = multiply(q[..., None, :], icosahedral_group() if group is None else group)
    cosine = np.abs(equivalents[..., 0])
    best = np.argmax(cosine >= cosine.max(axis=-1, keepdims=True) - _TIE, axis=-1)
    return canonical(np.take_along_axis(equivalents, best[..., None, None], axis=-2)[..., 0, :])


def misorientation(p: ArrayLike, q: ArrayLike, group: FloatArray | None = None) -> FloatArray:
    """Smallest angle in radians that turns one orientation of a body into another.

    Parameters
    ----------
    p, q
        Unit quaternions, shapes (..., 4) that broadcast.
    group
        As for `to_fundamental_domain`.

    Returns
    -------
    Float64 array; for the icosahedron 0 to 44.48 degrees in radians.
    """
    # p and q s look alike for q = p: the rotation between the bodies is p^-1 q up to s on its right.
    return rotation_angle(to_fundamental_domain(multiply(conjugate(p), q), group))


def nearest_equivalent(q: ArrayLike, wanted: ArrayLike, group: FloatArray | None = None) -> FloatArray:
    """The equivalent of each orientation that is nearest to a wanted one, with the sign of that.

    Parameters
    ----------
    q, wanted
        Unit quaternions, shapes (..., 4) that broadcast.
    group
        As for `to_fundamental_domain`.
    """
    return multiply(wanted, to_fundamental_domain(multiply(conjugate(wanted), q), group))


def distance_to_surface(q: ArrayLike) -> FloatArray:
    """Smallest angle in radians that turns an orientation onto the surface of the fundamental domain.

    Parameters
    ----------
    q
        Unit quaternions in the fundamental domain, shape (..., 4).

    Returns
    -------
    Float64 array (...), 0 to 36 degrees in radians.
    """
    # an orientation as far from s as from the identity lies on a great sphere, whose normal is 1 - s
    normals = np.array([1.0, 0.0, 0.0, 0.0]) - icosahedral_group()[1:]
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    sine = (np.asarray(q, dtype=np.float64) @ normals.T).min(axis=-1)
    return np.asarray(2 * np.arcsin(np.clip(sine, 0.0, 1.0)))


def random_orientations(
    generator: np.random.Generator, count: int, group: FloatArray | None = None
) -> FloatArray:
    """Orientations uniform in the fundamental domain, shape (count, 4): uniform on SO(3), then projected."""
    return to_fundamental_domain(random_rotations(generator, count), group)


@cache
def component_ranges() -> FloatArray:
    """Smallest and largest value of each quaternion component in the fundamental domain, shape (2, 4).

    The domain's faces lie at tan(pi / 10) in q_vec / q_w space. Its corners, at the circumradius of that
    dodecahedron, have the smallest w; the middles of its edges, which lie on the axes x, y and z (twofold),
    have the largest x, y and z.
    """
    edge_middle = GOLDEN_RATIO**-2
    corner = math.tan(math.pi / 10) * math.sqrt(15 - 6 * math.sqrt(5))
    largest = math.sin(math.atan(edge_middle))
    return np.array([[math.cos(math.atan(corner)), *[-largest] * 3], [1.0, *[largest] * 3]])
