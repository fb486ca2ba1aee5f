"""What no mask names is told: hot pixels, parts without light, a dark frame that nobody subtracted."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from numpy.typing import NDArray
from typer.testing import CliRunner

from augment.files import augment_file
from invert.frames import Reading, open_frames
from msft.detector import EwaldDetector
from msft.generate import generate
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from tests.invert.unmasked import (
    COLUMNS,
    DEFAULT,
    HIDDEN,
    HOT,
    ROWS,
    SEEING,
    SMALL,
    TOLD,
    counted,
    photons,
    spoilt,
    warnings_of,
)


def test_hot_pixels_are_told(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    (warning,) = warnings_of(tmp_path / "a.h5", spoilt(counts))
    assert warning.startswith("warning: 10 times brighter than each neighbour in most of the first 16 ")
    assert TOLD + HIDDEN in warning
    assert np.argwhere(~counted(tmp_path / "a.h5")).tolist() == sorted(map(list, HOT))
    (warning,) = warnings_of(tmp_path / "a.h5", spoilt(counts), defects="tell")
    assert TOLD + "; if they are hot, --mask hides them" in warning
    assert counted(tmp_path / "a.h5", defects="tell").all()
    mask = np.zeros((128, 128), dtype=np.uint8)
    mask[tuple(np.transpose(HOT))] = 1
    np.save(tmp_path / "mask.npy", mask)
    assert warnings_of(tmp_path / "a.h5", spoilt(counts), mask=tmp_path / "mask.npy") == []


@pytest.mark.parametrize("number", [1.0, 30.0, 1e3, 1e5, 1e9])
def test_photons_are_no_hot_pixels(tmp_path: Path, counts: NDArray[np.float32], number: float) -> None:
    assert warnings_of(tmp_path / "a.h5", photons(counts, number)) == []


@pytest.mark.parametrize("offset", [0.0, -0.5, -1.0, -3.0])
def test_noise_around_a_subtracted_dark_frame_is_none(
    tmp_path: Path, counts: NDArray[np.float32], offset: float
) -> None:
    noise = np.random.default_rng(4).normal(offset, 1.0, counts.shape).astype(np.float32)
    assert warnings_of(tmp_path / "a.h5", counts + noise) == []
    assert warnings_of(tmp_path / "b.h5", noise) == []


@pytest.mark.parametrize("coarser", [1, 3, 6])
def test_the_middle_of_a_pattern_is_none(tmp_path: Path, coarser: int) -> None:
    detector = EwaldDetector(pixels=126 // coarser, q_step=EwaldDetector().q_step * coarser)
    patterns = Simulation(detector=detector).intensity(
        ParticleDistribution((140.0, 160.0)).draw(0, range(16))
    )
    assert warnings_of(tmp_path / "a.h5", photons(patterns, 1e8), detector) == []


@pytest.mark.parametrize("seed", range(8))
def test_one_particle_again_and_again_has_none(tmp_path: Path, seed: int) -> None:
    pattern = Simulation().intensity(ParticleDistribution().draw(seed, range(1)))
    assert warnings_of(tmp_path / "a.h5", photons(np.repeat(pattern, 16, axis=0), 1e8)) == []


def test_few_frames_lost_frames_and_logarithms_tell_nothing(
    tmp_path: Path, counts: NDArray[np.float32]
) -> None:
    assert warnings_of(tmp_path / "few.h5", spoilt(counts)[:7]) == []
    assert warnings_of(tmp_path / "log.h5", np.log10(spoilt(counts) + 1), scale="log") == []
    lost = spoilt(counts)
    lost[:6] = np.nan
    assert TOLD in warnings_of(tmp_path / "lost.h5", lost)[0]
    lost[:] = np.nan
    assert warnings_of(tmp_path / "none.h5", lost, scale="linear") == []


def test_who_inverts_frames_is_told(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = spoilt(counts + 500)[:8]
    with open_frames(tmp_path / "a.h5") as source:
        source.onto(EwaldDetector(), 13.5)
        assert sum("a dark frame not subtracted" in warning for warning in source.warnings) == 1
        assert sum(TOLD in warning for warning in source.warnings) == 1
    options = ("--starts", "2", "--steps", "1", "--no-polish", "--pictures", "0", "--no-report")
    result = CliRunner().invoke(app, ["fit", str(tmp_path / "a.h5"), *options])
    assert result.exit_code == 0, result.output
    assert TOLD in result.stderr


@pytest.mark.parametrize(("pedestal", "told"), [(0.0, False), (1.0, False), (100.0, True), (5e3, True)])
def test_a_pedestal_is_told(tmp_path: Path, counts: NDArray[np.float32], pedestal: float, told: bool) -> None:
    noise = np.random.default_rng(3).normal(pedestal, 1.0, counts.shape).astype(np.float32)
    stack = counts + noise
    stack[:9] = np.nan  # of lost frames nothing is known
    warnings = warnings_of(tmp_path / "a.h5", stack)
    assert ["a dark frame not subtracted" in warning for warning in warnings] == [True] * told


@pytest.mark.parametrize("seeing", SEEING)
@pytest.mark.parametrize("number", [3, 16])
def test_parts_that_saw_nothing_are_told(
    tmp_path: Path, counts: NDArray[np.float32], seeing: str, number: int
) -> None:
    stack = np.where(SEEING[seeing], counts, 0)[:number]
    (warning,) = warnings_of(tmp_path / "a.h5", stack)
    inside = np.hypot(ROWS, COLUMNS) < 60  # beyond the Ewald sphere there is no light for any detector
    part = float(warning.removeprefix("warning: ").partition(" %")[0])
    assert part == pytest.approx(100 * (~SEEING[seeing] & inside).sum() / inside.sum(), rel=0.2)
    doubt = HIDDEN if number == 16 else "; if nothing measured there, --mask hides them"
    assert warning.endswith(f" 0 in all of the first {number} lit frames{doubt}")
    found = ~counted(tmp_path / "a.h5")
    if number == 16:
        assert not (found & SEEING[seeing]).any()
        assert (found & inside).sum() > 0.98 * (~SEEING[seeing] & inside).sum()
    else:  # too few to be sure
        assert not found.any()
    np.save(tmp_path / "mask.npy", ~SEEING[seeing])
    assert warnings_of(tmp_path / "a.h5", stack, mask=tmp_path / "mask.npy") == []


@pytest.mark.parametrize("hiding", SMALL)
def test_small_parts_are_found_in_many_frames(
    tmp_path: Path, counts: NDArray[np.float32], hiding: str
) -> None:
    (warning,) = warnings_of(tmp_path / "a.h5", np.where(SMALL[hiding], 0, counts))
    assert warning.endswith(HIDDEN)
    inside = np.hypot(ROWS, COLUMNS) < 60
    np.testing.assert_array_equal(~counted(tmp_path / "a.h5") & inside, SMALL[hiding] & inside)


def test_frames_of_another_kind_lose_nothing(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    # as of an image that was made larger: a 16th of the pixels stands out
    sparse = np.zeros_like(counts) + np.float32(0.01)
    sparse[:, ::4, ::4] = counts[:, ::4, ::4] + 1
    (warning,) = (text for text in warnings_of(tmp_path / "a.h5", sparse) if "brighter" in text)
    assert warning.endswith("if they are hot, --mask hides them")
    assert counted(tmp_path / "a.h5").all()


@pytest.mark.parametrize("number", [1, 3, 16])
@pytest.mark.parametrize("photon_number", [30.0, 1e3, 1e5, 1e7])
def test_darkness_is_no_part_that_saw_nothing(
    tmp_path: Path, counts: NDArray[np.float32], number: int, photon_number: float
) -> None:
    # want of photons, fewer bits than the detector has, and what a threshold or a dark frame leaves of noise
    rates = counts[:number] * np.float32(photon_number / 1e7)
    noise = np.random.default_rng(3).normal(-2, 1, rates.shape)
    for stack in (
        photons(counts[:number], photon_number),
        np.rint(np.repeat(rates[:1], number, axis=0)),
        np.where(rates < 3, 0, rates),
        np.clip(rates + noise, 0, None),
        *([np.clip(rates + noise - 3, 0, None)] if number == 16 else []),
    ):
        warnings = warnings_of(tmp_path / "a.h5", stack.astype(np.float32), scale="linear")
        assert [warning for warning in warnings if "are 0 in" in warning] == []
        if number == 16:
            assert counted(tmp_path / "a.h5", scale="linear").sum() > 0.997 * stack[0].size


@pytest.mark.parametrize("preset", ["experiment", "any_window"])
def test_frames_as_our_detectors_record_them_have_no_such_part(tmp_path: Path, preset: str) -> None:
    generate(tmp_path / "d.h5", 16, 0)
    augment_file(tmp_path / "d.h5", tmp_path / "a.h5", preset, 0)
    for name in ("d.h5", "a.h5"):
        with open_frames(tmp_path / name, Reading(scale="linear")) as source:
            source.onto(DEFAULT, 13.5)
            assert [warning for warning in source.warnings if "are 0 in" in warning] == []


@pytest.mark.parametrize("subtracted", [1.0, 3.0, 30.0])
def test_what_a_dark_frame_that_was_too_bright_leaves_is_darkness(tmp_path: Path, subtracted: float) -> None:
    """Of the smallest particles, whose patterns are alike."""
    patterns = Simulation().intensity(ParticleDistribution((30.0, 32.0)).draw(3, range(16)))
    for number in (1e4, 1e5, 1e6):
        rates = patterns / patterns.sum(axis=(1, 2), keepdims=True) * number
        for stack in (rates, photons(patterns, number)):
            left = np.clip(stack - subtracted, 0, None).astype(np.float32)
            warnings_of(tmp_path / "a.h5", left, scale="linear")
            assert counted(tmp_path / "a.h5", scale="linear").sum() > 0.99 * left[0].size


def test_single_photons_in_the_dark_are_not_hot(tmp_path: Path) -> None:
    """All light of a particle far too large for the pixels falls on the middle one."""
    stack = np.zeros((16, 128, 128), dtype=np.float32)
    stack[:, 64, 64] = 3
    stack[:, 100, 20] = 1
    assert warnings_of(tmp_path / "a.h5", stack, scale="linear") == []
