"""The refractive index of liquid helium in the vacuum ultraviolet, from the atom's oscillator strengths.

The droplet is a dielectric of oscillators (Lorentz), epsilon = 1 + E_p^2 sum_j f_j / (E_j^2 - E^2 - i G_j E),
with E_p^2 = 4 pi r_e (hbar c)^2 N for N atoms per volume. The bands of the liquid stand in for the atom's
lines: 1s2p at 21.6 eV instead of 21.22 eV and broadened (Joppien, Karnbach & Moeller, Phys. Rev. Lett. 71,
2654, 1993). Strengths of the lines: 0.276 (2p), 0.073 (3p), 0.030 (4p), 0.045 (all higher ones). The
continuum is the atom's photoionisation: 7.40 Mb at the threshold, 24.59 eV, falling as E^-1.6 to 40 eV and as
E^-2.4 beyond, which meets the measured cross section to some 10 per cent at 25-100 eV (Samson, He, Yin &
Haddad, J. Phys. B 27, 887, 1994) and the sum rule sum f = 2 to 1 per cent.

These are values to simulate with, not to measure by: local fields are left out, and at the 2p band both parts
of the index are as sharp as the width that is assumed.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from msft.errors import ParameterError

LOWEST_ENERGY, HIGHEST_ENERGY = 1.0, 60.0
"""In eV, where the oscillators below stand for the liquid."""

ATOMS = 21.8
"""Per nm^3, of liquid helium at low temperature (0.145 g/cm^3)."""

HBAR_C = 197.3269804
"""In eV nm."""

ELECTRON_RADIUS = 2.8179403e-6
"""The classical one, in nm."""

PLASMA_SQUARED = 4 * math.pi * ELECTRON_RADIUS * HBAR_C**2 * ATOMS
"""E_p^2 in eV^2, of one electron per atom."""

LINES = ((21.6, 0.5, 0.276), (23.1, 1.0, 0.073), (23.8, 1.0, 0.030), (24.3, 1.0, 0.045))
"""Energy and full width of each band in eV, and its oscillator strength."""

THRESHOLD, KINK = 24.59, 40.0
"""Energies in eV at which the continuum begins and its cross section falls faster."""

EDGE_WIDTH = 0.5
"""Over which the threshold is smeared, in eV, as the bands are."""

THRESHOLD_STRENGTH = 7.40e-4 / (2 * math.pi**2 * ELECTRON_RADIUS * HBAR_C)
"""df/dE in 1/eV at the threshold, from the cross section in nm^2."""


def strength(energy: NDArray[np.float64]) -> NDArray[np.float64]:
    """Oscillator strength per energy of the continuum, df/dE in 1/eV, at energies in eV."""
    slow = THRESHOLD_STRENGTH * (energy / THRESHOLD) ** -1.6
    fast = THRESHOLD_STRENGTH * (KINK / THRESHOLD) ** -1.6 * (energy / KINK) ** -2.4
    return np.where(energy < THRESHOLD, 0.0, np.where(energy < KINK, slow, fast))


def refractive_index(energy: float) -> tuple[float, float]:
    """The index n = 1 - delta + i beta, as delta and beta, at a photon energy in eV.

    Raises
    ------
    ParameterError
        If the energy is outside 1 to 60 eV.
    """
    if not LOWEST_ENERGY <= energy <= HIGHEST_ENERGY:
        raise ParameterError("energy", energy, f"{LOWEST_ENERGY:g} to {HIGHEST_ENERGY:g} eV")
    at, width, strengths = _oscillators()
    response = (strengths / (at**2 - energy**2 - 1j * width * energy)).sum()
    index = complex(np.sqrt(1 + PLASMA_SQUARED * response))
    return 1 - index.real, index.imag


@cache
def _oscillators() -> tuple[NDArray[np.float64], ...]:
    """Energies and widths in eV and strengths of the lines, and of a continuum cut into narrow pieces."""
    edges = np.geomspace(THRESHOLD, 1e5, 6001)
    middles = np.sqrt(edges[1:] * edges[:-1])
    at, width, strengths = np.array(LINES).T
    return (
        np.concatenate([at, middles]),
        np.concatenate([width, np.full(middles.size, EDGE_WIDTH)]),
        np.concatenate([strengths, strength(middles) * np.diff(edges)]),
    )
