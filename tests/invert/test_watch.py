"""Folders in which files vanish, change and get stuck while they are watched."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from invert.backbone import ResidualConfiguration
from invert.checkpoint import Checkpoint
from invert.frames import Reading, open_frames
from invert.model import Model, ModelConfiguration
from invert.network_inverter import NetworkInverter
from invert.watch import watch_folder
from invert.watched import Watched
from msft.pattern import Simulation

from .conftest import SMALL

WRITER = """
import os, signal, sys, h5py, numpy as np
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    images = np.random.default_rng(int(sys.argv[2])).lognormal(0, 3, (3, 32, 32)).astype(np.float32)
    data = file.create_dataset("data", data=images, maxshape=(None, 32, 32), chunks=(1, 32, 32))
    file.swmr_mode = True
    data.flush()
    if sys.argv[3] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
"""


def write_growing(path: Path, seed: int = 1, end: str = "killed") -> None:
    """A file whose writer (SWMR) was killed, which looks as if he were still there; or has closed it."""
    subprocess.run([sys.executable, "-c", WRITER, str(path), str(seed), end], check=False)


@pytest.fixture(scope="module")
def inverter() -> NetworkInverter:
    simulation = Simulation(detector=SMALL.detector)
    model = Model(ModelConfiguration(ResidualConfiguration((1,), 4), simulation=simulation))
    return NetworkInverter(Checkpoint(model.eval(), {}, "0", Path("nowhere"), {}, {}))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that are opened from here on, each time."""
    paths: list[Path] = []

    def counted(path: Path, *arguments: Any, **options: Any) -> Any:
        paths.append(path)
        return open_frames(path, *arguments, **options)

    monkeypatch.setattr("invert.watch.open_frames", counted)
    return paths


def write(path: Path, seed: int = 1) -> None:
    with h5py.File(path, "w") as file:
        file["data"] = np.random.default_rng(seed).lognormal(0, 3, (3, 32, 32)).astype(np.float32)


def watched(
    folder: Path,
    inverter: NetworkInverter,
    meanwhile: Callable[[Watched], object] = lambda found: None,
    patience: float = 0.1,
) -> tuple[list[Watched], list[str]]:
    """What is said of a folder until nothing happens there any more, and what needs a look."""
    said: list[Watched] = []
    warned: list[str] = []

    def say(found: Watched) -> None:
        said.append(found)
        meanwhile(found)

    def tell(path: Path, text: str) -> None:
        if text.startswith(("warning: ", "error: ")):
            warned.append(f"{path.name}: {text}")

    watch_folder(
        folder,
        Reading(scale="linear"),
        inverter,
        {"program": "test"},
        say,
        tell,
        interval=0.02,
        until_idle=0.1,
        patience=patience,
    )
    return said, warned


def finished(said: list[Watched]) -> list[str]:
    return [found.file for found in said if found.frame is None]


def test_a_file_that_vanishes_costs_no_other_file(inverter: NetworkInverter, tmp_path: Path) -> None:
    for number, name in enumerate(("a.h5", "b.h5", "c.H5")):
        write(tmp_path / name)
        os.utime(tmp_path / name, (number, number))
    said, warned = watched(tmp_path, inverter, lambda found: (tmp_path / "b.h5").unlink(missing_ok=True))
    assert finished(said) == ["a.h5", "c.H5"]
    assert warned == []


def test_predictions_are_of_the_file_as_it_is(inverter: NetworkInverter, tmp_path: Path) -> None:
    write(tmp_path / "a.h5", seed=1)
    write(tmp_path / "new", seed=2)
    os.utime(tmp_path / "new", (1, 1))  # as copies that keep times have it
    with h5py.File(tmp_path / "new") as file:
        expected = int(file["data"][0].argmax())

    def replace(found: Watched) -> None:
        if (tmp_path / "new").exists():
            os.replace(tmp_path / "new", tmp_path / "a.h5")

    said, _ = watched(tmp_path, inverter, replace)
    assert finished(said) == ["a.h5", "a.h5"]
    with h5py.File(tmp_path / "a.predictions.h5") as file:
        assert int(file["/entry_1/result_1/measured"][0].argmax()) == expected


