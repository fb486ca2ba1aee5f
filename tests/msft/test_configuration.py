"""Configurations to mappings and back."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from msft.configuration import from_mapping, read_toml, to_mapping
from msft.detector import EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import ParticleDistribution
from msft.pattern import Simulation


@pytest.mark.parametrize(
    "configuration",
    [
        Simulation(),
        Simulation(Optics(wavelength=20, absorption="refractive", delta=-0.1), FlatDetector(64, 0.1, 50.5)),
        Simulation(solver="chebyshev", detector=EwaldDetector(33, 0.0123456789012345), accuracy=1e-5),
        ParticleDistribution((20.0, 21.5), "sphere"),
    ],
)
def test_json_gives_back_what_went_in(configuration: Any) -> None:
    text = json.dumps(to_mapping(configuration))
    assert from_mapping(type(configuration), json.loads(text)) == configuration


def test_what_is_not_given_keeps_its_default() -> None:
    text = """
    solver = "chebyshev"
    [optics]
    wavelength = 20
    [detector]
    pixels = 64
    """
    simulation = from_mapping(Simulation, tomllib.loads(text))
    assert simulation == Simulation(Optics(wavelength=20.0), EwaldDetector(pixels=64), solver="chebyshev")
    assert isinstance(simulation.optics.wavelength, float)


def test_the_geometry_chooses_the_detector() -> None:
    simulation = from_mapping(Simulation, {"detector": {"geometry": "flat", "distance": 100}})
    assert simulation.detector == FlatDetector(distance=100.0)


@pytest.mark.parametrize(
    ("mapping", "field"),
    [
        ({"colour": 1}, "colour"),
        ({"optics": {"wavelenght": 13.5}}, "optics.wavelenght"),
        ({"optics": {"wavelength": "13.5"}}, "optics.wavelength"),
        ({"optics": {"wavelength": True}}, "optics.wavelength"),
        ({"optics": {"wavelength": 10**400}}, "optics.wavelength"),
        ({"optics": {"absorption": "beer"}}, "optics.absorption"),
        ({"optics": 13.5}, "optics"),
        ({"detector": {"pixels": 128.5}}, "detector.pixels"),
        ({"detector": {"pixels": True}}, "detector.pixels"),
        ({"detector": {"geometry": "round"}}, "detector.geometry"),
        ({"detector": {"geometry": "flat", "q_step": 0.1}}, "detector.q_step"),
        ({"detector": "flat"}, "detector"),
        ({"detector": {"geometry": ["flat"]}}, "detector.geometry"),
        ({"optics": {"absorption": ["none"]}}, "optics.absorption"),
        ({"solver": None}, "solver"),
    ],
)
def test_a_wrong_field_is_refused_by_its_full_name(mapping: dict[str, Any], field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        from_mapping(Simulation, mapping)
    assert caught.value.field == field


@pytest.mark.parametrize("value", [[30], [30, 60, 90], 30, "30-60", ["30", "60"]])
def test_a_range_is_two_numbers(value: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        from_mapping(ParticleDistribution, {"radius_range": value}, "particles")
    assert caught.value.field == "particles.radius_range"


def test_values_outside_their_ranges_are_refused_too() -> None:
    with pytest.raises(ParameterError) as caught:
        from_mapping(Simulation, {"optics": {"beta": -0.1}})
    assert "beta" in caught.value.field


def test_toml_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "experiment.toml"
    path.write_text("[optics]\nwavelength = 13.5\n")
    assert read_toml(path) == {"optics": {"wavelength": 13.5}}


@pytest.mark.parametrize(
    "content",
    [b"wavelength = ", b"\xff\xfe\x00", b"wavelength = " + 10**4 * b"["],
    ids=["broken", "not text", "lists in lists"],
)
def test_what_is_not_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "experiment.toml"
    path.write_bytes(content)
    with pytest.raises(ParameterError) as caught:
        read_toml(path)
    assert caught.value.field == "config"
    assert "\n" not in str(caught.value)


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "no.toml", tmp_path):
        with pytest.raises(ParameterError) as caught:
            read_toml(path)
        assert caught.value.field == "config"
