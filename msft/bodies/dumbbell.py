"""Two lobes joined by a neck: dumbbells, and capsules, whose neck is as wide as the lobes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import HomogeneousBody
from msft.bodies.creases import ring
from msft.bodies.shape import HULL, UNION, FloatArray, Shape
from msft.errors import ParameterError


@dataclass(frozen=True)
class Dumbbell(HomogeneousBody):
    """Two equal lobes centred on the z axis, and a cylinder around that axis from centre to centre.

    Lengths may be given in any unit: they are scaled to circumsphere radius 1.

    Parameters
    ----------
    half_distance
        From the origin to the centre of a lobe, above 0.
    lobe_radius
        Of the lobes across the axis, above 0.
    neck_radius
        Of the cylinder, 0 (none) to `lobe_radius` (a capsule).
    lobe_height
        Semi-axis of the lobes along the axis; 0 means `lobe_radius`, a sphere.
    name
        Name of the body.

    Raises
    ------
    ParameterError
        If a length is outside its range.
    """

    half_distance: float = 0.5
    lobe_radius: float = 0.5
    neck_radius: float = 0.25
    lobe_height: float = 0.0
    name: str = "dumbbell"

    def __post_init__(self) -> None:
        height = self.lobe_height or self.lobe_radius
        for field, value in (
            ("half_distance", self.half_distance),
            ("lobe_radius", self.lobe_radius),
            ("lobe_height", height),
        ):
            if not (math.isfinite(value) and value > 0):
                raise ParameterError(field, value, "a length above 0")
        if not 0 <= self.neck_radius <= self.lobe_radius:
            raise ParameterError("neck_radius", self.neck_radius, f"0 to the lobes' {self.lobe_radius:g}")
        scale = 1 / farthest(self.half_distance, self.lobe_radius, height)
        for field in ("half_distance", "lobe_radius", "neck_radius"):
            object.__setattr__(self, field, getattr(self, field) * scale)
        object.__setattr__(self, "lobe_height", height * scale)

    @property
    def volume(self) -> float:
        """Volume at unit circumsphere radius."""
        h, c, r = self.half_distance, self.lobe_height, self.lobe_radius
        # a half of the body, z > 0: the lobe, its part below z = 0 missing, and the neck outside the lobe
        missing = max(0.0, 1 - h / c)
        lobe = math.pi * r**2 * c * (4 / 3 - missing**2 * (3 - missing) / 3)
        rim = c * math.sqrt(max(0.0, 1 - (self.neck_radius / r) ** 2))  # where the neck leaves the lobe
        neck = 0.0
        if rim < h:
            # the cylinder down from the rim, less the lobe's cap that reaches into it
            cap = 1 - rim / c
            inside = min(h / c, 1.0)
            buried = math.pi * r**2 * c * ((inside - inside**3 / 3) - ((1 - cap) - (1 - cap) ** 3 / 3))
            neck = math.pi * self.neck_radius**2 * (h - rim) - buried
        return 2 * (lobe + neck)

    @property
    def shape(self) -> Shape:
        """Lobes and neck, their outlines, and the rings where they meet; see `ChordedBody.shape`.

        The lobes of a capsule meet its neck without a gap, so that it has one chord.
        """
        h, r, neck = self.half_distance, self.lobe_radius, self.neck_radius
        lobes = np.array([[side * h, r, r, self.lobe_height] for side in (-1.0, 1.0)])
        end = h - self.lobe_height * math.sqrt(max(0.0, 1 - (neck / r) ** 2))
        curves, sides, seen_from = [], [], 0.0
        if end > 0 and neck > 0:
            seen_from = end
            curves = [ring(height, neck, neck) for height in (-end, end)]
            sides = [neck, end]
        elif h < self.lobe_height:
            width = r * math.sqrt(1 - (h / self.lobe_height) ** 2)
            curves = [ring(0.0, width, width)]
        return Shape.of(
            UNION if neck < r else HULL,
            ellipsoids=lobes,
            cylinders=[neck, h],
            curves=curves,
            sides=sides,
            silhouettes=np.column_stack([lobes, [-1.0, 1.0], [-seen_from, seen_from]]),
        )

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie inside."""
        local = points @ rotation / radius
        across, along = (local[..., :2] ** 2).sum(axis=-1), np.abs(local[..., 2])
        lobe = across / self.lobe_radius**2 + ((along - self.half_distance) / self.lobe_height) ** 2 <= 1
        neck = (across <= self.neck_radius**2) & (along <= self.half_distance)
        return np.asarray(lobe | neck)

    def _stretched(self, factor: float) -> Dumbbell:
        return Dumbbell(
            self.half_distance * factor,
            self.lobe_radius,
            self.neck_radius,
            self.lobe_height * factor,
            self.name,
        )


def farthest(half_distance: float, lobe_radius: float, lobe_height: float) -> float:
    """The largest distance of a point of the lobe r sin t, h + c cos t from the origin, h >= 0."""
    if lobe_height < lobe_radius:
        # the derivative vanishes at cos t = h c / (r^2 - c^2)
        cosine = min(1.0, half_distance * lobe_height / (lobe_radius**2 - lobe_height**2))
    else:
        cosine = 1.0
    return math.hypot(lobe_radius * math.sqrt(1 - cosine**2), half_distance + lobe_height * cosine)


def capsule(length: float = 2.0, name: str = "capsule") -> Dumbbell:
    """A cylinder with hemispherical caps.

    Parameters
    ----------
    length
        From tip to tip in units of the diameter, above 1.
    name
        Name of the body.

    Raises
    ------
    ParameterError
        If the length is not above 1.
    """
    if not (math.isfinite(length) and length > 1):
        raise ParameterError("length", length, "more than one diameter from tip to tip")
    return Dumbbell(length - 1, 1.0, 1.0, name=name)
