"""Distributions of one number within a range, by their quantile functions: one uniform number, one value.

The range cuts them off: a normal distribution is the part of it that lies within, normalised again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

from msft.errors import ParameterError

SMALLEST_SHARE = 1e-6
"""Of a distribution that the range has to leave: with less, the range was hardly meant."""


@dataclass(frozen=True)
class Uniform:
    """Every value of the range alike."""

    kind = "uniform"

    def quantile(self, share: float, low: float, high: float) -> float:
        """The value below which a share of the distribution lies."""
        return low + (high - low) * share


@dataclass(frozen=True)
class LogUniform:
    """The logarithm uniform: as many values from 10 to 20 as from 20 to 40."""

    kind = "log-uniform"

    def quantile(self, share: float, low: float, high: float) -> float:
        """The value below which a share of the distribution lies."""
        return low * math.exp(share * math.log(high / low))


@dataclass(frozen=True)
class Normal:
    """The normal distribution.

    Parameters
    ----------
    mean, sigma
        Mean and standard deviation before the range cuts it.

    Raises
    ------
    ParameterError
        If `sigma` is not above 0.
    """

    mean: float
    sigma: float

    kind = "normal"

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean):
            raise ParameterError("mean", self.mean, "a finite number")
        _require_positive("sigma", self.sigma)

    def standard(self, value: float) -> float:
        """How far a value is from the middle, in standard deviations."""
        return (value - self.mean) / self.sigma

    def quantile(self, share: float, low: float, high: float) -> float:
        """The value below which a share of the distribution lies."""
        return self.mean + self.sigma * _normal_quantile(share, self.standard(low), self.standard(high))


@dataclass(frozen=True)
class LogNormal:
    """The logarithm normal, as sizes of clusters from condensation are.

    Parameters
    ----------
    median
        Half of the values lie below it before the range cuts them.
    sigma
        Standard deviation of the natural logarithm.

    Raises
    ------
    ParameterError
        If one of them is not above 0.
    """

    median: float
    sigma: float

    kind = "log-normal"

    def __post_init__(self) -> None:
        _require_positive("median", self.median)
        _require_positive("sigma", self.sigma)

    def standard(self, value: float) -> float:
        """How far a value is from the middle, in standard deviations of the logarithm."""
        return math.log(value / self.median) / self.sigma

    def quantile(self, share: float, low: float, high: float) -> float:
        """The value below which a share of the distribution lies."""
        deviations = _normal_quantile(share, self.standard(low), self.standard(high))
        return self.median * math.exp(self.sigma * deviations)


Distribution = Uniform | LogUniform | Normal | LogNormal


def check_within(field: str, distribution: Distribution, low: float, high: float) -> None:
    """Refuse a range that leaves nothing of a distribution.

    Raises
    ------
    ParameterError
        If less than `SMALLEST_SHARE` of it lies between `low` and `high`.
    """
    if not isinstance(distribution, Normal | LogNormal):
        return
    below, above = (ndtr(distribution.standard(end)) for end in (low, high))
    if low < high and abs(above - below) < SMALLEST_SHARE:
        raise ParameterError(field, distribution, f"one that lies partly within {low:g} to {high:g}")


def _normal_quantile(share: float, low: float, high: float) -> float:
    """Of the standard normal distribution between two values; in the tail where numbers are finest."""
    if low > 0:
        return -_normal_quantile(1 - share, -high, -low)
    below = ndtr(low)
    return min(max(float(ndtri(below + share * (ndtr(high) - below))), low), high)


def _require_positive(field: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise ParameterError(field, value, "a number above 0")