def test_files_that_differ_in_their_endings_do_not_share_predictions(
    inverter: NetworkInverter, tmp_path: Path
) -> None:
    for number, name in enumerate(("a.h5", "a.cxi", "b.h5")):
        write(tmp_path / name)
        os.utime(tmp_path / name, (number, number))
    said, warned = watched(tmp_path, inverter)
    assert finished(said) == ["a.h5", "b.h5"]
    assert warned == [
        "a.cxi: error: frames: got a.cxi; allowed: a name of its own; the predictions of a.h5 would be lost"
    ]


def test_a_writer_that_was_killed_holds_nothing_up(
    inverter: NetworkInverter, tmp_path: Path, opened: list[Path]
) -> None:
    write_growing(tmp_path / "a.h5")
    write(tmp_path / "b.h5")
    said, warned = watched(tmp_path, inverter)
    assert finished(said) == ["a.h5", "b.h5"]
    assert warned == ["a.h5: warning: taken as it is, since its writer has added nothing for 0.1 s"]
    assert opened == [tmp_path / "a.h5", tmp_path / "b.h5"]  # it is waited for with the file open
    with h5py.File(tmp_path / "a.predictions.h5") as file:
        assert file["/entry_1/process_1"].attrs["complete"]
        assert len(file["/entry_1/result_1/frame"]) == 3


def test_a_writer_is_waited_for_with_the_file_open(
    inverter: NetworkInverter, tmp_path: Path, opened: list[Path]
) -> None:
    write_growing(tmp_path / "a.h5")
    watched(tmp_path, inverter, patience=2.0)  # in which it could be opened many times
    assert opened == [tmp_path / "a.h5"]


