"""Where images are found in files that others wrote, and how they are read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from numpy.typing import NDArray

from invert.frames import Frames, FrameSource, Reading, open_frames, read_frames
from invert.reading.stack import ImageStack
from msft.errors import ParameterError

Images = NDArray[np.float32]


@pytest.fixture
def stack() -> Images:
    generator = np.random.default_rng(3)
    return np.asarray(generator.lognormal(0, 3, (5, 12, 14)), dtype=np.float32)


def nexus(file: h5py.File, stack: Images) -> None:
    file.attrs["default"] = "run"
    run = file.create_group("run")
    run.attrs.update(NX_class="NXentry", default="scan")
    scan = run.create_group("scan")
    scan.attrs.update(NX_class="NXdata", signal="counts")
    scan["counts"] = stack
    file["larger"] = np.zeros((50, 12, 14))


def nexus_without_default(file: h5py.File, stack: Images) -> None:
    scan = file.create_group("run/scan")
    file["run"].attrs["NX_class"] = "NXentry"
    scan.attrs["NX_class"] = "NXdata"
    scan["counts"] = stack
    scan["counts"].attrs["signal"] = 1
    scan["errors"] = stack
    file["larger"] = np.zeros((50, 12, 14))


def cxi(file: h5py.File, stack: Images) -> None:
    file["entry_1/data_1/data"] = stack
    file["data/data"] = np.zeros((50, 12, 14))


def cxi_detector(file: h5py.File, stack: Images) -> None:
    file["entry_1/instrument_1/detector_1/data"] = stack[:, None]  # (N, 1, y, x)
    file["larger"] = np.zeros((50, 12, 14))


def largest(file: h5py.File, stack: Images) -> None:
    file["a/deep/place"] = stack
    file["small"] = stack[0]
    file["table"] = np.zeros((10_000, 3))
    file["narrow"] = np.zeros((1000, 12, 4))


@pytest.mark.parametrize(
    ("build", "name", "rule", "others"),
    [
        (nexus, "/run/scan/counts", "NeXus", ["/larger"]),
        (nexus_without_default, "/run/scan/counts", "NeXus", ["/larger", "/run/scan/errors"]),
        (cxi, "/entry_1/data_1/data", "CXI", ["/data/data"]),
        (cxi_detector, "/entry_1/instrument_1/detector_1/data", "CXI", ["/larger"]),
        (largest, "/a/deep/place", "largest array", ["/small"]),
    ],
)
def test_images_are_found_by_rank_of_the_rules_and_the_rest_is_listed(
    tmp_path: Path,
    stack: Images,
    build: Callable[[h5py.File, Images], None],
    name: str,
    rule: str,
    others: list[str],
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        build(file, stack)
    with open_frames(tmp_path / "a.h5") as source:
        assert source.found.names == (name,)
        assert source.found.rule == rule
        assert sorted(other.partition(" ")[0] for other in source.found.others) == others
        assert any(rule in note and name in note for note in source.notes)
    assert np.array_equal(read_frames(tmp_path / "a.h5").images, stack)
    assert np.array_equal(read_frames(tmp_path / "a.h5", dataset=name).images, stack)


def test_many_entries_are_one_stack_in_the_order_of_their_numbers(tmp_path: Path, stack: Images) -> None:
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        for number, image in enumerate(np.concatenate([stack] * 3)):
            place = f"entry_{number + 1}/instrument_1/detector_1/data"
            file[place] = image * (number + 1)
            mask = np.zeros(image.shape, dtype=np.int32)
            mask[0, number % 14] = 1
            file[f"entry_{number + 1}/instrument_1/detector_1/mask"] = mask
            file[f"entry_{number + 1}/note_1/data"] = np.zeros(11)
    frames = read_frames(tmp_path / "a.cxi", rows=slice(8, 13))
    assert frames.numbers.tolist() == [8, 9, 10, 11, 12]
    for row, number in enumerate(frames.numbers):
        assert np.allclose(frames.images[row], stack[number % 5] * (number + 1))
        assert np.flatnonzero(~frames.valid[row, 0]).tolist() == [number % 14]


def test_what_is_named_may_be_any_shape_of_images_and_nothing_else(tmp_path: Path, stack: Images) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["one"], file["flipped"], file["panels"] = stack[0], stack[None], np.zeros((5, 2, 12, 14))
        file["complex"], file["text"] = stack.astype(complex), "images"
        file["structured"] = np.zeros((5, 12, 14), dtype=[("a", "f4"), ("b", "f4")])
        file["nowhere"] = h5py.ExternalLink("missing.h5", "/data")
        file["lost"] = h5py.SoftLink("/not/here")
        file["group/data"] = 3
    assert read_frames(tmp_path / "a.h5", dataset="one").images.shape == (1, 12, 14)
    flipped = read_frames(tmp_path / "a.h5", dataset="flipped").images
    assert flipped.shape == (5, 12, 14)
    assert np.allclose(flipped, stack)
    for name in (
        "panels",
        "complex",
        "text",
        "structured",
        "nowhere",
        "lost",
        "group",
        "missing",
        "group/data/x",
    ):
        with pytest.raises(ParameterError, match=r"dataset: got .+ numeric array"):
            read_frames(tmp_path / "a.h5", dataset=name)


@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">i2", ">u4", "<u8", ">i8", "f2", ">f4", "<f8", ">f8"])
def test_integers_and_floats_of_either_byte_order(tmp_path: Path, stack: Images, dtype: str) -> None:
    values = np.minimum(stack, 100).astype(dtype)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = values
    frames = read_frames(tmp_path / "a.h5", scale="linear")
    assert frames.images.dtype == np.float32
    assert np.allclose(frames.images, values.astype(float))


@pytest.mark.parametrize(
    "codec", [hdf5plugin.Blosc(), hdf5plugin.LZ4(), hdf5plugin.Bitshuffle(), hdf5plugin.Zstd()]
)
def test_plugins_that_beamlines_compress_with(tmp_path: Path, stack: Images, codec: object) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", data=stack, chunks=(1, 12, 14), compression=codec)
    assert np.array_equal(read_frames(tmp_path / "a.h5").images, stack)


def virtual(path: Path, stack: Images) -> None:
    layout = h5py.VirtualLayout(shape=stack.shape, dtype="f4")
    for row in range(len(stack)):
        with h5py.File(path.parent / f"part{row}.h5", "w") as part:
            part["data"] = stack[row]
        layout[row] = h5py.VirtualSource(f"part{row}.h5", "data", shape=stack.shape[1:])
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("data", layout, fillvalue=0)


def test_virtual_datasets_are_read_and_never_silently_without_a_source(tmp_path: Path, stack: Images) -> None:
    virtual(tmp_path / "a.h5", stack)
    assert np.array_equal(read_frames(tmp_path / "a.h5").images, stack)
    (tmp_path / "part3.h5").unlink()
    with pytest.raises(ParameterError, match=r"part3\.h5 is not there"):
        read_frames(tmp_path / "a.h5")


def test_a_file_that_is_being_written_is_read_as_far_as_it_got(tmp_path: Path, stack: Images) -> None:
    path = tmp_path / "live.h5"
    with h5py.File(path, "w", libver="latest") as writer:
        data = writer.create_dataset(
            "data", shape=(2, 12, 14), maxshape=(None, 12, 14), chunks=(1, 12, 14), dtype="f4"
        )
        data[:] = stack[:2]
        writer.swmr_mode = True
        with open_frames(path, Reading(scale="linear"), growing=True) as source:
            assert len(source) == 2
            assert np.array_equal(source.read(range(2)).images, stack[:2])
            data.resize(5, axis=0)
            data[2:] = stack[2:]
            data.flush()
            source.refresh()
            assert len(source) == 5
            assert np.array_equal(source.read(range(2, 5)).images, stack[2:])


def test_a_mask_for_each_frame_is_refused_for_those_that_come_later(tmp_path: Path, stack: Images) -> None:
    np.save(tmp_path / "mask.npy", np.zeros((2, 12, 14), np.uint8))
    path = tmp_path / "live.h5"
    with h5py.File(path, "w", libver="latest") as writer:
        data = writer.create_dataset("data", data=stack[:2], maxshape=(None, 12, 14), chunks=(1, 12, 14))
        writer.swmr_mode = True
        reading = Reading(scale="linear", mask=tmp_path / "mask.npy")
        with open_frames(path, reading, growing=True) as source:
            assert source.read(range(2)).valid.all()
            data.resize(5, axis=0)
            data[2:] = stack[2:]
            data.flush()
            source.refresh()
            with pytest.raises(ParameterError, match="mask: got 2 for the first frames"):
                source.read(range(2, 5))


def damaged(path: Path, stack: Images, rows: list[int]) -> None:
    """A compressed stack of which some chunks are overwritten with noise."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("data", data=stack, chunks=(1, *stack.shape[1:]), compression="gzip")
        spots = [data.id.get_chunk_info(row) for row in rows]
    with path.open("r+b") as raw:
        for spot in spots:
            raw.seek(spot.byte_offset)
            raw.write(bytes(range(7, 7 + min(200, spot.size))))


