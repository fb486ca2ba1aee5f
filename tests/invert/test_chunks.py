"""Frames decompressed beside HDF5: what it would give, whatever a file holds, and what is wrong with it."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from invert.reading import chunks

SIDE = (12, 14)
COUNT = 7


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A list that grows by one with every chunk which is not left to HDF5."""
    calls: list[int] = []
    decompress = chunks._decompress

    def counted(chunk: bytes, filters: tuple[int, ...], frame: NDArray[Any]) -> bool:
        done = decompress(chunk, filters, frame)
        calls.extend([1] * done)
        return done

    monkeypatch.setattr(chunks, "_decompress", counted)
    monkeypatch.setattr(chunks, "THREADS", 3)
    monkeypatch.setattr(chunks, "PART_BYTES", 3 * 12 * 14 * 4)  # so that they share the work
    return calls


def values(kind: str) -> NDArray[Any]:
    drawn = np.random.default_rng(3).lognormal(3, 2, (COUNT, *SIDE))
    return np.minimum(drawn, 100).astype(kind)


def written(path: Path, kind: str = "<u2", **how: Any) -> NDArray[Any]:
    frames = values(kind)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=frames, **{"chunks": (1, *SIDE), **how})
    return frames


def outcome(read: Callable[[], NDArray[Any]]) -> NDArray[Any] | None:
    """What is read; None if the file is damaged there."""
    try:
        return read()
    except OSError:
        return None


def assert_as_hdf5(data: h5py.Dataset) -> int:
    """Compare all rows at once and each alone; returns how many are damaged."""
    damaged = 0
    for first, last in ((0, len(data)), *((row, row + 1) for row in range(len(data)))):
        expected = outcome(lambda first=first, last=last: data[first:last])  # type: ignore[misc]
        found = outcome(lambda first=first, last=last: chunks.read_rows(data, first, last))  # type: ignore[misc]
        assert (found is None) == (expected is None)
        if found is not None and expected is not None:
            assert found.dtype == expected.dtype
            assert found.tobytes() == expected.tobytes()
        damaged += expected is None and last == first + 1
    return damaged


@pytest.mark.parametrize("kind", ["i1", "u1", "<i2", ">u2", ">i4", "<u8", "f2", "<f4", ">f4", ">f8"])
@pytest.mark.parametrize(
    "how", [{}, {"compression": "gzip"}, {"compression": "gzip", "shuffle": True, "compression_opts": 9}]
)
@pytest.mark.parametrize("library", ["as installed", "zlib"])
def test_plain_chunks_are_read_here(
    tmp_path: Path,
    here: list[int],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    how: dict[str, Any],
    library: str,
) -> None:
    if library == "zlib":
        monkeypatch.setattr(chunks, "zlib", zlib)
    frames = written(tmp_path / "a.h5", kind, **how)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(chunks.read_rows(file["a"], 1, COUNT), frames[1:])
        assert len(here) == COUNT - 1
        assert assert_as_hdf5(file["a"]) == 0


@pytest.mark.parametrize(
    "how",
    [
        {"chunks": None},
        {"chunks": (2, *SIDE), "compression": "gzip"},
        {"chunks": (1, 6, 14), "compression": "gzip"},
        {"compression": "lzf"},
        {"compression": "gzip", "fletcher32": True},
        {"compression": "gzip", "scaleoffset": 0},
        {"shuffle": True},
        {"compression": hdf5plugin.Bitshuffle()},
        {"compression": hdf5plugin.LZ4()},
    ],
)
def test_other_chunks_are_left_to_hdf5(tmp_path: Path, here: list[int], how: dict[str, Any]) -> None:
    frames = written(tmp_path / "a.h5", **how)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(chunks.read_rows(file["a"], 0, COUNT), frames)
    assert not here


def twelve_bits(file: h5py.File) -> None:
    kind = h5py.h5t.STD_U16LE.copy()
    kind.set_precision(12)
    kind.set_offset(4)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_chunk((1, *SIDE))
    h5py.h5d.create(file.id, b"a", kind, h5py.h5s.create_simple((COUNT, *SIDE)), plist)
    file["a"][:] = values("<u2")


def named(file: h5py.File) -> None:
    kind = h5py.enum_dtype({"good": 0, "bad": 1}, "u1")
    file.create_dataset("a", data=np.zeros((COUNT, *SIDE), "u1"), dtype=kind, chunks=(1, *SIDE))


def virtual(file: h5py.File) -> None:
    file["b"] = values("<u2")
    layout = h5py.VirtualLayout((COUNT, *SIDE), "<u2")
    layout[:] = h5py.VirtualSource(file["b"])
    file.create_virtual_dataset("a", layout)


