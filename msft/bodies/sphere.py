"""The sphere: the body that Mie theory and closed forms know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import ConvexBody
from msft.bodies.ellipsoid import Ellipsoid
from msft.bodies.shape import FloatArray, Shape


@dataclass(frozen=True)
class Sphere(ConvexBody):
    """A sphere of unit radius."""

    name: str = "sphere"

    @property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        return 4 * np.pi / 3

    @property
    def shape(self) -> Shape:
        """Of an ellipsoid; see `Ellipsoid.shape`."""
        return Ellipsoid((1.0, 1.0, 1.0)).shape

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        return np.asarray((points**2).sum(axis=-1) <= radius**2)

    def _stretched(self, factor: float) -> Ellipsoid:
        return Ellipsoid((1.0, 1.0, factor), self.name)
