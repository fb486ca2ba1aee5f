"""Light for helium: photon energies over a range, each with the refractive index that belongs to it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from msft.distribution import Distribution, Uniform, check_within
from msft.errors import ParameterError
from msft.helium.index import HIGHEST_ENERGY, LINES, LOWEST_ENERGY, refractive_index
from msft.optics import Optics
from msft.seeding import generator_of
from msft.units import wavelength_of_electronvolts

WITHIN_BAND = tuple(eighth / 8 for eighth in range(-4, 5))
"""Energies from the middle of a band, in units of its width, that show how far the index is from 1 there."""


@dataclass(frozen=True)
class HeliumLight:
    """Photon energies that differ from pattern to pattern; wavelength and index follow from them.

    Parameters
    ----------
    energy_range
        Smallest and largest photon energy in eV; by default those of Zimmermann et al. 2019.
    energy
        How energies are distributed within their range.

    Raises
    ------
    ParameterError
        If the range is reversed or leaves [1, 60] eV.
    """

    energy_range: tuple[float, float] = (19.0, 35.0)
    energy: Distribution = field(default_factory=Uniform)

    kind = "helium"

    def __post_init__(self) -> None:
        low, high = self.energy_range
        if not LOWEST_ENERGY <= low <= high <= HIGHEST_ENERGY:
            within = f"{LOWEST_ENERGY:g} <= low <= high <= {HIGHEST_ENERGY:g}, in eV"
            raise ParameterError("uncertainty.energy_range", f"{low:g} to {high:g}", within)
        check_within("uncertainty.energy", self.energy, low, high)

    @property
    def varying(self) -> tuple[str, ...]:
        """Names of what differs from pattern to pattern."""
        return "wavelength", "delta", "beta"

    def extremes(self, optics: Optics) -> list[Optics]:
        """The optics at both ends of the range, and within the bands between them, where the index turns.

        Raises
        ------
        ParameterError
            If the optics do not use the index.
        """
        if optics.absorption != "refractive":
            raise ParameterError("absorption", optics.absorption, "refractive, of which helium has the index")
        low, high = self.energy_range
        bands = [middle + part * width for middle, width, _ in LINES for part in WITHIN_BAND]
        energies = [low, high, *(energy for energy in bands if low < energy < high)]
        return [
            replace(optics, wavelength=wavelength, delta=delta, beta=beta)
            for wavelength, delta, beta in map(_of, energies)
        ]

    def draw(
        self, optics: Optics, seed: int, indices: NDArray[np.int64] | range
    ) -> dict[str, NDArray[np.float64]]:
        """Values (n,) of what varies, for patterns number `indices`: each depends on (seed, index) alone."""
        rows = np.empty((len(indices), 3))
        for row, index in zip(rows, indices, strict=True):
            # the stream of the optics, as in `msft.uncertainty`
            share = generator_of(seed, int(index), 1).random()
            row[:] = _of(self.energy.quantile(share, *self.energy_range))
        return dict(zip(self.varying, rows.T.copy(), strict=True))


def _of(energy: float) -> tuple[float, float, float]:
    """Wavelength in nm, delta and beta at a photon energy in eV."""
    return wavelength_of_electronvolts(energy), *refractive_index(energy)
