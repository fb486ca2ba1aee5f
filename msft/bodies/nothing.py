"""No body at all: what an empty frame shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import ChordedBody
from msft.bodies.shape import FloatArray, Shape


@dataclass(frozen=True)
class Nothing(ChordedBody):
    """Vacuum: the amplitude is 0 everywhere, whatever the radius."""

    name: str = "nothing"

    @property
    def volume(self) -> float:
        """0."""
        return 0.0

    @property
    def densities(self) -> tuple[float, ...]:
        """Of the one chord of length 0."""
        return (1.0,)

    @property
    def shape(self) -> Shape:
        """Empty; see `ChordedBody.shape`."""
        return Shape.of()

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Nowhere."""
        return np.zeros(points.shape[:-1], dtype=np.bool_)

    def density(
        self, x: FloatArray, y: FloatArray, z: FloatArray, rotation: FloatArray, radius: float
    ) -> NDArray[np.floating]:
        """0 everywhere; see `Body.density`."""
        return np.zeros((len(z), len(y), len(x)))

    def _stretched(self, factor: float) -> Nothing:
        return self
