"""Conversions at the edges: inside the toolkit lengths are nm and angles radians; files hold SI units."""

from __future__ import annotations

NANOMETRE = 1e-9
"""One nm in m."""

ELECTRONVOLT = 1.602176634e-19
"""One eV in J (exact, SI 2019)."""

PLANCK_TIMES_C = 6.62607015e-34 * 299792458.0
"""h c in J m (exact, SI 2019)."""


LARGEST_JOULES = 1e-10
"""Of a photon; what is more is eV, which some files hold where CXI wants J."""


def joules(energy: float) -> float:
    """Photon energy in J of one that a file holds in J or in eV, without a unit."""
    return energy if energy < LARGEST_JOULES else energy * ELECTRONVOLT


def photon_energy(wavelength: float) -> float:
    """Photon energy in J of a vacuum wavelength in nm."""
    return PLANCK_TIMES_C / (wavelength * NANOMETRE)


def wavelength_of_electronvolts(energy: float) -> float:
    """Vacuum wavelength in nm of a photon energy in eV."""
    return wavelength_of_energy(energy * ELECTRONVOLT)


def wavelength_of_energy(energy: float) -> float:
    """Vacuum wavelength in nm of a photon energy in J."""
    return PLANCK_TIMES_C / energy / NANOMETRE
