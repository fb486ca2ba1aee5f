"""Conversions against SciPy's constants."""

from __future__ import annotations

import pytest
from scipy import constants

from msft import units


def test_photon_energy_is_h_c_over_wavelength() -> None:
    energy = units.photon_energy(13.5)
    assert energy == pytest.approx(constants.h * constants.c / 13.5e-9, rel=1e-12)
    assert energy / units.ELECTRONVOLT == pytest.approx(91.84, abs=0.01)
    assert units.wavelength_of_energy(energy) == pytest.approx(13.5, rel=1e-14)
    # 12398.4 eV angstrom
    assert units.wavelength_of_electronvolts(91.84) == pytest.approx(1239.84 / 91.84, rel=1e-5)
    assert units.NANOMETRE == 1e-9
    assert units.joules(91.84) == pytest.approx(units.joules(energy), rel=1e-4)
