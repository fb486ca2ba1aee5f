"""Particles as the numbers that a network regresses, and back.

The two targets share one interface: `size`, `encode`, `decode`, and for the views of an image in several
symmetries of the square (`invert.dihedral`) `views` and `joined`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from invert import icosahedral_code
from invert.dihedral import HALF_TURN, TURNS
from msft.rotation import canonical, conjugate, multiply
from msft.symmetry import component_ranges, misorientation, to_fundamental_domain

FloatArray = NDArray[np.float64]
TargetName = Literal["vector", "code"]

RADIUS_WEIGHT = 12.0
"""What the radius's range is scaled to, beside the 13 numbers of the orientation, none of which exceeds 1.
With the smooth loss, 12 gave smaller errors in radius than 6, and not much larger ones in orientation."""


class Joined(NamedTuple):
    """What the views of N images say together.

    Attributes
    ----------
    numbers
        As of one image each, shape (N, size).
    spread
        How far the views' answers are from that, rms: in nm and in radians, shape (N, 2).
    """

    numbers: FloatArray
    spread: FloatArray


def _scale(value: FloatArray, low: float, high: float) -> FloatArray:
    return (value - low) / _span(low, high)


def _unscale(value: FloatArray, low: float, high: float) -> FloatArray:
    return low + value * _span(low, high)


def _span(low: float, high: float) -> float:
    """Of the radii, in nm; of one radius alone, 1."""
    return (high - low) or 1.0


@dataclass(frozen=True)
class VectorTarget:
    """The papers' five numbers: the quaternion in the fundamental domain, and the radius.

    The radius and the real part of the quaternion are scaled to [0, 1] (Stielow et al. 2020, appendix C).

    Parameters
    ----------
    radius_range
        Smallest and largest radius in nm.
    """

    radius_range: tuple[float, float]

    size = 5

    def encode(self, radius: FloatArray, orientation: FloatArray) -> FloatArray:
        """Numbers (N, 5) of radii (N,) in nm and quaternions (N, 4) in the fundamental domain."""
        low, high = component_ranges()[:, 0]
        return np.column_stack(
            [_scale(orientation[:, 0], low, high), orientation[:, 1:], _scale(radius, *self.radius_range)]
        )

    def decode(self, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Radii (N,) in nm and quaternions (N, 4) in the fundamental domain of numbers (N, 5)."""
        low, high = component_ranges()[:, 0]
        quaternion = np.column_stack([_unscale(numbers[:, 0], low, high), numbers[:, 1:4]])
        norm = np.linalg.norm(quaternion, axis=1, keepdims=True)
        quaternion = np.where(norm > 1e-9, quaternion / np.maximum(norm, 1e-9), [1.0, 0.0, 0.0, 0.0])
        return _radius(numbers[:, 4], self.radius_range), to_fundamental_domain(canonical(quaternion))

    def views(self, symmetries: int) -> list[int]:
        """As it is and turned by half a turn: the means of numbers that jump are none."""
        return [0, HALF_TURN]

    def joined(self, numbers: FloatArray, views: list[int]) -> Joined:
        """The numbers (V, N, 5) of the first view, and how far the others are from it."""
        radius, orientation = self.decode(numbers.reshape(-1, 5))
        radius, orientation = radius.reshape(len(views), -1), orientation.reshape(len(views), -1, 4)
        back = multiply(conjugate(TURNS[views])[:, None], orientation)
        squares = [(radius - radius[0]) ** 2, misorientation(back[:1], back) ** 2]
        return Joined(numbers[0], np.sqrt([square[1:].mean(axis=0) for square in squares]).T)


@dataclass(frozen=True)
class CodeTarget:
    """Fourteen numbers: the 13-dimensional icosahedral code of the orientation, and the scaled radius.

    The radius is scaled to [0, `RADIUS_WEIGHT`], so that the loss does not drown it among the 13 numbers
    of the orientation.

    Parameters
    ----------
    radius_range
        Smallest and largest radius in nm.
    """

    radius_range: tuple[float, float]

    size = icosahedral_code.SIZE + 1

    def encode(self, radius: FloatArray, orientation: FloatArray) -> FloatArray:
        """Numbers (N, 14) of radii (N,) in nm and quaternions (N, 4)."""
        scaled = RADIUS_WEIGHT * _scale(radius, *self.radius_range)
        return np.column_stack([icosahedral_code.encode(orientation), scaled])

    def decode(self, numbers: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Radii (N,) in nm and quaternions (N, 4) in the fundamental domain of numbers (N, 14)."""
        radius = _radius(numbers[:, -1] / RADIUS_WEIGHT, self.radius_range)
        return radius, icosahedral_code.decode(numbers[:, :-1])

    def views(self, symmetries: int) -> list[int]:
        """All symmetries."""
        return list(range(symmetries))

    def joined(self, numbers: FloatArray, views: list[int]) -> Joined:
        """The mean of numbers (V, N, 14) whose codes are turned back, and how far they are from it."""
        codes = numbers[..., :-1] @ np.swapaxes(self._turnings[views], 1, 2)
        back = np.concatenate([codes, numbers[..., -1:]], axis=-1)
        mean = back.mean(axis=0)
        away = ((back - mean) ** 2).mean(axis=0)
        width = _span(*self.radius_range) / RADIUS_WEIGHT
        angle = np.sqrt(away[:, :-1].sum(axis=1)) / icosahedral_code.slope()
        return Joined(mean, np.column_stack([width * np.sqrt(away[:, -1]), angle]))

    @cached_property
    def _turnings(self) -> FloatArray:
        return np.array([icosahedral_code.turning(turn) for turn in TURNS])


Target = VectorTarget | CodeTarget


def _radius(scaled: FloatArray, radius_range: tuple[float, float]) -> FloatArray:
    # a network may answer anything; a particle needs a size
    return np.maximum(_unscale(scaled, *radius_range), 1e-3 * radius_range[0])


def target_named(name: TargetName, radius_range: tuple[float, float]) -> Target:
    """The target of that name."""
    return VectorTarget(radius_range) if name == "vector" else CodeTarget(radius_range)
