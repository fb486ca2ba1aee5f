"""What exists is replaced by a command that could have written it, and by no other."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app as invert
from msft_cli.simulation import app as msft
from PIL import Image
from typer.testing import Result

from invert.labelling.classify import Labelling, write_labelling
from tests.invert.labelled import images_and_labels, write_labelled

from .conftest import run

PREDICT = ("--pictures", 1, "--no-report", "--quiet")


def assert_refused(result: Result, path: Path, before: bytes) -> None:
    assert result.exit_code == 2, result.output
    assert result.stderr == f"error: out: got {path}; allowed: a new name: it holds something else\n"
    assert path.read_bytes() == before


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    images = np.random.default_rng(1).lognormal(0, 3, (2, 32, 32)).astype(np.float32)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["entry_1/data_1/data"] = images
    return tmp_path / "x.h5"


def dataset(folder: Path) -> Path:
    options = ("--pixels", 32, "--q-step", 0.0148, "--quiet")
    assert run(msft, "generate", "--n", 2, "-o", folder / "d.h5", *options).exit_code == 0
    return folder / "d.h5"


def test_predictions_take_the_place_of_predictions_alone(model: Path, frames: Path) -> None:
    other = dataset(frames.parent)
    before = other.read_bytes()
    assert_refused(run(invert, "predict", frames, "--model", model, "-o", other, *PREDICT), other, before)
    assert_refused(run(invert, "fit", frames, "-o", other, *PREDICT), other, before)
    out, empty = frames.with_name("p.h5"), frames.with_name("e.h5")
    empty.write_bytes(b"")
    for target in (out, out, empty):
        done = run(invert, "predict", frames, "--model", model, "-o", target, *PREDICT)
        assert done.exit_code == 0, done.output
    for beside, content in ((out.with_suffix(".csv"), b"day,beam\n"), (out.with_suffix(".png"), b"\x89PNG")):
        theirs = beside.read_bytes()
        beside.write_bytes(content)
        assert_refused(run(invert, "predict", frames, "--model", model, "-o", out, *PREDICT), beside, content)
        beside.write_bytes(theirs)
    page = out.with_suffix(".html")
    page.write_bytes(b"<html>notes</html>")
    predict = ("predict", frames, "--model", model, "-o", out, *PREDICT[:2], "--quiet")
    assert_refused(run(invert, *predict, "--report"), page, b"<html>notes</html>")
    assert_refused(run(invert, "report", out), page, b"<html>notes</html>")
    assert run(invert, "report", out, "--force").exit_code == 0
    for again in (("report", out), (*predict, "--report")):
        done = run(invert, *again)
        assert done.exit_code == 0, done.output
    twin = shutil.copy(frames, frames.with_suffix(".cxi"))
    assert run(invert, "predict", frames, "--model", model, *PREDICT).exit_code == 0
    result = run(invert, "predict", twin, "--model", model, *PREDICT)
    assert result.exit_code == 2
    assert "--out with a new name: it holds answers about x.h5" in result.stderr


def test_frames_are_not_what_predictions_grow_in(model: Path, frames: Path) -> None:
    # with HDF5_USE_FILE_LOCKING=FALSE nothing else would keep them
    grown = frames.rename(frames.with_name("p.h5.partial"))
    before = grown.read_bytes()
    out = frames.with_name("p.h5")
    result = run(invert, "predict", grown, "--model", model, "-o", out, *PREDICT)
    assert result.exit_code == 2
    assert result.stderr.count("\n") == 1
    assert "partial" in result.stderr
    assert grown.read_bytes() == before


def test_labels_take_the_place_of_labels_of_the_same_file_alone(tmp_path: Path, frames: Path) -> None:
    other = dataset(tmp_path)
    classify = ("classify", frames, "--model", tmp_path / "none")
    assert_refused(run(invert, *classify, "-o", other), other, other.read_bytes())
    classes, chances = tmp_path / "x.classes.h5", np.zeros((2, 1), dtype=np.float32)
    for source in ("x.h5:/data", "x.cxi:/data"):
        write_labelling(classes, Labelling(("line",), chances, np.arange(2), source), {})
        result = run(invert, *classify)
        assert result.exit_code == 2
        clash = f"error: out: got {classes}; allowed: --out with a new name: it holds labels of x.cxi"
        assert (clash in result.stderr) == (source[:5] == "x.cxi")
        # one that is named is meant
        assert "error: model: " in run(invert, *classify, "-o", classes).stderr


def test_an_evaluation_takes_the_place_of_an_evaluation_alone(model: Path, tmp_path: Path) -> None:
    shutil.copytree(model, own := tmp_path / "m")
    data, settings = dataset(tmp_path), own / "configuration.json"
    settings.write_bytes(before := b"{}\n")
    assert_refused(run(invert, "evaluate", own, data, "-o", settings), settings, before)
    (tmp_path / "list.json").write_text("[1]")
    listed = run(invert, "evaluate", own, data, "-o", tmp_path / "list.json")
    assert_refused(listed, tmp_path / "list.json", b"[1]")
    target = own / "test.json"
    for _ in range(2):
        done = run(invert, "evaluate", own, data, "-o", target, "--quiet")
        assert done.exit_code == 0, done.output
    assert "weights_sha256" in json.loads(target.read_text())


def test_a_figure_takes_the_place_of_a_figure_alone(model: Path, tmp_path: Path) -> None:
    data = dataset(tmp_path)
    for _ in range(2):
        assert run(msft, "show", data, "--quiet").exit_code == 0
    Image.fromarray(np.eye(20, dtype=np.uint8)).save(measured := tmp_path / "measured.png")
    before = measured.read_bytes()
    assert_refused(run(msft, "show", data, "-o", measured), measured, before)
    write_labelled(labelled := tmp_path / "l.h5", *images_and_labels(3, 0))
    explain = ("explain", labelled, "--label", "line", "--model", tmp_path / "none", "-o")
    assert_refused(run(invert, *explain, measured), measured, before)
    shutil.copytree(model, own := tmp_path / "m")
    for name, result in (("curves.png", "refused"), ("mine.png", "model")):
        drawn = (tmp_path / "d.png").read_bytes()
        (own / name).write_bytes(drawn)
        found = run(invert, *explain, own / name)
        if result == "refused":
            assert_refused(found, own / name, drawn)
        else:
            assert found.stderr.startswith("error: model: ")


def test_a_warning_is_told_once(model: Path, tmp_path: Path) -> None:
    with h5py.File(frames := tmp_path / "log.h5", "w") as file:
        file["data"] = np.random.default_rng(1).normal(3, 1, (2, 32, 32)).astype(np.float32)
    for option in ("--no-report", "--quiet", "--json"):
        done = run(invert, "predict", frames, "--model", model, "--pictures", 0, option)
        assert done.exit_code == 0, done.output
        assert done.stderr.count("warning: the values look like logarithms") == 1
        assert ("look like logarithms" in done.stdout) == (option == "--json"), "as a note of the result"
    assert "images /data" in run(invert, "predict", frames, "--model", model, "--pictures", 0).stdout
