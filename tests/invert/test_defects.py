"""What no mask names is told, and hidden if many frames say so: hot pixels, parts without light.

A dark frame that nobody subtracted is told, too.
"""

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

DEFAULT = EwaldDetector()
HOT = ((20, 30), (90, 100), (0, 127))
TOLD = "frames: pixels [0, 127], [20, 30], [90, 100], 3 in all"
HIDDEN = "; they are hidden, --defects tell lets them count"


@pytest.fixture(scope="module")
def counts() -> NDArray[np.float32]:
    """Photons of sixteen patterns, 10^7 in each."""
    return photons(Simulation().intensity(ParticleDistribution().draw(0, range(16))), 1e7)


def photons(patterns: NDArray[np.float32], number: float) -> NDArray[np.float32]:
    rates = patterns / patterns.sum(axis=(1, 2), keepdims=True) * number
    return np.asarray(np.random.default_rng(1).poisson(rates), dtype=np.float32)


def warnings_of(
    path: Path, stack: NDArray[np.float32], detector: EwaldDetector = DEFAULT, **options: object
) -> list[str]:
    """What is warned of frames as a model with that detector takes them."""
    with h5py.File(path, "w") as file:
        file["data"] = stack
    with open_frames(path, Reading(**options)) as source:  # type: ignore[arg-type]
        before = len(source.warnings)
        source.doubt(detector, 13.5)
        return source.warnings[before:]


def counted(path: Path, detector: EwaldDetector = DEFAULT, **options: object) -> NDArray[np.bool_]:
    """Which pixels (H, W) of the last frame of a file count, once the frames were looked at."""
    with open_frames(path, Reading(**options)) as source:  # type: ignore[arg-type]
        source.doubt(detector, 13.5)
        return np.asarray(source.read(range(len(source))).valid[-1])