def test_a_damaged_frame_does_not_cost_the_others(tmp_path: Path, stack: Images) -> None:
    damaged(tmp_path / "a.h5", stack, [1, 3])
    frames = read_frames(tmp_path / "a.h5", scale="linear")
    assert frames.readable is not None
    assert frames.readable.tolist() == [True, False, True, False, True]
    assert np.array_equal(frames.images[::2], stack[::2])
    assert not frames.valid[1::2].any()
    damaged(tmp_path / "b.h5", stack, [0, 1, 2, 3, 4])
    with pytest.raises(ParameterError, match="damaged"):
        read_frames(tmp_path / "b.h5", scale="linear")


def test_a_stack_comes_in_batches_that_fit_into_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("data", shape=(1000, 64, 64), dtype="f4", chunks=(10, 64, 64), fillvalue=1)
        file["data"][0] = np.random.default_rng(0).lognormal(0, 3, (64, 64))
        file["data"].attrs["scale"] = "linear"
    sizes: list[int] = []
    read = ImageStack.read

    def counted(self: ImageStack, first: int, count: int) -> NDArray[np.generic]:
        sizes.append(count)
        return read(self, first, count)

    monkeypatch.setattr(ImageStack, "read", counted)
    monkeypatch.setattr("invert.reading.stack.BLOCK_BYTES", 20 * 64 * 64 * 4)
    with open_frames(tmp_path / "a.h5") as source:
        numbers = np.concatenate(
            [source.take(one).numbers for one in source.portions(slice(3, 997), first=50)]
        )
    assert numbers.tolist() == list(range(53, 997))
    assert max(sizes) == 20


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda file: file.create_dataset("data", (10**9, 8000, 8000), "f4"), "without any data"),
        (lambda file: file.create_dataset("data", (5, 9000, 9000), "f4", chunks=(1, 9, 9)), "numeric array"),
        (lambda file: never_closed(file, (10**12, 8, 8)), "at most 100000000"),
        (
            lambda file: file.create_dataset("data", (400, 8192, 8192), "f4", chunks=(8, 8192, 8192))[0:0],
            "MiB",
        ),
        (lambda file: file.create_dataset("data", (0, 12, 12), "f4"), "numeric array"),
    ],
)
def test_gigantic_and_empty_arrays_are_refused_before_they_are_read(
    tmp_path: Path, make: Callable[[h5py.File], object], reason: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
    with pytest.raises(ParameterError, match=reason):
        read_frames(tmp_path / "a.h5")


def never_closed(file: h5py.File, shape: tuple[int, ...]) -> None:
    data = file.create_dataset("data", shape, "f4", chunks=(1, 8, 8))
    data[0] = 1.0


def test_a_crash_of_the_library_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stack: Images
) -> None:
    import ctypes

    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = stack

    def crash(self: FrameSource, wanted: range) -> Frames:
        ctypes.string_at(0)
        raise AssertionError

    monkeypatch.setattr(FrameSource, "read", crash)
    with pytest.raises(ParameterError, match=r"HDF5 crashes on it: SIGSEGV"):
        read_frames(tmp_path / "a.h5")

    def starve(self: FrameSource, wanted: range) -> Frames:
        np.ones(2**40)
        raise AssertionError

    monkeypatch.setattr(FrameSource, "read", starve)
    with pytest.raises(ParameterError, match="memory"):
        read_frames(tmp_path / "a.h5")

    def turn_for_ever(self: FrameSource, wanted: range) -> Frames:
        while True:
            pass

    monkeypatch.setattr(FrameSource, "read", turn_for_ever)
    monkeypatch.setattr("invert.reading.isolation.PROCESSOR_SECONDS", 1)
    with pytest.raises(ParameterError, match=r"HDF5 does not return from it: SIGXCPU"):
        read_frames(tmp_path / "a.h5")


def test_looking_first_does_not_hang_beside_threads(tmp_path: Path, stack: Images) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = stack
    found: list[int] = []

    def read() -> None:
        found.extend(len(read_frames(tmp_path / "a.h5").images) for _ in range(5))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [5] * 20
