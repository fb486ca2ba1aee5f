"""Random helium droplets, as often of each kind as in the images of Zimmermann et al. 2019."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Twins, named
from msft.distribution import Distribution, Uniform, check_within
from msft.errors import ParameterError
from msft.helium.labels import NAMES
from msft.helium.scenes import LARGEST_TWIN, LONGEST_NAME, NEWTON_DISTANCES, SCENES, Draw, Droplet, draw_scene
from msft.particle import LARGEST_RADIUS, SMALLEST_RADIUS, Particles
from msft.rotation import canonical, from_rotation_vector, multiply
from msft.seeding import generator_of


@dataclass(frozen=True)
class Droplets:
    """Random helium droplets and empty frames.

    Parameters
    ----------
    radius_range
        Smallest and largest half length of a droplet in nm. Two droplets apart have at most `LARGEST_TWIN`
        each, or the smallest radius, if that is larger.
    radius
        How it is distributed within its range.
    scenes
        Relative frequencies of scenes, by their names in `SCENES`; those not named do not occur. By default
        those of the paper.

    Raises
    ------
    ParameterError
        If the range is reversed or below 0.1 nm, or so large that two droplets apart leave the largest
        circumsphere, 10000 nm; or a scene is unknown, or none can be drawn.
    """

    radius_range: tuple[float, float] = (100.0, 300.0)
    radius: Distribution = field(default_factory=Uniform)
    scenes: dict[str, float] = field(default_factory=lambda: {name: float(n) for name, n in SCENES.items()})

    kind = "helium"

    def __post_init__(self) -> None:
        low, high = self.radius_range
        # two droplets that far apart are one particle, whose circumsphere must be a radius, too
        largest = LARGEST_RADIUS / NEWTON_DISTANCES[1]
        if not SMALLEST_RADIUS <= low <= high <= largest:
            allowed = f"{SMALLEST_RADIUS:g} <= low <= high <= {largest:g}, in nm"
            raise ParameterError("radius_range", f"{low:g} to {high:g}", allowed)
        check_within("radius", self.radius, low, high)
        for name, weight in self.scenes.items():
            if name not in SCENES:
                raise ParameterError("scenes", repr(name), "one of " + ", ".join(SCENES))
            if not (math.isfinite(weight) and weight >= 0):
                raise ParameterError(f"scenes.{name}", weight, "a weight of 0 or more")
        if not sum(self.scenes.values()) > 0:
            raise ParameterError("scenes", "no weight above 0", "a scene that occurs")

    @property
    def longest_name(self) -> int:
        """Bytes of the longest name of a body."""
        return LONGEST_NAME

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the labels that the particles have."""
        return NAMES

    @property
    def title(self) -> str:
        """What is drawn, in a word or two."""
        return "helium droplets"

    def corners(self) -> Particles:
        """Particles at the ends of all ranges: who can simulate them can simulate any."""
        radius = self.radius_range[1]
        bodies = ["sphere", "capsule(3.5)", "layered(0.8,3)", "twins(1.4,0.9)", "nothing"]
        return Particles([radius] * len(bodies), [[1.0, 0, 0, 0]] * len(bodies), bodies)

    def draw(self, seed: int, indices: NDArray[np.int64] | range) -> Particles:
        """Particles number `indices` of the sequence of a seed: each depends on (seed, index) alone."""
        names = [name for name, weight in self.scenes.items() if weight > 0]
        edges = np.cumsum([self.scenes[name] for name in names])
        radius, stretch = np.empty(len(indices)), np.empty(len(indices))
        orientation, bodies = np.empty((len(indices), 4)), []
        for row, index in enumerate(indices):
            draw = Draw(generator_of(seed, int(index)))
            scene = names[int(np.searchsorted(edges, edges[-1] * draw.share(), side="right"))]
            azimuth = draw.angle(0, 360)
            droplet = draw_scene(scene, draw)
            radius[row], stretch[row] = self._circumsphere(droplet), droplet.stretch
            orientation[row] = _orientation(droplet, azimuth)
            bodies.append(droplet.body)
        return Particles(radius, orientation, bodies or "sphere", stretch)

    def _circumsphere(self, droplet: Droplet) -> float:
        """Radius in nm of the sphere that holds all of a droplet, or two of them."""
        low, high = self.radius_range
        body = named(droplet.body)
        if not isinstance(body, Twins):
            return self.radius.quantile(droplet.share, low, high)
        largest = max(low, min(high, LARGEST_TWIN)) if body.apart else high
        return self.radius.quantile(droplet.share, low, largest) / body.sizes[0]


def _orientation(droplet: Droplet, azimuth: float) -> NDArray[np.float64]:
    """The body turned about its z axis, leaned from the beam, and turned about the beam."""
    turns = from_rotation_vector(
        np.array([[0, 0, azimuth], [0, droplet.polar, 0], [0, 0, droplet.spin]], dtype=np.float64)
    )
    return canonical(multiply(turns[0], multiply(turns[1], turns[2])))