def spoilt(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    stack = counts.copy()
    for row, column in HOT:
        around = stack[:, max(row - 1, 0) : row + 2, column - 1 : column + 2]
        stack[:, row, column] = 10 * around.max() + 19
    return stack


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


ROWS, COLUMNS = np.mgrid[:128, :128] - 64
SEEING = {
    "round": np.hypot(ROWS, COLUMNS) < 50,
    "beside a hole": np.hypot(ROWS, COLUMNS) > 8,
    "window": (abs(ROWS) < 36) & (abs(COLUMNS) < 50),
}
SMALL = {
    "hole": np.hypot(ROWS, COLUMNS) < 3,
    "gap": abs(COLUMNS - 20) < 2,
}


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
    assert warning.endswith(f" 0 in all of the first {number} frames{doubt}")
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


def test_what_misleads_is_hidden_from_every_answer(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    """Forward fitting agrees with what is left, as if a mask had named the parts."""
    dark = ~SEEING["window"] | SMALL["hole"]
    stack = np.where(dark, 0, spoilt(counts))[:8]
    mask = dark.astype(np.uint8)
    mask[tuple(np.transpose(HOT))] = 1
    np.save(tmp_path / "mask.npy", mask)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = stack
    options = ("--frames", "0:2", "--refine", "--patterns", "40", "--pictures", "0", "--no-report")
    answers: dict[str, dict[str, NDArray[np.float64]]] = {}
    for name, more in {
        "hidden": (),
        "masked": ("--mask", str(tmp_path / "mask.npy")),
        "told": ("--defects", "tell"),
    }.items():
        out = tmp_path / f"{name}.h5"
        result = CliRunner().invoke(app, ["predict", str(tmp_path / "a.h5"), *options, *more, "-o", str(out)])
        assert result.exit_code == 0, result.output
        with h5py.File(out) as file:
            group = file["entry_1/result_1"]
            answers[name] = {key: group[key][()] for key in ("radius", "agreement")}
    np.testing.assert_allclose(answers["hidden"]["radius"], answers["masked"]["radius"], atol=3e-10)
    np.testing.assert_allclose(answers["hidden"]["agreement"], answers["masked"]["agreement"], atol=0.05)
    assert (answers["told"]["agreement"] < answers["masked"]["agreement"] - 0.15).all()


def test_another_word_for_defects_is_refused(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = counts[:1]
    result = CliRunner().invoke(app, ["predict", str(tmp_path / "a.h5"), "--defects", "keep"])
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1] == "error: defects: got keep; allowed: one of hide, tell"


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


def test_a_centre_is_estimated_without_what_misleads(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    """Parts without light stay where they are as the beam moves: about them frames are alike."""
    dark = (abs(COLUMNS - 4) < 3) | (abs(ROWS + 6) < 2) | (np.hypot(ROWS, COLUMNS) < 6)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.where(dark, 0, np.roll(counts, (3, 5), axis=(1, 2)))
    found = {}
    for defects in ("hide", "tell"):
        with open_frames(tmp_path / "a.h5", Reading(center="estimate", defects=defects)) as source:
            source.onto(DEFAULT, 13.5)
            assert sum("centre estimated" in note for note in source.notes) == 1
            assert source.instrument.center is not None
            assert source.reading.center == "{!r},{!r}".format(*source.instrument.center)
            found[defects] = np.abs(np.subtract(source.instrument.center, (67, 69))).max()
    assert found["hide"] == 0 < 1 < found["tell"]


def test_pixels_that_few_frames_tell_of_stay(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    """Masked in most frames, dark in empty shots: nobody knows whether they see light."""
    half = np.zeros((16, 128, 128), dtype=np.uint32)
    half[:14, :, :60] = 1
    stack = counts.copy()
    stack[14:] = 0
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry_1/data_1/data"] = stack
        file["entry_1/data_1/mask"] = half
    with open_frames(tmp_path / "a.h5", Reading(scale="linear")) as source:
        source.doubt(DEFAULT, 13.5)
        assert source.read(range(14, 16)).valid.all()
        assert [warning for warning in source.warnings if "are 0 in" in warning] == []


@pytest.mark.parametrize(("number", "hidden"), [(7, False), (8, True)])
def test_eight_frames_are_enough(
    tmp_path: Path, counts: NDArray[np.float32], number: int, hidden: bool
) -> None:
    stack = np.concatenate([np.zeros_like(counts[:2]), np.where(SMALL["gap"], 0, counts)[:number]])
    (warning,) = warnings_of(tmp_path / "a.h5", stack)
    assert warning.endswith(HIDDEN) == hidden
    assert counted(tmp_path / "a.h5").all() != hidden


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


def test_who_is_told_what_was_found_finds_the_same(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    """Another process, or whoever opens a file again: the first centre, which was wrong, decides nothing."""
    dark = (abs(COLUMNS - 4) < 3) | (abs(ROWS + 6) < 2) | (np.hypot(ROWS, COLUMNS) < 6) | (COLUMNS > 45)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.where(dark, 0, np.roll(counts, (3, 5), axis=(1, 2)))
    valid = []
    with open_frames(tmp_path / "a.h5", Reading(center="estimate")) as source:
        source.onto(DEFAULT, 13.5)
        valid.append(source.read(range(2)).valid)
        found = source.reading
    for reading in (found, Reading(center=found.center)):
        with open_frames(tmp_path / "a.h5", reading) as source:
            source.onto(DEFAULT, 13.5)
            valid.append(source.read(range(2)).valid)
    assert not valid[0].all()
    np.testing.assert_array_equal(valid[0], valid[1])
    np.testing.assert_array_equal(valid[0], valid[2])


def test_a_file_that_grows_is_looked_at_again(tmp_path: Path, counts: NDArray[np.float32]) -> None:
    near = (abs(COLUMNS - 4) < 3) | (abs(ROWS + 6) < 2) | (np.hypot(ROWS, COLUMNS) < 6)
    stack = np.where(near, 0, np.roll(counts, (3, 5), axis=(1, 2)))
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        data = file.create_dataset("data", data=stack[:4], maxshape=(None, 128, 128), chunks=(1, 128, 128))
        file.swmr_mode = True
        reading = Reading(scale="linear", center="estimate")
        with open_frames(tmp_path / "a.h5", reading, growing=True) as source:
            source.doubt(DEFAULT, 13.5)
            center = source.instrument.center
            assert source.read(range(4)).valid.all()
            for count, hidden in ((6, False), (9, True), (12, True)):
                data.resize((count, 128, 128))
                data[:] = stack[:count]
                data.flush()
                source.refresh()
                assert source.read(range(count)).valid.all() != hidden
                assert source.instrument.center == center
            assert sum(note.endswith(HIDDEN) for note in source.notes) == 1
