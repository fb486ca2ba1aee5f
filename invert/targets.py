"""Particles as the numbers that a network regresses, and back.

The two targets share one interface: `size`, `encode` and `decode`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from invert import icosahedral_code
from msft.rotation import canonical
from msft.symmetry import component_ranges, to_fundamental_domain

FloatArray = NDArray[np.float64]
TargetName = Literal["vector", "code"]

RADIUS_WEIGHT = 12.0
"""What the radius's range is scaled to, beside the 13 numbers of the orientation, none of which exceeds 1.
With the smooth loss, 12 gave smaller errors in radius than 6, and not much larger ones in orientation."""


def _scale(value: FloatArray, low: float, high: float) -> FloatArray:
    return (value - low) / ((high - low) or 1.0)


def _unscale(value: FloatArray, low: float, high: float) -> FloatArray:
    return low + value * ((high - low) or 1.0)


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


Target = VectorTarget | CodeTarget


def _radius(scaled: FloatArray, radius_range: tuple[float, float]) -> FloatArray:
    # a network may answer anything; a particle needs a size
    return np.maximum(_unscale(scaled, *radius_range), 1e-3 * radius_range[0])


def target_named(name: TargetName, radius_range: tuple[float, float]) -> Target:
    """The target of that name."""
    return VectorTarget(radius_range) if name == "vector" else CodeTarget(radius_range)
