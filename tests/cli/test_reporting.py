"""`invert report`, as users type it: a page of unfinished predictions, one line about damaged ones."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app

from invert.frames import Frames
from invert.predictions import RESULT, write_predictions
from tests.invert.test_report import SIMULATION, inversion

from . import conftest

PROCESS = "/entry_1/process_1"

run = partial(conftest.run, app)


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("predictions") / "exp.predictions.h5"
    answer = inversion(8)
    frames = Frames(
        answer.measured, answer.valid, "log", answer.estimates.frames, "exp.h5:/data", *[None] * 4
    )
    write_predictions(path, answer, frames, {"program": "invert predict"}, "typical", SIMULATION)
    return path.read_bytes()


def test_a_page_of_unfinished_predictions_says_so(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "exp.predictions.h5.partial"
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        file[PROCESS].attrs.modify("complete", False)
        file[PROCESS].attrs.modify("written", 5)
        file[f"{RESULT}/mask"].resize(6, axis=0)  # as an append that was interrupted leaves them
    result = run("report", path, "--json")
    assert result.exit_code == 0, result.output
    told = "exp.predictions.h5.partial is not complete: 5 frames so far"
    assert result.stderr == f"warning: {told}\n"
    assert json.loads(result.stdout)["frames"] == 5
    assert not json.loads(result.stdout)["complete"]
    page = (tmp_path / "exp.predictions.h5.html").read_text()
    assert f'<p id="notice">{told}</p>' in page
    assert page.count("<tr><th>this page</th><td>5 of 5 frames") == 1


def test_a_page_of_all_frames_has_no_notice(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "p.h5").write_bytes(content)
    result = run("report", tmp_path / "p.h5", "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    assert json.loads(result.stdout)["complete"]
    assert '<p id="notice">' not in (tmp_path / "p.html").read_text()


def replaced(name: str, column: object) -> Callable[[h5py.File], None]:
    def replace(file: h5py.File) -> None:
        del file[f"{RESULT}/{name}"]
        file[f"{RESULT}/{name}"] = column

    return replace


def grouped(file: h5py.File) -> None:
    del file[f"{RESULT}/score"]
    file.create_group(f"{RESULT}/score")


FOREIGN: dict[str, Callable[[h5py.File], None]] = {
    "source of integers": replaced("source", np.arange(8)),
    "body of integers": replaced("body", np.arange(8)),
    "source of other bytes": replaced("source", np.array([b"\xff\xfe.h5"] * 8)),
    "unknown bodies": replaced("body", np.array([b"potato"] * 8)),
    "frames without numbers": replaced("frame", np.full(8, np.nan)),
    "flags as fractions": replaced("flags", np.zeros(8)),
    "narrow orientations": replaced("quaternion", np.ones((8, 3))),
    "no orientations": replaced("quaternion", np.full((8, 4), np.nan)),
    "no radii": replaced("radius", np.full(8, np.nan)),
    "one radius": replaced("radius", 1e-7),
    "nothing for radii": replaced("radius", h5py.Empty("f8")),
    "two sizes of images": replaced("resimulated", np.zeros((8, 32, 32), np.float32)),
    "text for images": replaced("measured", np.full((8, 24, 24), b"text")),
    "images of no pixels": replaced("measured", np.zeros((8, 0, 24), np.float32)),
    "a flat mask": replaced("mask", np.zeros(8, np.uint8)),
    "a group for scores": grouped,
    "fewer agreements": lambda file: file[f"{RESULT}/agreement"].resize(7, axis=0),
    "more written than there is": lambda file: file[PROCESS].attrs.update(complete=False, written=99),
    "no frames yet": lambda file: file[PROCESS].attrs.update(complete=False, written=0),
    "a number for the simulation": lambda file: file[PROCESS].attrs.update(simulation=3),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_no_file_of_predictions_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "p.h5"
    path.write_bytes(content)
    with h5py.File(path, "a") as file:
        FOREIGN[name](file)
    result = run("report", path)
    assert result.exit_code == 2, (result.exception, result.output)
    assert re.fullmatch(r"error: predictions: got .+; allowed: .+\n", result.stderr), result.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_notes_that_are_none_are_left_out(content: bytes, tmp_path: Path) -> None:
    for notes in ("3", "[" * 30_000, '"three"', "{", 3.0):
        (tmp_path / "p.h5").write_bytes(content)
        with h5py.File(tmp_path / "p.h5", "a") as file:
            file[PROCESS].attrs["notes"] = notes
        result = run("report", tmp_path / "p.h5")
        assert result.exit_code == 0, result.output
        assert "note 1" not in (tmp_path / "p.html").read_text()
