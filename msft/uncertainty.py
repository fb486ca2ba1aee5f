"""Optics that differ a little from pattern to pattern: wavelength jitter, constants known to some digits."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from msft.errors import ParameterError
from msft.optics import Optics
from msft.seeding import generator_of

FARTHEST = 3.0
"""Standard deviations at which the normal distributions are cut off."""


@dataclass(frozen=True)
class Uncertainty:
    """Standard deviations of what `Optics` holds; 0 keeps a value as it is.

    The values are normally distributed around those of the optics and drawn again where they are more than
    three standard deviations off.

    Parameters
    ----------
    wavelength, absorption_length
        In nm.
    delta, beta
        Of the index n = 1 - delta + i beta.

    Raises
    ------
    ParameterError
        If one is below 0 or not finite.
    """

    wavelength: float = 0.0
    absorption_length: float = 0.0
    delta: float = 0.0
    beta: float = 0.0

    kind = "normal"

    def __post_init__(self) -> None:
        for field in fields(self):
            sigma = getattr(self, field.name)
            if not (np.isfinite(sigma) and sigma >= 0):
                raise ParameterError(f"uncertainty.{field.name}", sigma, "a standard deviation of 0 or more")

    @property
    def varying(self) -> tuple[str, ...]:
        """Names of what differs from pattern to pattern."""
        return tuple(field.name for field in fields(self) if getattr(self, field.name) > 0)

    def extremes(self, optics: Optics) -> list[Optics]:
        """The optics whose values are each farthest below or farthest above, in every combination.

        Raises
        ------
        ParameterError
            If one of them is impossible.
        """
        found = []
        for sides in product((-FARTHEST, FARTHEST), repeat=len(self.varying)):
            values = {
                name: getattr(optics, name) + side * getattr(self, name)
                for name, side in zip(self.varying, sides, strict=True)
            }
            try:
                found.append(replace(optics, **values))
            except ParameterError as error:
                value = getattr(self, error.field)
                reach = f"{value:g}, which reaches {error.value:g}"
                raise ParameterError(f"uncertainty.{error.field}", reach, error.allowed) from None
        return found

    def draw(
        self, optics: Optics, seed: int, indices: NDArray[np.int64] | range
    ) -> dict[str, NDArray[np.float64]]:
        """Values (n,) of what varies, for patterns number `indices`: each depends on (seed, index) alone."""
        values = {name: np.empty(len(indices)) for name in self.varying}
        for row, index in enumerate(indices) if values else ():
            # another stream than the particle's, which is the same with and without uncertainty
            generator = generator_of(seed, int(index), 1)
            for name, column in values.items():
                column[row] = getattr(optics, name) + getattr(self, name) * _normal_within(generator)
        return values


def _normal_within(generator: np.random.Generator) -> float:
    while abs(value := generator.standard_normal()) > FARTHEST:
        pass
    return float(value)
