"""Bodies, in their own frame and at unit circumsphere radius.

- ``body``: what every body can do;
- ``polyhedron``: convex polyhedra, from their vertices or half-spaces;
- ``archimedean``: vertices of those that have a name;
- ``lines``: where lines cross spheroids and cylinders;
- ``sphere``, ``ellipsoid``: the quadrics;
- ``dumbbell``: two lobes and a neck, and the capsule;
- ``voxels``: densities on a grid;
- ``catalogue``: the bodies by name.
"""

from msft.bodies.body import Body, ConvexBody, HomogeneousBody
from msft.bodies.catalogue import BODIES, named
from msft.bodies.dumbbell import Dumbbell, capsule
from msft.bodies.ellipsoid import Ellipsoid
from msft.bodies.polyhedron import ConvexPolyhedron
from msft.bodies.sphere import Sphere
from msft.bodies.voxels import Voxels

__all__ = [
    "BODIES",
    "Body",
    "ConvexBody",
    "ConvexPolyhedron",
    "Dumbbell",
    "Ellipsoid",
    "HomogeneousBody",
    "Sphere",
    "Voxels",
    "capsule",
    "named",
]
