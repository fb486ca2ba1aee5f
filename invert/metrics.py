"""How far estimates are from the truth: the papers' relative errors, angles up to symmetry, nanometres."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from msft.particle import Particles
from msft.symmetry import (
    component_ranges,
    misorientation,
    nearest_equivalent,
    random_orientations,
    to_fundamental_domain,
)

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Errors of N estimates.

    Attributes
    ----------
    relative
        |error| / range of the four quaternion components and the radius, shape (N, 5) (Stielow et al. 2020,
        appendix C).
    symmetric
        The same for that equivalent of the estimated orientation which is nearest to the truth, shape (N, 5):
        near the surface of the fundamental domain `relative` is large for orientations that hardly differ.
    orientation
        Smallest angle in degrees to an equivalent of the truth, shape (N,).
    radius
        |error| in nm, shape (N,).
    """

    relative: FloatArray
    symmetric: FloatArray
    orientation: FloatArray
    radius: FloatArray

    @property
    def mean(self) -> FloatArray:
        """The papers' mean error of each pattern, shape (N,)."""
        return np.asarray(self.relative.mean(axis=1))

    @property
    def maximum(self) -> FloatArray:
        """The papers' maximum error of each pattern, shape (N,)."""
        return np.asarray(self.relative.max(axis=1))


@dataclass(frozen=True)
class Summary:
    """Errors of a set of patterns in a few numbers; relative errors are fractions of the range."""

    patterns: int
    mean_relative_error: float
    mean_maximum_error: float
    mean_symmetric_error: float
    median_mean_error: float
    median_maximum_error: float
    orientation_median_degrees: float
    orientation_90_degrees: float
    orientation_99_degrees: float
    radius_median_nm: float
    radius_90_nm: float
    radius_99_nm: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return asdict(self)


def errors(estimate: Particles, truth: Particles, radius_range: tuple[float, float]) -> Errors:
    """Errors of estimates against the truth; `radius_range` in nm normalises the radius."""
    true = to_fundamental_domain(truth.orientation)
    component = np.abs(to_fundamental_domain(estimate.orientation) - true)
    nearest = np.abs(nearest_equivalent(estimate.orientation, true) - true)
    radius = np.abs(estimate.radius - truth.radius)
    angle = np.degrees(misorientation(estimate.orientation, truth.orientation))
    relative, symmetric = (_relative(part, radius, radius_range) for part in (component, nearest))
    return Errors(relative, symmetric, angle, radius)


def _relative(component: FloatArray, radius: FloatArray, radius_range: tuple[float, float]) -> FloatArray:
    """Deviations of the quaternion components (N, 4) and the radius (N,) over their ranges, shape (N, 5)."""
    low, high = component_ranges()
    span = (radius_range[1] - radius_range[0]) or 1.0
    return np.column_stack([component / (high - low), radius / span])


def summarise(result: Errors) -> Summary:
    """The summary of some errors."""
    orientation = np.quantile(result.orientation, [0.5, 0.9, 0.99])
    radius = np.quantile(result.radius, [0.5, 0.9, 0.99])
    return Summary(
        len(result.radius),
        float(result.mean.mean()),
        float(result.maximum.mean()),
        float(result.symmetric.mean()),
        float(np.median(result.mean)),
        float(np.median(result.maximum)),
        *map(float, orientation),
        *map(float, radius),
    )


def best_constant_guess(truth: Particles, radius_range: tuple[float, float]) -> Summary:
    """The smallest errors that one and the same answer for every pattern could reach.

    Relative errors and radii are smallest at the median of each component; the orientation is the best of
    50 random ones by the median angle. Each number is the best for itself, so no constant answer reaches
    them all at once.
    """
    component = to_fundamental_domain(truth.orientation)
    component = np.abs(component - np.median(component, axis=0))
    radius = np.abs(truth.radius - np.median(truth.radius))
    candidates = random_orientations(np.random.default_rng(0), 50)
    # one after the other: each takes 60 quaternions for every pattern
    angles = (np.degrees(misorientation(candidate, truth.orientation)) for candidate in candidates)
    angle = min(angles, key=np.median)
    relative = _relative(component, radius, radius_range)
    return summarise(Errors(relative, relative, angle, radius))
