"""Ellipsoids."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import ConvexBody
from msft.bodies.shape import FloatArray, Shape
from msft.errors import ParameterError


@dataclass(frozen=True)
class Ellipsoid(ConvexBody):
    """An ellipsoid with axes along x, y, z of its frame.

    Parameters
    ----------
    semi_axes
        In any unit: they are scaled so that the largest is 1.
    name
        Name of the body.

    Raises
    ------
    ParameterError
        If a semi-axis is not above 0.
    """

    semi_axes: tuple[float, float, float] = (1.0, 0.8, 0.6)
    name: str = "ellipsoid"

    def __post_init__(self) -> None:
        if len(self.semi_axes) != 3 or not all(math.isfinite(a) and a > 0 for a in self.semi_axes):
            raise ParameterError("semi_axes", self.semi_axes, "three lengths above 0")
        a, b, c = (axis / max(self.semi_axes) for axis in self.semi_axes)
        object.__setattr__(self, "semi_axes", (a, b, c))

    @property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        return 4 * math.pi / 3 * math.prod(self.semi_axes)

    @property
    def shape(self) -> Shape:
        """One solid and its silhouette; see `ChordedBody.shape`."""
        solid = [0.0, *self.semi_axes]
        return Shape.of(ellipsoids=solid, silhouettes=[*solid, 0.0, 0.0])

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        return np.asarray(((points @ rotation / (radius * np.array(self.semi_axes))) ** 2).sum(axis=-1) <= 1)

    def _stretched(self, factor: float) -> Ellipsoid:
        a, b, c = self.semi_axes
        return Ellipsoid((a, b, c * factor), self.name)
