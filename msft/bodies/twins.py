"""Two droplets, one before the other along the body's z axis: apart, touching or merged."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import HomogeneousBody
from msft.bodies.creases import ring
from msft.bodies.dumbbell import farthest
from msft.bodies.ellipsoid import Ellipsoid
from msft.bodies.shape import UNION, FloatArray, Shape
from msft.errors import ParameterError

APART = 6.0
"""Distance in largest semi-axes from which each droplet scatters the whole beam.

Nearer ones shadow each other along geometric columns, as the solvers have it. The shadow of a radius a fades
over a^2 / wavelength, which is 6 radii for a = 300 nm at 50 nm.
"""


@dataclass(frozen=True)
class Twins(HomogeneousBody):
    """Two ellipsoids of one shape and orientation, centred on the z axis, the second at larger z.

    Lengths may be given in any unit: they are scaled to circumsphere radius 1. The origin is the middle
    between the outermost points on the z axis.

    Parameters
    ----------
    distance
        From centre to centre.
    second
        Size of the second over that of the first, above 0 and at most 1.
    semi_axes
        Of the first, along x, y, z.
    name
        Name of the body.

    Raises
    ------
    ParameterError
        If a length is not above 0, or the second does not stand out beyond the first along z.
    """

    distance: float = 3.0
    second: float = 0.8
    semi_axes: tuple[float, float, float] = (1.0, 1.0, 1.0)
    name: str = "twins"

    def __post_init__(self) -> None:
        first = Ellipsoid(self.semi_axes)  # refuses what is no ellipsoid
        if not 0 < self.second <= 1:
            raise ParameterError("second", self.second, "above 0 and at most 1, in sizes of the first")
        nearest = self.semi_axes[2] * (1 - self.second)
        if not (math.isfinite(self.distance) and self.distance > nearest):
            raise ParameterError(
                "distance", self.distance, f"above {nearest:g}, or the first hides the other"
            )
        across, along = max(self.semi_axes[:2]), self.semi_axes[2]
        lower = (self.distance - nearest) / 2
        reach = max(
            farthest(lower, across, along),
            farthest(self.distance - lower, across * self.second, along * self.second),
        )
        a, b, c = (first.semi_axes[i] * max(self.semi_axes) / reach for i in range(3))
        object.__setattr__(self, "semi_axes", (a, b, c))
        object.__setattr__(self, "distance", self.distance / reach)

    @property
    def centres(self) -> tuple[float, float]:
        """Positions of the two centres on the z axis."""
        lower = (self.distance - self.semi_axes[2] * (1 - self.second)) / 2
        return -lower, self.distance - lower

    @property
    def sizes(self) -> tuple[float, float]:
        """The largest semi-axis of each."""
        return max(self.semi_axes), self.second * max(self.semi_axes)

    @property
    def droplet(self) -> Ellipsoid:
        """One of them, at unit circumsphere radius."""
        return Ellipsoid(self.semi_axes)

    @property
    def apart(self) -> bool:
        """Whether they are so far from each other that neither stands in the other's shadow; see `APART`."""
        return self.distance > APART * self.sizes[0]

    @property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        # in units of the semi-axes: unit sphere and sphere of radius r at distance d, less their lens
        r, d = self.second, self.distance / self.semi_axes[2]
        lens = 0.0
        if d < 1 + r:
            lens = math.pi * (1 + r - d) ** 2 * (d * d + 2 * d * (1 + r) - 3 * (1 - r) ** 2) / (12 * d)
        return math.prod(self.semi_axes) * (4 * math.pi / 3 * (1 + r**3) - lens)

    @property
    def shape(self) -> Shape:
        """Both droplets and their silhouettes, and where they meet; see `ChordedBody.shape`."""
        axes = np.array(self.semi_axes)
        solids = np.array(
            [[centre, *(size * axes)] for centre, size in zip(self.centres, (1.0, self.second), strict=True)]
        )
        # in units of the semi-axes, spheres of radius 1 and r at distance d meet in a circle at this height
        r, d = self.second, self.distance / axes[2]
        height = (d * d + 1 - r * r) / (2 * d)
        if abs(height) >= 1:
            return Shape.of(UNION, ellipsoids=solids, silhouettes=np.pad(solids, ((0, 0), (0, 2))))
        width, plane = math.sqrt(1 - height**2), self.centres[0] + height * axes[2]
        return Shape.of(
            UNION,
            ellipsoids=solids,
            curves=ring(plane, width * axes[0], width * axes[1]),
            silhouettes=np.column_stack([solids, [-1.0, 1.0], [plane, plane]]),
        )

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        local = points @ rotation / radius
        inside = [
            (((local - [0, 0, centre]) / (size * np.array(self.semi_axes))) ** 2).sum(axis=-1) <= 1
            for centre, size in zip(self.centres, (1.0, self.second), strict=True)
        ]
        return np.asarray(inside[0] | inside[1])

    def _stretched(self, factor: float) -> Twins:
        a, b, c = self.semi_axes
        return Twins(self.distance * factor, self.second, (a, b, c * factor), self.name)
