"""The bodies that have a name."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np

from msft.bodies.polyhedron import ConvexPolyhedron
from msft.bodies.sphere import Sphere
from msft.errors import ParameterError
from msft.symmetry import GOLDEN_RATIO

Body = ConvexPolyhedron | Sphere


def _icosahedron() -> ConvexPolyhedron:
    # (0, +-1, +-phi) and its cyclic permutations
    corners = [(0.0, a, b * GOLDEN_RATIO) for a in (-1, 1) for b in (-1, 1)]
    return ConvexPolyhedron.from_vertices(
        "icosahedron", [np.roll(corner, shift) for shift in range(3) for corner in corners]
    )


BODIES: dict[str, Callable[[], Body]] = {"icosahedron": _icosahedron, "sphere": Sphere}


@cache
def named(name: str) -> Body:
    """The body of that name.

    Raises
    ------
    ParameterError
        If no body has it.
    """
    if name not in BODIES:
        raise ParameterError("body", name, "one of " + ", ".join(BODIES))
    return BODIES[name]()
