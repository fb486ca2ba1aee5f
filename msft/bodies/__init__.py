"""Homogeneous bodies, in their own frame and at unit circumsphere radius.

- ``polyhedron``: convex polyhedra, from their vertices;
- ``sphere``: the sphere;
- ``catalogue``: the bodies by name.
"""

from msft.bodies.catalogue import BODIES, Body, named
from msft.bodies.polyhedron import ConvexPolyhedron
from msft.bodies.sphere import Sphere

__all__ = ["BODIES", "Body", "ConvexPolyhedron", "Sphere", "named"]
