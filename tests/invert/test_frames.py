"""Reading frames that others wrote."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from invert.frames import parse_rows, read_frames
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL


def write(path: Path, **arrays: object) -> Path:
    with h5py.File(path, "w") as file:
        for place, values in arrays.items():
            file[place.replace("__", "/")] = values
    return path


@pytest.fixture
def stack() -> np.ndarray:
    return np.random.default_rng(0).lognormal(0, 3, (3, 16, 16)).astype(np.float32).clip(0, 250)


def test_a_plain_stack_is_found_wherever_it_lies(tmp_path: Path, stack: np.ndarray) -> None:
    for place in ("data", "data__data", "entry__data__data", "somewhere__deep__frames"):
        path = write(tmp_path / f"{place}.h5", **{place: stack, "small": stack[:, :6, :6], "text": "hello"})
        frames = read_frames(path)
        assert np.array_equal(frames.images, stack)
        assert frames.valid.all()
        assert frames.scale == "linear"
        assert frames.numbers.tolist() == [0, 1, 2]


def test_one_image_is_a_stack_of_one(tmp_path: Path, stack: np.ndarray) -> None:
    assert read_frames(write(tmp_path / "one.h5", image=stack[0])).images.shape == (1, 16, 16)


@pytest.mark.parametrize("dtype", ["u1", ">u2", "i4", ">f4", "f8", "f2"])
def test_every_numeric_type_and_byte_order(tmp_path: Path, stack: np.ndarray, dtype: str) -> None:
    values = stack.astype(dtype)
    frames = read_frames(write(tmp_path / "a.h5", data=values))
    assert np.allclose(frames.images, values.astype(float))


def test_masks_nan_and_rows(tmp_path: Path, stack: np.ndarray) -> None:
    stack[1, 2, 3] = np.nan
    bits = np.zeros((16, 16), dtype=np.uint32)
    bits[0, 0], bits[5, 5] = 0x200, 0x1000  # missing; "has signal", which is good
    path = write(tmp_path / "a.h5", entry_1__data_1__data=stack, entry_1__data_1__mask=bits)
    frames = read_frames(path, rows=slice(1, 3))
    assert frames.numbers.tolist() == [1, 2]
    assert not frames.valid[:, 0, 0].any()
    assert frames.valid[:, 5, 5].all()
    assert not frames.valid[0, 2, 3]
    assert frames.valid[1, 2, 3]
    np.save(tmp_path / "mask.npy", np.eye(16, dtype=np.uint8))
    assert not read_frames(path, mask=tmp_path / "mask.npy").valid[0].diagonal().any()


@pytest.mark.parametrize("shape", [(7, 16, 16), (16, 16)])
@pytest.mark.parametrize("compression", [None, "gzip"])
def test_threads_share_frames_and_masks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], compression: str | None
) -> None:
    drawn = np.random.default_rng(1)
    values, bits = drawn.lognormal(0, 200, (7, 16, 16)), drawn.integers(0, 2, shape, dtype=np.uint8)
    values[4, 3] = 1e300, *np.full(15, np.inf)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        chunks = None if compression is None else (1, 16, 16)
        file.create_dataset("entry_1/data_1/data", data=values, chunks=chunks, compression=compression)
        file["entry_1/data_1/mask"] = bits
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    monkeypatch.setattr("invert.reading.chunks.THREADS", 3)
    monkeypatch.setattr("invert.reading.chunks.PART_BYTES", 2 * 16 * 16 * 4)
    for rows in (slice(None), slice(1, 6)):
        frames = read_frames(tmp_path / "a.h5", scale="linear", rows=rows)
        good = np.broadcast_to(bits == 0, values.shape)[rows]
        assert np.array_equal(frames.images, single[rows])
        assert np.array_equal(frames.valid, good & np.isfinite(single[rows]))


@pytest.mark.parametrize("kind", ["?", "i1", "u1", "<i2", ">u2", ">i4", "<u4", "<i8", ">u8"])
def test_masks_of_any_integers(tmp_path: Path, stack: np.ndarray, kind: str) -> None:
    last = 1 if kind == "?" else np.iinfo(kind).max
    lowest = 0 if kind == "?" else np.iinfo(kind).min
    signal = 0x1000 if np.dtype(kind).itemsize > 1 else 0
    bits = np.zeros(stack.shape, dtype=kind)
    bits[:, 0, :6] = [0, signal, last, lowest, 1, signal | 1]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry_1/data_1/data"] = stack
        file.create_dataset("entry_1/data_1/mask", data=bits, chunks=(1, 16, 16), compression="gzip")
    valid = read_frames(tmp_path / "a.h5", scale="linear").valid
    assert valid[:, 0, :6].tolist() == [[True, True, False, lowest == 0, False, False]] * len(stack)


def test_masked_pixels_have_no_influence_on_grey_values(tmp_path: Path, stack: np.ndarray) -> None:
    bits = np.zeros((16, 16), dtype=np.uint32)
    bits[4:6, 4:6] = 1
    other = stack.copy()
    other[:, 4:6, 4:6] = [[1e9, np.inf], [-5, np.nan]]
    for scale in ("linear", "log"):
        greys = []
        for values in (stack, other):
            path = write(tmp_path / "a.h5", entry_1__data_1__data=values, entry_1__data_1__mask=bits)
            greys.append(read_frames(path, scale=scale).grey(6.0).numpy())
        assert np.array_equal(greys[0], greys[1])
        assert (greys[0][:, 4:6, 4:6] == 0).all()
        assert greys[0].min() >= 0
        assert greys[0].max() == 1


def test_log_frames_lose_offset_and_contrast(tmp_path: Path, stack: np.ndarray) -> None:
    grey = read_frames(write(tmp_path / "a.h5", data=stack), scale="log").grey(6.0)
    again = read_frames(write(tmp_path / "b.h5", data=3 * stack - 700), scale="log").grey(6.0)
    assert np.allclose(
        again, (stack - stack.min((1, 2), keepdims=True)) / np.ptp(stack, (1, 2))[:, None, None], atol=1e-5
    )
    assert np.allclose(grey, again, atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "options", "field"),
    [
        ({"text": "no image"}, {}, "frames"),
        ({"curve": np.zeros(50)}, {}, "frames"),
        ({"data": np.zeros((2, 16, 16))}, {"dataset": "/other"}, "dataset"),
        ({"data": np.zeros((2, 16, 16))}, {"scale": "cubic"}, "scale"),
        ({"data": np.zeros((2, 16, 16))}, {"rows": slice(5, 9)}, "frames"),
        ({"data": np.zeros((2, 16, 16)), "entry_1__data_1__mask": np.zeros((4, 4), int)}, {}, "mask"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, arrays: dict[str, object], options: dict[str, object], field: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        read_frames(write(tmp_path / "a.h5", **arrays), **options)  # type: ignore[arg-type]
    assert caught.value.field == field


def test_rows_are_parsed() -> None:
    assert parse_rows("2:5") == slice(2, 5)
    assert parse_rows(":") == slice(None)
    with pytest.raises(ParameterError, match="frames"):
        parse_rows("3")


def test_the_truth_has_its_stretch(tmp_path: Path) -> None:
    distribution = ParticleDistribution((40.0, 60.0), "cube", stretch_range=(0.5, 0.8))
    generate(tmp_path / "d.h5", 3, 0, distribution, SMALL)
    truth = read_frames(tmp_path / "d.h5").truth
    assert truth is not None
    assert ((truth.stretch >= 0.5) & (truth.stretch <= 0.8)).all()
