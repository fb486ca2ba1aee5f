"""What is in the beam: droplets of random proportions, and how often each kind occurs.

A scene's numbers are drawn such that the droplet has the labels that the scene is there for. The labels
themselves are not taken from here: `msft.helium.rules` reads them off the particle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from msft.bodies.twins import APART

LONGEST_NAME = 40
"""Bytes of the longest name of a droplet's body."""

LARGEST_TWIN = 160.0
"""In nm. Of two droplets as far apart as Newton rings need, larger ones make fringes finer than pixels."""

NEWTON_DISTANCES, DOUBLE_DISTANCES = (12.5, 22.0), (1.05 * APART, 10.5)
"""Between two droplets, in radii of the first across the beam."""

SLENDER_SHARE, BENT_SHARE = 236 / 453, 386 / 423
"""Of prolate droplets, and of those that are not twins: with them 236 of 453 are streaks, 386 bent."""


@dataclass(frozen=True)
class Droplet:
    """A droplet of any size.

    Attributes
    ----------
    body, stretch
        Its shape; see `msft.particle.Particles`.
    polar, spin
        Angles in radians by which its z axis leans from the beam, and by which it is turned about that axis.
    share
        Of the sizes that are smaller.
    """

    body: str
    share: float
    polar: float
    stretch: float = 1.0
    spin: float = 0.0


class Draw:
    """The numbers of one droplet."""

    def __init__(self, generator: np.random.Generator) -> None:
        self._generator = generator

    def share(self) -> float:
        """Uniform in [0, 1)."""
        return float(self._generator.random())

    def between(self, low: float, high: float) -> float:
        """Uniform, with so many digits as names have."""
        return round(float(self._generator.uniform(low, high)), 4)

    def angle(self, low: float, high: float) -> float:
        """Uniform between angles in degrees; in radians."""
        return math.radians(self.between(low, high))

    def happens(self, share: float) -> bool:
        """True as often as that."""
        return self.share() < share

    def slenderness(self) -> float:
        """Length over width of a prolate droplet."""
        return self.between(2.25, 3.5) if self.happens(SLENDER_SHARE) else self.between(1.6, 2.15)

    def tilt(self, bent: bool) -> float:
        """Of a long axis out of the detector's plane, in radians."""
        return self.angle(20, 45) if bent else self.angle(0, 10)


def _spheroid(draw: Draw, narrowest: float, widest: float) -> tuple[float, float]:
    """Stretch and lean of an oblate spheroid whose outline is so wide: width^2 = cos^2 + stretch^2 sin^2."""
    width = draw.between(narrowest, widest)
    # hardly flatter than it looks: one that leans far from the detector's plane looks asymmetric
    stretch = draw.between(1 - 1.1 * (1 - width), 1 - 1.01 * (1 - width))
    return stretch, math.asin(min(1.0, math.sqrt((1 - width**2) / (1 - stretch**2))))


def _plain(narrowest: float, widest: float) -> Callable[[Draw], Droplet]:
    def droplet(draw: Draw) -> Droplet:
        stretch, polar = _spheroid(draw, narrowest, widest)
        return Droplet("sphere", draw.share(), polar, stretch)

    return droplet


def _layers(narrowest: float, widest: float) -> Callable[[Draw], Droplet]:
    def droplet(draw: Draw) -> Droplet:
        stretch, polar = _spheroid(draw, narrowest, widest)
        density = draw.between(0.0, 0.3) if draw.happens(0.5) else draw.between(2.0, 3.0)
        # small ones, of thin shells: absorption hides what lies deep
        return Droplet(f"layered({draw.between(0.6, 0.8)},{density})", 0.3 * draw.share(), polar, stretch)

    return droplet