@pytest.mark.parametrize("libver", ["single writer", "latest"])
def test_half_of_a_copy_is_refused_until_the_rest_is_there(
    libver: str, inverter: NetworkInverter, tmp_path: Path
) -> None:
    folder, original = tmp_path / "in", tmp_path / "original.h5"
    folder.mkdir()
    if libver == "single writer":
        write_growing(original, end="closed")
    else:
        with h5py.File(original, "w", libver="latest") as file:
            file["data"] = np.random.default_rng(1).lognormal(0, 3, (3, 32, 32)).astype(np.float32)
    content = original.read_bytes()
    (folder / "a.h5").write_bytes(content[: len(content) * 2 // 3])
    said, warned = watched(folder, inverter)
    assert said == []
    assert len(warned) == 1
    assert warned[0].startswith("a.h5: error: frames: got ")
    assert [path.name for path in folder.iterdir()] == ["a.h5"]
    (folder / "a.h5").write_bytes(content)
    said, warned = watched(folder, inverter)
    assert finished(said) == ["a.h5"]
    assert warned == []


def test_frames_of_two_growing_files_of_one_name_do_not_mix(
    inverter: NetworkInverter, tmp_path: Path
) -> None:
    write_growing(tmp_path / "a.h5", seed=1)
    write_growing(tmp_path / "new", seed=2)

    def replace(found: Watched) -> None:
        if (tmp_path / "new").exists():
            os.replace(tmp_path / "new", tmp_path / "a.h5")

    said, warned = watched(tmp_path, inverter, replace)
    assert finished(said) == ["a.h5"]
    assert warned[0].startswith("a.h5: error: frames: got a.h5, which is another file now; allowed: one file")
    images = np.random.default_rng(2).lognormal(0, 3, (3, 32, 32))
    with h5py.File(tmp_path / "a.predictions.h5") as file:
        measured = file["/entry_1/result_1/measured"]
        assert [int(frame.argmax()) for frame in measured] == [int(image.argmax()) for image in images]


def test_a_growing_file_that_is_written_anew_in_its_place_is_read_anew(
    inverter: NetworkInverter, tmp_path: Path
) -> None:
    write_growing(tmp_path / "a.h5", seed=1)
    write_growing(tmp_path / "new", seed=2, end="closed")
    content = (tmp_path / "new").read_bytes()

    def rewrite(found: Watched) -> None:
        if (tmp_path / "a.h5").read_bytes() != content:
            (tmp_path / "a.h5").write_bytes(content)

    said, warned = watched(tmp_path, inverter, rewrite)
    assert finished(said)[-1:] == ["a.h5"]
    images = np.random.default_rng(2).lognormal(0, 3, (3, 32, 32))
    with h5py.File(tmp_path / "a.predictions.h5") as file:
        measured = file["/entry_1/result_1/measured"]
        assert [int(frame.argmax()) for frame in measured] == [int(image.argmax()) for image in images]
    assert warned[0].startswith("a.h5: error: frames: got a.h5, which is another file now")


def test_what_was_read_of_a_growing_file_that_vanishes_is_kept(
    inverter: NetworkInverter, tmp_path: Path
) -> None:
    write_growing(tmp_path / "a.h5")
    said, warned = watched(tmp_path, inverter, lambda found: (tmp_path / "a.h5").unlink(missing_ok=True))
    assert finished(said) == ["a.h5"]
    assert warned == ["a.h5: warning: it is gone; taken as far as it was read"]
    with h5py.File(tmp_path / "a.predictions.h5") as file:
        assert file["/entry_1/process_1"].attrs["complete"]
        assert len(file["/entry_1/result_1/frame"]) == 3


def test_files_that_are_done_are_counted(inverter: NetworkInverter, tmp_path: Path) -> None:
    for name in ("a.h5", "b.h5"):
        write(tmp_path / name)
    watched(tmp_path, inverter)
    said, warned = watched(tmp_path, inverter)
    assert said == []
    assert warned == [
        f"{tmp_path.name}: warning: 2 files have predictions already, of whatever model and options; "
        "they are left"
    ]


def test_a_name_that_is_no_text_is_reported(inverter: NetworkInverter, tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    (tmp_path / "a.h5").rename(tmp_path / os.fsdecode(b"\xe4.h5"))  # as Latin-1 has it
    said, warned = watched(tmp_path, inverter)
    assert said == []
    assert len(warned) == 1
    assert "error: frames: got '\\udce4.h5'; allowed: a name in UTF-8" in warned[0]


def test_what_cannot_be_written_is_reported(inverter: NetworkInverter, tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    write(tmp_path / "b.h5")
    (tmp_path / "a.predictions.h5").mkdir()
    said, warned = watched(tmp_path, inverter)
    assert finished(said) == ["b.h5"]
    assert len(warned) == 1
    assert warned[0].startswith("a.h5: error: out: got ")


def test_forward_fits_are_kept_and_are_no_frames(inverter: NetworkInverter, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.predictions.h5", "w") as file:
        file["/entry_1/result_1/radius"] = [50e-9] * 9
        file["/entry_1/result_1/measured"] = np.ones((9, 32, 32), dtype=np.float32)
        file["/entry_1/result_1/patterns_used"] = [2500] * 9
    fits = (tmp_path / "a.predictions.h5").read_bytes()
    os.utime(tmp_path / "a.predictions.h5", (1, 1))
    write(tmp_path / "a.h5")
    told = []
    for _ in range(2):
        said, warned = watched(tmp_path, inverter)
        told += [found.notes[-1] for found in said if found.predictions]
        assert [line for line in warned if "files have predictions already" not in line] == []
        assert (
            (tmp_path / "a.predictions.1.h5").read_bytes()
            == fits
            != (tmp_path / "a.predictions.h5").read_bytes()
        )
    assert said == []
    assert [line.partition(" they are ")[2] for line in told] == [
        f"kept as {tmp_path / 'a.predictions.1.h5'}"
    ]
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == [
        "a.h5", "a.predictions.1.h5", "a.predictions.h5"
    ]  # fmt: skip


def test_what_is_no_predictions_is_not_replaced(inverter: NetworkInverter, tmp_path: Path) -> None:
    write(tmp_path / "a.predictions.h5", seed=2)
    theirs = (tmp_path / "a.predictions.h5").read_bytes()
    os.utime(tmp_path / "a.predictions.h5", (1, 1))
    write(tmp_path / "a.h5")
    said, warned = watched(tmp_path, inverter)
    assert said == []
    assert len(warned) == 1
    assert "a new name: it holds something else" in warned[0]
    assert (tmp_path / "a.predictions.h5").read_bytes() == theirs
