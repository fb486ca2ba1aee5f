"""The sphere: the body that Mie theory and closed forms know."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import ConvexBody, FloatArray
from msft.bodies.creases import Creases, silhouette
from msft.bodies.ellipsoid import Ellipsoid


@dataclass(frozen=True)
class Sphere(ConvexBody):
    """A sphere of unit radius."""

    name: str = "sphere"

    @property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        return 4 * np.pi / 3

    def columns(
        self, x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float
    ) -> tuple[FloatArray, FloatArray]:
        """Where the beam enters and leaves; see `ConvexBody.columns`."""
        half_chord = np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0.0))
        return -half_chord, half_chord

    def creases(self, direction: FloatArray) -> Creases:
        """The silhouette; see `ConvexBody.creases`."""
        return Creases.of(silhouette(np.ones(3), 0.0, direction))

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        return np.asarray((points**2).sum(axis=-1) <= radius**2)

    def _stretched(self, factor: float) -> Ellipsoid:
        return Ellipsoid((1.0, 1.0, factor), self.name)