def _bump(width: Callable[[Draw], float]) -> Callable[[Draw], Droplet]:
    """A droplet with half of a smaller one on its side, which leans towards the beam or away from it."""

    def droplet(draw: Draw) -> Droplet:
        across, prolate = width(draw), width is Draw.slenderness
        polar = draw.angle(50, 80) if draw.happens(0.5) else draw.angle(100, 130)
        tilt = draw.tilt(draw.happens(BENT_SHARE)) if prolate else 0.0
        # the x axis, as long or short as the width, tilts out of the detector's plane by so much
        spin = math.acos(math.sin(tilt) / math.sin(polar))
        body = f"twins({draw.between(1.0, 1.1)},{draw.between(0.4, 0.5)},{across})"
        return Droplet(body, _upper_half(draw) if prolate else draw.share(), polar, spin=spin)

    return droplet


def _upper_half(draw: Draw) -> float:
    """Sizes of slender droplets: smaller ones are too thin for rings."""
    return 0.5 + 0.5 * draw.share()


def _capsule(draw: Draw) -> Droplet:
    polar = math.pi / 2 - draw.tilt(draw.happens(BENT_SHARE))
    return Droplet(f"capsule({draw.slenderness()})", _upper_half(draw), polar)


def _twins(nearest: float, farthest: float, width: Callable[[Draw], float]) -> Callable[[Draw], Droplet]:
    """Two droplets, the second behind the first at so many of its radii across the beam."""

    def droplet(draw: Draw) -> Droplet:
        across = width(draw)
        distance = max(1.0, across) * draw.between(nearest, farthest)
        second = draw.between(0.75, 1.0)
        polar, spin = draw.angle(1, 6), draw.angle(0, 360)
        return Droplet(f"twins({distance:.4f},{second},{across})", draw.share(), polar, spin=spin)

    return droplet


def _round_width(draw: Draw) -> float:
    return draw.between(0.91, 1.0)


def _elliptical_width(draw: Draw) -> float:
    return draw.between(0.5, 0.88)


def _merged(draw: Draw) -> Droplet:
    body = f"twins({draw.between(1.0, 1.4)},{draw.between(0.7, 0.9)})"
    return Droplet(body, draw.share(), draw.angle(30, 70))


def _disc(least_tilt: float, largest_tilt: float) -> Callable[[Draw], Droplet]:
    def droplet(draw: Draw) -> Droplet:
        polar = math.pi / 2 - draw.angle(least_tilt, largest_tilt)
        return Droplet("sphere", _upper_half(draw), polar, draw.between(0.12, 0.2))

    return droplet


_SCENES: Mapping[str, tuple[int, Callable[[Draw], Droplet]]] = MappingProxyType(
    {
        "empty": (211, lambda draw: Droplet("nothing", draw.share(), 0.0)),
        "merged": (11, _merged),
        "round": (4889, _plain(0.91, 0.999)),
        "round bump": (293, _bump(_round_width)),
        "round layers": (41, _layers(0.91, 0.999)),
        "round newton": (378, _twins(*NEWTON_DISTANCES, _round_width)),
        "round double": (192, _twins(*DOUBLE_DISTANCES, _round_width)),
        "elliptical": (662, _plain(0.5, 0.88)),
        "elliptical bump": (40, _bump(_elliptical_width)),
        "elliptical layers": (6, _layers(0.5, 0.88)),
        "elliptical newton": (52, _twins(*NEWTON_DISTANCES, _elliptical_width)),
        "elliptical double": (26, _twins(*DOUBLE_DISTANCES, _elliptical_width)),
        "disc": (6, _disc(0, 8)),
        "tilted disc": (4, _disc(17, 22)),
        "prolate": (400, _capsule),
        "prolate bump": (23, _bump(Draw.slenderness)),
        "prolate newton": (30, _twins(*NEWTON_DISTANCES, Draw.slenderness)),
    }
)

SCENES: Mapping[str, int] = MappingProxyType({name: count for name, (count, _) in _SCENES.items()})
"""What is in the beam, and for how many of 7,264 images.

The sums over scenes are the counts of `msft.helium.labels.COUNTS`, but for one image that is neither round
nor elliptical there and round here. How features go together is not published: asymmetric, layered and
Newton rings are shared out in proportion to round, elliptical and prolate images (layered ones are never
prolate), double rings to round and elliptical ones, and no image has two of the four.
"""


def draw_scene(name: str, draw: Draw) -> Droplet:
    """A droplet of one of `SCENES`."""
    return _SCENES[name][1](draw)
