"""Particles: a body with a size and an orientation; and how random ones are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.bodies import named
from msft.errors import ParameterError
from msft.rotation import as_quaternions
from msft.symmetry import random_orientations

LARGEST_RADIUS = 1e4
"""In nm; what is larger was given in another unit."""


@dataclass(frozen=True, eq=False)
class Particles:
    """N particles of one body.

    Parameters
    ----------
    radius
        Circumsphere radii in nm, shape (N,) or a number.
    orientation
        Quaternions w, x, y, z, shape (N, 4) or (4,), of any norm above 0; or numpy-quaternion objects. Kept
        as unit quaternions with w >= 0.
    body
        Name of the body.

    Raises
    ------
    ParameterError
        If a radius, an orientation or the body is not usable, or their numbers differ.
    """

    radius: Any
    orientation: Any
    body: str = "icosahedron"

    def __post_init__(self) -> None:
        named(self.body)
        radius = np.atleast_1d(np.asarray(self.radius, dtype=np.float64))
        orientation = np.atleast_2d(as_quaternions(self.orientation))
        wrong = radius[~((radius > 0) & (radius <= LARGEST_RADIUS))]
        if wrong.size:
            raise ParameterError("radius", wrong[0], f"above 0 and at most {LARGEST_RADIUS:g}, in nm")
        if radius.ndim != 1 or orientation.shape != (radius.size, 4):
            raise ParameterError(
                "orientation", f"shape {orientation.shape}", f"one quaternion per radius: ({radius.size}, 4)"
            )
        object.__setattr__(self, "radius", radius)
        object.__setattr__(self, "orientation", orientation)

    def __len__(self) -> int:
        """The number of particles."""
        return len(self.radius)

    def __getitem__(self, rows: slice) -> Particles:
        """Some of the particles."""
        return Particles(self.radius[rows], self.orientation[rows], self.body)


@dataclass(frozen=True)
class ParticleDistribution:
    """Random particles: radius uniform in a range, orientation uniform in the fundamental domain.

    The defaults are those of Stielow et al. 2020, appendix B.

    Parameters
    ----------
    radius_range
        Smallest and largest circumsphere radius in nm.
    body
        Name of the body.

    Raises
    ------
    ParameterError
        If the range is reversed or leaves (0, 10000] nm, or no body has the name.
    """

    radius_range: tuple[float, float] = (30.0, 160.0)
    body: str = "icosahedron"

    def __post_init__(self) -> None:
        low, high = self.radius_range
        if not (math.isfinite(low) and math.isfinite(high) and 0 < low <= high <= LARGEST_RADIUS):
            raise ParameterError(
                "radius_range", f"{low:g} to {high:g}", f"0 < low <= high <= {LARGEST_RADIUS:g}, in nm"
            )
        named(self.body)

    def draw(self, seed: int, indices: NDArray[np.int64] | range) -> Particles:
        """Particles number `indices` of the sequence of a seed: each depends on (seed, index) alone."""
        radius = np.empty(len(indices))
        orientation = np.empty((len(indices), 4))
        for row, index in enumerate(indices):
            generator = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(int(index),)))
            radius[row] = generator.uniform(*self.radius_range)
            orientation[row] = random_orientations(generator, 1)[0]
        return Particles(radius, orientation, self.body)
