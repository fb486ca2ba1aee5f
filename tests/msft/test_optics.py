"""Attenuation by model, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from msft.errors import ParameterError
from msft.optics import Optics


def test_the_papers_light_is_the_default() -> None:
    optics = Optics()
    assert optics.wavenumber == pytest.approx(0.46542, abs=1e-5)
    assert optics.attenuation == pytest.approx(1 / 12.5)


def test_attenuation_by_model() -> None:
    k = 2 * math.pi / 20
    assert Optics(absorption="amplitude", absorption_length=8).attenuation == 0.125
    assert Optics(absorption="intensity", absorption_length=8).attenuation == 0.0625
    assert Optics(absorption="none", absorption_length=8).attenuation == 0
    refractive = Optics(wavelength=20, absorption="refractive", delta=0.1, beta=0.02).attenuation
    # the wave through l of n = 1 - delta + i beta is e^{i k (n - 1) l} = e^{-s l}
    assert refractive == pytest.approx(-1j * k * (-0.1 + 0.02j))
    assert refractive.real > 0


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("wavelength", 13.5e-9),  # in metres
        ("wavelength", 0.0),
        ("wavelength", -13.5),
        ("wavelength", math.nan),
        ("wavelength", math.inf),
        ("absorption", "beer"),
        ("absorption_length", 0.0),
        ("absorption_length", -1.0),
        ("absorption_length", 12.5e-9),  # in metres
        ("absorption_length", math.inf),
        ("absorption_length", math.nan),
        ("beta", -1e-9),
        ("beta", math.nan),
        ("beta", 1e308),
        ("delta", 1.0),
        ("delta", -1e308),
        ("delta", math.nan),
    ],
)
def test_impossible_light_is_refused_with_the_name_of_the_field(field: str, value: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        Optics(**{field: value})
    assert caught.value.field == field
    assert str(value) in str(caught.value)
    assert "\n" not in str(caught.value)
