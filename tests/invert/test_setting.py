"""What frames are simulated with: the file says, the user says more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from invert.fitting.setting import beam_at, simulation_of
from invert.frames import Frames
from msft.detector import PAPER_Q_STEP, EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.pattern import Simulation

from .conftest import frames_of

UNKNOWN = frames_of(np.ones((2, 32, 32)))
FRAMES = replace(UNKNOWN, q_step=PAPER_Q_STEP)


def test_a_file_that_says_nothing_is_of_the_default_detector_if_it_is_as_large() -> None:
    assert simulation_of(frames_of(np.ones((1, 128, 128))), {}) == Simulation()
    with pytest.raises(ParameterError, match="32 x 32 pixels of unknown width"):
        simulation_of(UNKNOWN, {})
    assert simulation_of(UNKNOWN, {"detector": {"q_step": 0.02}}).detector == EwaldDetector(32, 0.02)


def test_the_files_wavelength_and_pixel_width_win_over_the_defaults() -> None:
    frames = replace(FRAMES, wavelength=20.0, q_step=0.02, geometry="ewald")
    simulation = simulation_of(frames, {})
    assert simulation == Simulation(Optics(wavelength=20.0), EwaldDetector(32, 0.02))


def test_what_the_user_gives_wins_over_the_file() -> None:
    frames = replace(FRAMES, wavelength=20.0, q_step=0.02)
    given = {"optics": {"wavelength": 10.0, "absorption": "intensity"}, "detector": {"q_step": 0.03}}
    expected = Simulation(Optics(wavelength=10.0, absorption="intensity"), EwaldDetector(32, 0.03))
    assert simulation_of(frames, given) == expected
    # and what is not given stays the file's
    some = simulation_of(frames, {"optics": {"absorption": "none"}, "solver": "chebyshev"})
    assert some == Simulation(
        Optics(wavelength=20.0, absorption="none"), EwaldDetector(32, 0.02), solver="chebyshev"
    )


def test_a_simulated_file_brings_its_settings_but_not_how_they_were_computed() -> None:
    made = Simulation(
        Optics(wavelength=11.0, absorption="refractive", beta=0.05),
        EwaldDetector(32, 0.017),
        solver="slices",
    )
    frames = replace(FRAMES, simulation=made, wavelength=99.0, q_step=99.0)
    assert simulation_of(frames, {}) == replace(made, solver="exact")
    assert simulation_of(frames, {"optics": {"beta": 0.01}}).optics == replace(made.optics, beta=0.01)
    assert simulation_of(frames, {"solver": "slices"}).solver == "slices"


def test_a_flat_detector_is_taken_from_the_user_a_simulation_or_a_whole_statement() -> None:
    flat = FlatDetector(32, 1.2, 50.0)
    for part in ({}, {"pixel_size": (1.2, 1.2)}, {"distance": 50.0}):
        with pytest.raises(ParameterError) as caught:
            simulation_of(replace(UNKNOWN, geometry="flat", **part), {})
        assert caught.value.field == "detector"
    stated = replace(UNKNOWN, pixel_size=(1.2, 1.2), distance=50.0)
    assert simulation_of(stated, {}).detector == flat
    assert simulation_of(stated, {"detector": {"distance": 70.0}}).detector == replace(flat, distance=70.0)
    with pytest.raises(ParameterError, match=r"1\.2 x 0\.6 mm"):
        simulation_of(replace(stated, pixel_size=(1.2, 0.6)), {})
    given = {"detector": {"geometry": "flat", "pixel_size": 1.2, "distance": 50.0}}
    assert simulation_of(replace(FRAMES, geometry="flat"), given).detector == flat
    assert simulation_of(FRAMES, given).detector == flat
    assert simulation_of(replace(FRAMES, simulation=Simulation(detector=flat)), {}).detector == flat
    back = {"detector": {"geometry": "ewald", "q_step": 0.02}}
    made = replace(FRAMES, simulation=Simulation(detector=flat))
    assert simulation_of(made, back).detector == EwaldDetector(32, 0.02)


@pytest.mark.parametrize("shape", [(2, 32, 33), (1, 64, 32)])
def test_frames_are_square(shape: tuple[int, ...]) -> None:
    with pytest.raises(ParameterError, match=f"{shape[1]} x {shape[2]}") as caught:
        simulation_of(frames_of(np.ones(shape)), {})
    assert caught.value.field == "frames"


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"detector": {"pixels": 64}}, "detector.pixels"),
        ({"optics": {"wavelenght": 13.5}}, "optics.wavelenght"),
        ({"optics": {"absorption": "total"}}, "optics.absorption"),
        ({"solver": "magic"}, "solver"),
    ],
)
def test_impossible_settings_are_named(given: dict[str, Any], field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        simulation_of(FRAMES, given)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("text", "beam"),
    [
        (None, (0.0, 0.0)),
        ("16,16", (0.0, 0.0)),
        ("20,13.5", (4.0, -2.5)),
        (" 0 , 31 ", (-16.0, 15.0)),
    ],
)
def test_the_beam_is_an_offset_from_the_middle(text: str | None, beam: tuple[float, float]) -> None:
    assert beam_at(text, FRAMES) == beam


def test_rows_and_columns_of_odd_frames() -> None:
    odd: Frames = frames_of(np.ones((1, 33, 33)))
    assert beam_at("16,17", odd) == (0.0, 1.0)


@pytest.mark.parametrize(
    "text", ["", "16", "16,16,16", "a,b", "16;16", "-1,16", "16,32", "32,16", "nan,16", "16,inf"]
)
def test_a_beam_that_is_none(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        beam_at(text, FRAMES)
    assert caught.value.field == "center"


def test_the_default_pixel_width_is_the_papers() -> None:
    detector = simulation_of(frames_of(np.ones((1, 128, 128))), {}).detector
    assert isinstance(detector, EwaldDetector)
    assert detector.q_step == PAPER_Q_STEP
