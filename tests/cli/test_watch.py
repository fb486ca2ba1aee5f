"""`invert watch` and `invert import` as users type them."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from numpy.typing import NDArray
from PIL import Image

from invert.frames import read_frames

from . import conftest

WATCH = "import msft_cli.inversion; msft_cli.inversion.main()"

run = partial(conftest.run, app)


def stack(count: int = 5) -> NDArray[np.float32]:
    return np.random.default_rng(1).lognormal(0, 3, (count, 32, 32)).astype(np.float32)


def test_files_are_inverted_once_and_bad_ones_reported(model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "beamtime"
    folder.mkdir()
    for name in ("a.h5", "b.cxi"):
        with h5py.File(folder / name, "w") as file:
            file["entry_1/data_1/data"] = stack()
    (folder / "broken.h5").write_bytes(b"\x89HDF\r\n\x1a\n and no more")
    (folder / "notes.txt").write_text("nothing to invert")
    watched = ["watch", folder, "--model", model, "--interval", 0.05, "--until-idle", 0.2, "--json"]
    done = run(*watched)
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["file"], one["frame"]) for one in told] == [
        (name, frame) for name in ("a.h5", "b.cxi") for frame in (0, 1, 2, 3, 4, None)
    ]
    assert told[0]["agreement"] is not None
    assert len(done.stderr.strip().splitlines()) == 1
    assert "broken.h5" in done.stderr
    with h5py.File(folder / "b.predictions.h5") as file:
        assert file["/entry_1/result_1/frame"][:].tolist() == [0, 1, 2, 3, 4]
        assert file["/entry_1/process_1"].attrs["complete"]
    assert len((folder / "a.predictions.csv").read_text().splitlines()) == 6
    again = run(*watched)
    assert again.stdout == "", "what is done stays done"
    assert not [path.name for path in folder.iterdir() if "partial" in path.name]


def test_a_growing_file_is_followed_frame_by_frame(model: Path, tmp_path: Path) -> None:
    images = stack(6)
    command = [
        "watch",
        str(tmp_path),
        "--model",
        str(model),
        "--interval",
        "0.05",
        "--json",
        "--scale",
        "linear",
    ]
    with h5py.File(tmp_path / "live.h5", "w", libver="latest") as file:
        data = file.create_dataset("data", (1, 32, 32), "f4", maxshape=(None, 32, 32), chunks=(1, 32, 32))
        data[0] = images[0]
        file.swmr_mode = True
        watcher = subprocess.Popen(
            [sys.executable, "-c", WATCH, *command, "--until-idle", "0.3", "--scale", "linear"],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert watcher.stdout is not None
        assert json.loads(watcher.stdout.readline())["frame"] == 0
        for number in range(1, 6):
            data.resize(number + 1, axis=0)
            data[number] = images[number]
            data.flush()
            # it is told before the next one is written: nobody waited for the end of the file
            assert json.loads(watcher.stdout.readline())["frame"] == number
        assert not (tmp_path / "live.predictions.h5").exists()
    last = json.loads(watcher.stdout.readline())
    assert last["predictions"] == "live.predictions.h5"
    assert watcher.wait(60) == 0
    with h5py.File(tmp_path / "live.predictions.h5") as file:
        assert file["/entry_1/result_1/frame"][:].tolist() == list(range(6))


def test_a_file_with_a_doubt_or_a_fault_is_named(model: Path, tmp_path: Path) -> None:
    # NumPy's logarithms, and light of another wavelength than the model's
    with h5py.File(tmp_path / "log.h5", "w") as file:
        file["data"] = np.random.default_rng(1).normal(3, 1, (2, 32, 32)).astype(np.float32)
    with h5py.File(tmp_path / "red.h5", "w") as file:
        file["entry_1/data_1/data"] = stack()
        file["entry_1/instrument_1/source_1/wavelength"] = 20e-9
    done = run("watch", tmp_path, "--model", model, "--interval", 0.05, "--until-idle", 0.2, "--quiet")
    assert done.exit_code == 0, done.output
    told = sorted(done.stderr.strip().splitlines())
    assert told[0].startswith("log.h5: warning: the values look like logarithms")
    assert told[1].startswith("red.h5: error: wavelength: got 20 nm")
    assert len(told) == 2
    with h5py.File(tmp_path / "log.predictions.h5") as file:
        assert "look like logarithms" in file["/entry_1/process_1"].attrs["notes"]


def test_what_is_assumed_is_told(model: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry_1/data_1/data"] = stack()
    watched = ["watch", tmp_path, "--model", model, "--interval", 0.05, "--until-idle", 0.2]
    lines = run(*watched).stdout.splitlines()
    assert lines[0].startswith(f"watching {tmp_path}; weights: {model}")
    assert lines.count("a.h5: images /entry_1/data_1/data (CXI)") == 1
    for options, told in ((["--json"], 1), (["--quiet"], 0)):
        (tmp_path / "a.predictions.h5").unlink()
        done = run(*watched, *options)
        assert done.stdout.count("images /entry_1/data_1/data (CXI)") == told
        assert done.stdout.count("weights: ") == told


def test_a_folder_that_is_not_there_is_bad_input(model: Path, tmp_path: Path) -> None:
    done = run("watch", tmp_path / "nowhere", "--model", model)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: folder: got ")


def test_pictures_become_frames_with_every_number_kept(tmp_path: Path) -> None:
    counts = np.random.default_rng(0).integers(0, 60_000, (3, 20, 24)).astype(np.uint16)
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(counts[0]).save(folder / "a.png")
    pages = [Image.fromarray(image) for image in counts[1:]]
    pages[0].save(folder / "b.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw")
    np.save(tmp_path / "c.npy", counts)
    known = ["--pixel-size", 0.2, "--distance", 50, "--center", "9.5,12", "--scale", "linear"]
    done = run("import", folder, tmp_path / "c.npy", "-o", tmp_path / "f.h5", *known, "--wavelength", 13.5)
    assert done.exit_code == 0, done.output
    assert "3 of 3" in done.stderr, "of the three files, two of them in the folder"
    frames = read_frames(tmp_path / "f.h5")
    assert np.array_equal(frames.images, np.concatenate([counts, counts]))
    assert frames.scale == "linear"
    assert frames.center == pytest.approx((9.5, 12.0))
    assert frames.wavelength == pytest.approx(13.5)
    with h5py.File(tmp_path / "f.h5") as file:
        assert file["/entry_1/data_1/data"].dtype == np.uint16
        assert file["/entry_1/instrument_1/detector_1/x_pixel_size"][()] == pytest.approx(0.2e-3)
        assert file["/entry_1/data_1/source"].asstr()[:].tolist() == ["a.png", "b.tif", "b.tif"] + 3 * [
            "c.npy"
        ]


def test_an_import_does_not_offer_an_estimated_centre(tmp_path: Path) -> None:
    assert "estimate" not in run("import", "--help").stdout
    Image.fromarray(np.zeros((20, 24), dtype=np.uint8)).save(tmp_path / "a.png")
    done = run("import", tmp_path / "a.png", "-o", tmp_path / "f.h5", "--center", "estimate")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: center: got estimate; allowed: ROW,COLUMN in pixels; ")
    assert "or estimate" not in done.stderr


def test_floating_point_pictures_and_logarithms(tmp_path: Path) -> None:
    image = np.log10(stack(1)[0] + 1e-3)
    Image.fromarray(image).save(tmp_path / "a.tiff")
    done = run("import", tmp_path / "a.tiff", "-o", tmp_path / "f.h5", "--scale", "log")
    assert done.exit_code == 0, done.output
    frames = read_frames(tmp_path / "f.h5")
    assert np.array_equal(frames.images[0], image)
    assert frames.scale == "log"


def write_tiff(path: Path, image: NDArray[Any], sample_format: int | None) -> None:
    """Without compression; with the tag that says unsigned, signed or floating-point, or without it."""
    rows, columns = image.shape
    tags = {256: columns, 257: rows, 258: 8 * image.itemsize, 259: 1, 262: 1, 273: 8, 277: 1, 278: rows}
    tags |= {279: image.nbytes} | ({} if sample_format is None else {339: sample_format})
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    head = struct.pack("<2sHI", b"II", 42, 8 + image.nbytes)
    path.write_bytes(head + image.tobytes() + struct.pack("<H", len(tags)) + entries + bytes(4))


@pytest.mark.parametrize(
    ("kind", "sample_format"),
    [("u4", 1), ("u4", None), ("i4", 2), ("f4", 3), ("u1", 1), ("u1", None), ("i1", 2), ("u2", None)],
)
def test_numbers_of_a_tiff_keep_their_signs(tmp_path: Path, kind: str, sample_format: int | None) -> None:
    image = np.random.default_rng(2).integers(0, 256, (20, 24 * np.dtype(kind).itemsize), np.uint8).view(kind)
    image = np.nan_to_num(image)
    write_tiff(tmp_path / "a.tif", image, sample_format)
    done = run("import", tmp_path / "a.tif", "-o", tmp_path / "f.h5")
    assert done.exit_code == 0, done.output
    with h5py.File(tmp_path / "f.h5") as file:
        data = file["/entry_1/data_1/data"]
        assert data.dtype == kind
        assert np.array_equal(data[0], image)


def test_pictures_that_are_no_frames_are_one_line_and_leave_nothing(tmp_path: Path) -> None:
    grey = np.zeros((20, 24), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "good.png")
    Image.fromarray(grey[:-1]).save(tmp_path / "small.png")
    colours = np.random.default_rng(0).integers(0, 255, (20, 24, 3)).astype(np.uint8)
    Image.fromarray(colours).save(tmp_path / "colours.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "good.png").read_bytes()[:40])
    np.save(tmp_path / "deep.npy", np.zeros((2, 2, 20, 24)))
    np.save(tmp_path / "flat.npy", np.zeros((3, 0, 24)))
    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    for names in (
        ["good.png", "small.png"],
        ["colours.png"],
        ["broken.png"],
        ["deep.npy"],
        ["flat.npy"],
        ["objects.npy"],
        ["empty"],
        ["missing.png"],
        ["good.txt"],
    ):
        done = run("import", *(tmp_path / name for name in names), "-o", tmp_path / "f.h5", "--quiet")
        assert done.exit_code == 2, (names, done.output)
        assert done.stderr.startswith("error: pictures: got "), (names, done.stderr)
        assert len(done.stderr.strip().splitlines()) == 1
        assert sorted(tmp_path.iterdir()) == before, names
    (tmp_path / "good.png").rename(odd := tmp_path / os.fsdecode(b"\xe4.png"))
    done = run("import", odd, "-o", tmp_path / "f.h5", "--quiet")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: name: got ")
    odd.rename(tmp_path / "good.png")
    assert not (tmp_path / "f.h5").exists()
    np.save(tmp_path / "table.npy", np.zeros((20, 3)))
    assert run("import", tmp_path / "table.npy", "-o", tmp_path / "f.h5").exit_code == 2
    for center in ("20,3", "-1,3", "nan,3", "estimate"):
        done = run("import", tmp_path / "good.png", "-o", tmp_path / "f.h5", f"--center={center}")
        assert done.exit_code == 2, center
        assert f"center: got {center}; allowed: " in done.stderr
    assert not (tmp_path / "f.h5").exists()
    shutil.copy(tmp_path / "good.png", tmp_path / "f.h5")
    assert run("import", tmp_path / "good.png", "-o", tmp_path / "f.h5").exit_code == 2
    assert run("import", tmp_path / "good.png", "-o", tmp_path / "f.h5", "--force").exit_code == 0
