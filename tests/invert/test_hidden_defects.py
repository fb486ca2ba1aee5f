"""What no mask names is hidden, if many frames say so: from every answer, and every time the same."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from numpy.typing import NDArray
from typer.testing import CliRunner

from invert.frames import Reading, open_frames
from tests.invert.unmasked import (
    COLUMNS,
    DEFAULT,
    HIDDEN,
    HOT,
    ROWS,
    SEEING,
    SMALL,
    counted,
    spoilt,
    warnings_of,
)


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
