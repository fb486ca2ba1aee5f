"""A spheroid with an inner spheroid of another density: shells, bubbles, grains off the centre."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import ChordedBody, grid_points
from msft.bodies.shape import NESTED, FloatArray, Shape
from msft.errors import ParameterError

DENSEST = 10.0
"""Largest inner density: beyond, the index is far from what the outer one's says."""


@dataclass(frozen=True)
class Layered(ChordedBody):
    """A sphere around the origin, and within it a sphere of another density with its centre on the z axis.

    Stretched, both become spheroids of one shape.

    Parameters
    ----------
    inner_radius
        In outer radii, above 0 and below 1.
    inner_density
        In outer densities, 0 (a bubble) to 10.
    offset
        Of the inner centre in outer radii, 0 or more; the inner sphere stays inside.
    height
        Semi-axis along z of what was the outer sphere, in radii across.
    name
        Name of the body.

    Raises
    ------
    ParameterError
        If a number is outside its range.
    """

    inner_radius: float = 0.5
    inner_density: float = 0.0
    offset: float = 0.0
    height: float = 1.0
    name: str = "layered"

    def __post_init__(self) -> None:
        if not 0 < self.inner_radius < 1:
            raise ParameterError("inner_radius", self.inner_radius, "above 0 and below 1, in outer radii")
        if not 0 <= self.inner_density <= DENSEST:
            raise ParameterError("inner_density", self.inner_density, f"0 to {DENSEST:g}, in outer densities")
        if not 0 <= self.offset <= 1 - self.inner_radius:
            raise ParameterError("offset", self.offset, f"0 to {1 - self.inner_radius:g}, in outer radii")
        if not (math.isfinite(self.height) and self.height > 0):
            raise ParameterError("height", self.height, "a length above 0")

    @property
    def semi_axes(self) -> tuple[float, float, float]:
        """Of the outer spheroid, at unit circumsphere radius."""
        scale = 1 / max(1.0, self.height)
        return scale, scale, scale * self.height

    @property
    def volume(self) -> float:
        """Integral of the density at unit circumsphere radius."""
        whole = 4 * math.pi / 3 * math.prod(self.semi_axes)
        return whole * (1 + self.inner_radius**3 * (self.inner_density - 1))

    @property
    def densities(self) -> tuple[float, ...]:
        """Of the three chords: before, within and behind the inner spheroid."""
        return 1.0, self.inner_density, 1.0

    @property
    def shape(self) -> Shape:
        """Both spheroids and their silhouettes; see `ChordedBody.shape`."""
        outer = np.array([0.0, *self.semi_axes])
        inner = np.array([self.offset * outer[3], *(self.inner_radius * outer[1:])])
        solids = np.stack([outer, inner])
        return Shape.of(NESTED, ellipsoids=solids, silhouettes=np.pad(solids, ((0, 0), (0, 2))))

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside the outer spheroid."""
        return np.asarray(self._squared(points, rotation, radius, 0.0) <= 1)

    def density(
        self, x: FloatArray, y: FloatArray, z: FloatArray, rotation: FloatArray, radius: float
    ) -> NDArray[np.floating]:
        """Outside 0, in the outer layer 1, and the inner density; see `Body.density`."""
        points = grid_points(x, y, z)
        inner = self._squared(points, rotation, radius, self.offset) <= self.inner_radius**2
        outer = self.contains(points, rotation, radius).astype(np.float64)
        return np.asarray(np.where(inner, self.inner_density, outer))

    def _squared(
        self, points: FloatArray, rotation: FloatArray, radius: float, offset: float
    ) -> NDArray[np.float64]:
        """Squared distances of points from a centre on the z axis, in semi-axes of the outer spheroid."""
        local = points @ rotation / (radius * np.array(self.semi_axes)) - [0, 0, offset]
        return np.asarray((local**2).sum(axis=-1))

    def _stretched(self, factor: float) -> Layered:
        return Layered(self.inner_radius, self.inner_density, self.offset, self.height * factor, self.name)
