"""Files that cannot be used, in more than two hundred ways: exit code 2, one line, and nothing is left."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app

from .conftest import run

CUTS, FLIPS, OVERWRITES = 70, 70, 40


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file that is as it should be."""
    path = tmp_path_factory.mktemp("good") / "exp.h5"
    images = np.random.default_rng(0).lognormal(0, 3, (4, 32, 32)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("entry_1/data_1/data", data=images, chunks=(1, 32, 32), compression="gzip")
        file["entry_1/data_1/mask"] = np.zeros((32, 32), np.uint32)
        file["entry_1/instrument_1/source_1/wavelength"] = 13.5e-9
        file["entry_1/instrument_1/detector_1/q_step"] = 0.0148e9
    return path.read_bytes()


def predict(folder: Path, model: Path) -> tuple[int, str]:
    """Exit code and stderr; in this process, as the file is looked at in another one."""
    result = run(
        app, "predict", folder / "exp.h5", "--model", model, "--pictures", 0, "--no-report", "--quiet"
    )
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise AssertionError(f"a traceback for the user: {result.exception!r}") from result.exception
    return result.exit_code, result.stderr


def assert_refused(folder: Path, model: Path, case: str) -> None:
    before = sorted(folder.iterdir())
    code, text = predict(folder, model)
    assert code == 2, (case, text)
    lines = text.strip().splitlines()
    assert len(lines) == 1, (case, text)
    assert re.match(r"error: \w+: got .+; allowed: .+", lines[0]), (case, text)
    assert sorted(folder.iterdir()) == before, case


def assert_refused_or_used(folder: Path, model: Path, case: str) -> bool:
    """Flipped bits may lie where nothing is stored, or change a value: then the file is used, whole."""
    code, text = predict(folder, model)
    left = {path.name for path in folder.iterdir()} - {"exp.h5"}
    if code == 0:
        assert left == {"exp.predictions.h5", "exp.predictions.csv"}, case
        for name in left:
            (folder / name).unlink()
        return False
    assert code == 2, (case, text)
    lines = [line for line in text.strip().splitlines() if not line.startswith("warning")]
    assert len(lines) == 1, (case, text)
    assert lines[0].startswith("error: "), (case, text)
    assert not left, case
    return True


def test_the_file_is_good_before_it_is_damaged(good: bytes, model: Path, tmp_path: Path) -> None:
    (tmp_path / "exp.h5").write_bytes(good)
    assert predict(tmp_path, model) == (0, "")


def test_truncated_files(good: bytes, model: Path, tmp_path: Path) -> None:
    for length in np.linspace(0, len(good) - 1, CUTS).astype(int):
        (tmp_path / "exp.h5").write_bytes(good[:length])
        assert_refused(tmp_path, model, f"cut to {length} bytes")


def test_flipped_bits_in_the_structure(good: bytes, model: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    refused = 0
    for case in range(FLIPS):
        damaged = bytearray(good)
        for place in generator.integers(0, min(len(good), 4096), 1 + case // 8):
            damaged[place] ^= 1 << generator.integers(8)
        (tmp_path / "exp.h5").write_bytes(damaged)
        refused += assert_refused_or_used(tmp_path, model, f"flips {case}")
    assert refused > FLIPS // 4


def test_overwritten_parts(good: bytes, model: Path, tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    refused = 0
    for case in range(OVERWRITES):
        damaged = bytearray(good)
        length = int(generator.integers(8, 600))
        start = int(generator.integers(0, len(good) - length))
        damaged[start : start + length] = (b"\xff" if case % 2 else b"\x00") * length
        (tmp_path / "exp.h5").write_bytes(damaged)
        refused += assert_refused_or_used(tmp_path, model, f"overwritten {case}")
    assert refused >= OVERWRITES // 8


def recursive_links(file: h5py.File) -> None:
    file["a/b"] = 1.0
    file["a/loop"] = file["a"]
    file["soft"] = h5py.SoftLink("/soft")
    file["one"], file["two"] = h5py.SoftLink("/two"), h5py.SoftLink("/one")
    file["data"] = h5py.SoftLink("/data")
    file["entry_1"] = h5py.SoftLink("/a/loop/loop/loop")


def deep_groups(file: h5py.File) -> None:
    group = file
    for _ in range(800):
        group = group.create_group("g")


def many_of_nothing(file: h5py.File) -> None:
    for number in range(2000):
        file[f"entry_{number}/data_1/data"] = 0.0


def default_ring(file: h5py.File) -> None:
    file.attrs["default"] = "a"
    file.create_group("a").attrs["default"] = "/b"
    file.create_group("b").attrs.update(default="/a", signal="data", NX_class="NXdata")


def virtual_without_sources(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((4, 32, 32), "f4")
    layout[:] = h5py.VirtualSource("nowhere.h5", "data", (4, 32, 32))
    file.create_virtual_dataset("data", layout)


def external_storage(file: h5py.File) -> None:
    file.create_dataset("data", (4, 32, 32), "f4", external=[("nowhere.raw", 0, 4 * 32 * 32 * 4)])


def reading_fails(file: h5py.File) -> None:
    file["data"] = np.full((3, 32, 32), np.nan, dtype="f4")
    file["entry_1/data_1/mask"] = np.zeros((3, 32, 31), int)


def another_wavelength(file: h5py.File) -> None:
    file["data"] = np.ones((2, 32, 32))
    file["entry_1/instrument_1/source_1/wavelength"] = 1e-9


def some_chunk(file: h5py.File, shape: tuple[int, ...], chunk: tuple[int, ...]) -> None:
    file.create_dataset("data", shape, "f4", chunks=chunk).id.write_direct_chunk(
        (0,) * len(shape), b"\0" * 64
    )


CONTENTS: dict[str, Callable[[h5py.File], object]] = {
    "nothing": lambda file: None,
    "a number": lambda file: file.create_dataset("data", data=3.0),
    "a curve": lambda file: file.create_dataset("data", data=np.zeros(100)),
    "a table": lambda file: file.create_dataset("data", data=np.zeros((100, 3))),
    "texts": lambda file: file.create_dataset("data", data=[["a", "b"]] * 9, dtype=h5py.string_dtype()),
    "fixed texts": lambda file: file.create_dataset("data", data=np.full((9, 9), b"text")),
    "compound": lambda file: file.create_dataset("data", (4, 32, 32), [("a", "f4"), ("b", "i2")]),
    "complex": lambda file: file.create_dataset("data", (4, 32, 32), "c8"),
    "booleans": lambda file: file.create_dataset("data", (4, 32, 32), "?"),
    "opaque": lambda file: file.create_dataset("data", (4, 32, 32), "V7"),
    "ragged": lambda file: file.create_dataset("data", (4, 32), h5py.vlen_dtype("f4")),
    "references": lambda file: file.create_dataset("data", (4, 32, 32), h5py.ref_dtype),
    "enumeration": lambda file: file.create_dataset("data", (4, 5), h5py.enum_dtype({"A": 0, "B": 1}, "i")),
    "no space": lambda file: file.create_dataset("data", data=h5py.Empty("f4")),
    "no frames": lambda file: file.create_dataset("data", (0, 32, 32), "f4"),
    "no rows": lambda file: file.create_dataset("data", (4, 0, 32), "f4"),
    "five dimensions": lambda file: file.create_dataset("data", data=np.zeros((1, 2, 3, 32, 32), "f4")),
    "modules": lambda file: file.create_dataset("data", data=np.zeros((4, 3, 32, 32), "f4")),
    "another size": lambda file: file.create_dataset("data", data=np.ones((4, 31, 32), "f4")),
    "never written": lambda file: file.create_dataset("data", (4, 32, 32), "f4"),
    "never written, chunked": lambda file: file.create_dataset("data", (4, 32, 32), "f4", chunks=(1, 32, 32)),
    "gigantic": lambda file: file.create_dataset("data", (2**40, 2**10, 2**10), "f4", chunks=(1, 1024, 1024)),
    "gigantic frames": lambda file: file.create_dataset("data", (2**30, 2**30), "f8", chunks=(64, 64)),
    "gigantic stack": lambda file: some_chunk(file, (2**50, 32, 32), (1, 32, 32)),
    "gigantic chunk": lambda file: some_chunk(file, (2**14, 256, 256), (2**13, 256, 256)),
    "a link to nowhere": lambda file: file.__setitem__("data", h5py.SoftLink("/nowhere")),
    "a file that is not there": lambda file: file.__setitem__("data", h5py.ExternalLink("no.h5", "/data")),
    "itself": lambda file: file.__setitem__("data", h5py.ExternalLink("exp.h5", "/data")),
    "recursive links": recursive_links,
    "deep groups": deep_groups,
    "many entries of nothing": many_of_nothing,
    "a ring of defaults": default_ring,
    "virtual without sources": virtual_without_sources,
    "external storage": external_storage,
    "a mask of another size": reading_fails,
    "another wavelength": another_wavelength,
}


@pytest.mark.parametrize("name", CONTENTS)
def test_files_whose_content_is_no_stack_of_frames(name: str, model: Path, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        CONTENTS[name](file)
    assert_refused(tmp_path, model, name)


def forbidden(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n")
    path.chmod(0)


THINGS: dict[str, Callable[[Path], object]] = {
    "nothing": lambda path: None,
    "a folder": lambda path: path.mkdir(),
    "an empty file": lambda path: path.write_bytes(b""),
    "a text": lambda path: path.write_text("not HDF5\n" * 99),
    "noise": lambda path: path.write_bytes(np.random.default_rng(0).bytes(10_000)),
    "a signature": lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n"),
    "a signature and noise": lambda path: path.write_bytes(
        b"\x89HDF\r\n\x1a\n" + np.random.default_rng(0).bytes(4000)
    ),
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a pipe": lambda path: os.mkfifo(path),
    "a device": lambda path: path.symlink_to("/dev/null"),
    "permission denied": forbidden,
}


@pytest.mark.parametrize("name", THINGS)
def test_paths_that_are_no_hdf5_file(name: str, model: Path, tmp_path: Path) -> None:
    THINGS[name](tmp_path / "exp.h5")
    assert_refused(tmp_path, model, name)


@pytest.mark.parametrize("case", ["cut", "gigantic stack", "texts"])
def test_as_a_process_with_little_memory(case: str, good: bytes, model: Path, tmp_path: Path) -> None:
    """The whole command, with no more memory than PyTorch and its libraries take anyway, and one GB."""
    path = tmp_path / "exp.h5"
    if case == "cut":
        path.write_bytes(good[: len(good) // 2])
    else:
        with h5py.File(path, "w") as file:
            CONTENTS[case](file)
    code = (
        "import resource, sys, torch, msft_cli.inversion;"
        "pages = int(open('/proc/self/statm').read().split()[0]);"
        "limit = pages * resource.getpagesize() + 2**30;"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit));"
        "msft_cli.inversion.main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", str(path), "--model", str(model), "--no-report"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 2, done.stderr
    assert re.fullmatch(r"error: \w+: got .+; allowed: .+\n", done.stderr), done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == [path]


def test_there_are_enough_cases() -> None:
    assert CUTS + FLIPS + OVERWRITES + len(CONTENTS) + len(THINGS) >= 200
