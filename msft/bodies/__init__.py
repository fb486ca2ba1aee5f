"""Bodies, in their own frame and at unit circumsphere radius.

- ``body``: what every body can do;
- ``polyhedron``: convex polyhedra, from their vertices or half-spaces;
- ``archimedean``: vertices of those that have a name;
- ``shape``: a body in numbers, which compiled code reads; on these ``lines``, where lines cross single
  solids, ``chords``, where they cross the body, ``creases``, where chords are not smooth functions of the
  lateral position, and ``overlaps``, where outlines cross;
- ``sphere``, ``ellipsoid``: the quadrics;
- ``dumbbell``: two lobes and a neck, and the capsule;
- ``twins``: two droplets, one before the other; ``layered``: two densities; ``nothing``: an empty frame;
- ``voxels``: densities on a grid;
- ``catalogue``: the bodies by name;
- ``rotations``: those that leave a body as it is.
"""

from msft.bodies.body import Body, ChordedBody, ConvexBody, HomogeneousBody
from msft.bodies.catalogue import BODIES, files_among, named
from msft.bodies.dumbbell import Dumbbell, capsule
from msft.bodies.ellipsoid import Ellipsoid
from msft.bodies.layered import Layered
from msft.bodies.nothing import Nothing
from msft.bodies.polyhedron import ConvexPolyhedron
from msft.bodies.sphere import Sphere
from msft.bodies.twins import Twins
from msft.bodies.voxels import Voxels

__all__ = [
    "BODIES",
    "Body",
    "ChordedBody",
    "ConvexBody",
    "ConvexPolyhedron",
    "Dumbbell",
    "Ellipsoid",
    "HomogeneousBody",
    "Layered",
    "Nothing",
    "Sphere",
    "Twins",
    "Voxels",
    "capsule",
    "files_among",
    "named",
]
