"""Hot pixels that no mask names, and a dark frame that nobody subtracted, are told."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from numpy.typing import NDArray
from typer.testing import CliRunner

from invert.frames import Reading, open_frames
from msft.detector import EwaldDetector
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

HOT = ((20, 30), (90, 100), (0, 127))
TOLD = "frames: pixels [0, 127], [20, 30], [90, 100], 3 in all"


@pytest.fixture(scope="module")
def counts() -> NDArray[np.float32]:
    """Photons of sixteen patterns, 10^7 in each."""
    return photons(Simulation().intensity(ParticleDistribution().draw(0, range(16))), 1e7)


def photons(patterns: NDArray[np.float32], number: float) -> NDArray[np.float32]:
    rates = patterns / patterns.sum(axis=(1, 2), keepdims=True) * number
    return np.asarray(np.random.default_rng(1).poisson(rates), dtype=np.float32)


def warnings_of(path: Path, stack: NDArray[np.float32], **options: object) -> list[str]:
    """What is warned of frames as a model with the default detector takes them."""
    with h5py.File(path, "w") as file:
        file["data"] = stack
    with open_frames(path, Reading(**options)) as source:  # type: ignore[arg-type]
        before = len(source.warnings)
        source.doubt()
        return source.warnings[before:]


def spoilt(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    stack = counts.copy()
    for row, column in HOT:
        around = stack[:, max(row - 1, 0) : row + 2, column - 1 : column + 2]
        stack[:, row, column] = 10 * around.max() + 9
    return stack


def test_hot_pixels_are_told(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    (warning,) = warnings_of(tmp_path / "a.h5", spoilt(counts))
    assert warning.startswith("warning: 10 times brighter than each neighbour in most of the first 16 ")
    assert TOLD in warning
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
    assert warnings_of(tmp_path / "a.h5", photons(patterns, 1e8)) == []


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