@pytest.mark.parametrize("make", [twelve_bits, named, virtual])
def test_numbers_that_are_no_plain_array_are_left_to_hdf5(
    tmp_path: Path, here: list[int], make: Callable[[h5py.File], None]
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
    with h5py.File(tmp_path / "a.h5") as file:
        assert_as_hdf5(file["a"])
    assert not here


def test_a_file_that_grows_is_left_to_hdf5(tmp_path: Path, here: list[int]) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest") as writer:
        data = writer.create_dataset("a", data=values("<u2"), chunks=(1, *SIDE), compression="gzip")
        writer.swmr_mode = True
        with h5py.File(path, "r", swmr=True) as file:
            assert np.array_equal(chunks.read_rows(file["a"], 0, COUNT), data[:])
    assert not here


def test_chunks_that_are_not_there_have_fill_values(tmp_path: Path, here: list[int]) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset(
            "a", (COUNT, *SIDE), "<u2", chunks=(1, *SIDE), compression="gzip", fillvalue=77
        )
        data[2] = 5
    with h5py.File(tmp_path / "a.h5") as file:
        found = chunks.read_rows(file["a"], 0, COUNT)
        assert found[:, 0, 0].tolist() == [77, 77, 5, 77, 77, 77, 77]
        assert_as_hdf5(file["a"])
    assert here


@pytest.mark.parametrize("skipped", [1, 2, 3])
def test_chunks_that_a_filter_left_alone_are_hdf5s(tmp_path: Path, here: list[int], skipped: int) -> None:
    frame = values("<u2")[0]
    shuffled = frame.reshape(-1).view(np.uint8).reshape(-1, 2).T.tobytes()
    content = {1: zlib.compress(frame.tobytes()), 2: shuffled, 3: frame.tobytes()}[skipped]
    written(tmp_path / "a.h5", compression="gzip", shuffle=True)
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["a"].id.write_direct_chunk((4, 0, 0), content, skipped)
    with h5py.File(tmp_path / "a.h5") as file:
        assert np.array_equal(chunks.read_rows(file["a"], 4, 5)[0], frame)
        assert not here
        assert_as_hdf5(file["a"])


@pytest.mark.parametrize("how", [{"compression": "gzip"}, {"compression": "gzip", "shuffle": True}])
def test_damaged_chunks_are_damaged_here_as_well(tmp_path: Path, how: dict[str, Any]) -> None:
    generator = np.random.default_rng(1)
    written(tmp_path / "a.h5", **how)
    damaged = 0
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        whole = [file["a"].id.read_direct_chunk((row, 0, 0))[1] for row in range(COUNT)]
    for case in range(40):
        for row in (1, 4):
            chunk = bytearray(whole[row])
            if case % 4 == 0:
                del chunk[generator.integers(len(chunk)) :]
            elif case % 4 == 1:
                chunk += generator.bytes(9)  # which is nobody's business
            else:
                chunk[generator.integers(len(chunk))] ^= 1 << generator.integers(8)
            with h5py.File(tmp_path / "a.h5", "r+") as file:
                file["a"].id.write_direct_chunk((row, 0, 0), bytes(chunk) or b"\0")
        with h5py.File(tmp_path / "a.h5") as file:
            damaged += assert_as_hdf5(file["a"])
    assert damaged > 40


def test_chunks_that_hold_too_little_are_hdf5s(tmp_path: Path, here: list[int]) -> None:
    """It fills them up with what was in its memory."""
    frames = written(tmp_path / "a.h5", compression="gzip")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["a"].id.write_direct_chunk((2, 0, 0), zlib.compress(frames[2].tobytes()[:-6]))
    with h5py.File(tmp_path / "a.h5") as file:
        found = chunks.read_rows(file["a"], 2, 3)[0]
    assert np.array_equal(found.ravel()[:-3], frames[2].ravel()[:-3])
    assert not here


def test_a_chunk_that_never_ends_takes_no_memory(tmp_path: Path) -> None:
    frames = written(tmp_path / "a.h5", compression="gzip")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        chunk = zlib.compress(frames[0].tobytes() + bytes(200_000_000), 9)
        file["a"].id.write_direct_chunk((3, 0, 0), chunk)
    tracemalloc.start()
    try:
        with h5py.File(tmp_path / "a.h5") as file:
            found = chunks.read_rows(file["a"], 3, 4)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert np.array_equal(found[0], frames[0])
    assert most < 10_000_000
