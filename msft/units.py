"""Conversions at the edges: inside the toolkit lengths are nm and angles radians; files hold SI units."""

from __future__ import annotations

NANOMETRE = 1e-9
"""One nm in m."""

ELECTRONVOLT = 1.602176634e-19
"""One eV in J (exact, SI 2019)."""

PLANCK_TIMES_C = 6.62607015e-34 * 299792458.0
"""h c in J m (exact, SI 2019)."""


def photon_energy(wavelength: float) -> float:
    """Photon energy in J of a vacuum wavelength in nm."""
    return PLANCK_TIMES_C / (wavelength * NANOMETRE)


def wavelength_of_electronvolts(energy: float) -> float:
    """Vacuum wavelength in nm of a photon energy in eV."""
    return wavelength_of_energy(energy * ELECTRONVOLT)


def wavelength_of_energy(energy: float) -> float:
    """Vacuum wavelength in nm of a photon energy in J."""
    return PLANCK_TIMES_C / energy / NANOMETRE
