"""What files say of the light and the detector, and which pixels of them count."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from invert.frames import Reading, open_frames, read_frames
from invert.reading.instrument import Instrument, read_instrument
from invert.reading.mask import measured, read_mask
from invert.reading.scale import looks_linear, looks_scaled
from msft.detector import EwaldDetector
from msft.errors import ParameterError


def test_cxi_in_si_units(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry_1/instrument_1/source_1/energy"] = 91.84 * 1.602176634e-19
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["x_pixel_size"], detector["y_pixel_size"], detector["distance"] = 75e-6, 80e-6, 0.07
        file["entry_1/image_1/image_center"] = [100.5, 50.5, 0.0]
        found = read_instrument(file, "/entry_1/data_1/data")
    assert found.wavelength == pytest.approx(13.5, rel=1e-3)
    assert found.pixel_size == pytest.approx((0.08, 0.075))
    assert found.distance == pytest.approx(70)
    assert found.center == (50.0, 100.0)  # (0.5, 0.5) is the middle of the first pixel, which is 0 here


def test_nexus_with_units(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        beam = file.create_group("entry/instrument/beam")
        beam["incident_wavelength"] = 135.0  # angstrom where nothing is said
        detector = file.create_group("entry/instrument/detector")
        for name, value, unit in (
            ("x_pixel_size", 0.075, "mm"),
            ("y_pixel_size", 75.0, "um"),
            ("distance", 7.0, "cm"),
            ("beam_center_x", 511.5, "pixels"),
            ("beam_center_y", 500.0, "pixels"),
        ):
            detector[name] = value
            detector[name].attrs["units"] = unit
        found = read_instrument(file, "/entry/data/data")
    assert found.wavelength == pytest.approx(13.5)
    assert found.pixel_size == pytest.approx((0.075, 0.075))
    assert found.distance == pytest.approx(70.0)
    assert found.center == (500.0, 511.5)
    assert (found.q_step, found.geometry) == (None, None)


def test_electronvolts_and_nonsense(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry_1/instrument_1/source_1/energy"] = 91.84
        file["entry_1/instrument_1/detector_1/distance"] = -1.0
        file["entry_1/instrument_1/detector_1/q_step"] = "wide"
        file["entry_1/instrument_1/detector_1/geometry"] = 3
        found = read_instrument(file, "/entry_1/data_1/data")
    assert found.wavelength == pytest.approx(13.5, rel=1e-3)
    assert replace(found, wavelength=None) == Instrument()


def test_what_the_user_says_wins() -> None:
    stated = Instrument(13.5, "ewald", 0.007, None, None, (3.0, 4.0))
    given = stated.overridden(Instrument(pixel_size=(0.1, 0.1), distance=40.0))
    assert given == Instrument(13.5, "flat", None, (0.1, 0.1), 40.0, (3.0, 4.0))
    assert given.overridden(Instrument(q_step=0.01, wavelength=20.0)) == Instrument(
        20.0, "ewald", 0.01, None, None, (3.0, 4.0)
    )
    with pytest.raises(ParameterError, match="distance"):
        Instrument(distance=0.0)


def test_marks_of_integer_detectors_do_not_count() -> None:
    counts = np.array([[[0, 7, 65535, 65534]]], dtype=np.uint16)
    assert measured(counts, "linear").tolist() == [[[True, True, False, True]]]
    assert measured(np.array([[[255, 3]]], dtype=np.uint8), "linear").all()  # eight bits are a picture's
    signed = np.array([[[-1, 5, -2, 2**31 - 1]]], dtype=np.int32)
    assert measured(signed, "linear").tolist() == [[[False, True, False, False]]]
    assert measured(signed, "log").tolist() == [[[True, True, True, False]]]


def test_negative_numbers_are_marks_among_counts_and_darkness_among_fractions() -> None:
    values = np.array([[[-1.0, 3.0, 4.0]], [[-1.0, 3.5, np.nan]], [[-0.5, np.inf, 9.0]]])
    assert measured(values, "linear").tolist() == [
        [[False, True, True]],
        [[True, True, False]],
        [[True, False, True]],
    ]


def test_masks_of_either_polarity(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).lognormal(0, 3, (2, 8, 9)).astype(np.float32)
    good = np.ones((8, 9), dtype=bool)
    good[2, 3] = good[7, 8] = False
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = frames
    np.save(tmp_path / "good.npy", good)
    with h5py.File(tmp_path / "bad.h5", "w") as file:
        file["mask"] = (~good).astype(np.uint32) * 4
    for name, value in (("good.npy", 1), ("bad.h5", 0)):
        read = read_frames(tmp_path / "a.h5", mask=tmp_path / name, mask_good=value)
        assert (read.valid == good).all()
    with pytest.raises(ParameterError, match="mask_good"):
        Reading(mask_good=2)
    (tmp_path / "empty.npy").write_bytes(b"")
    with pytest.raises(ParameterError, match="mask"):
        read_mask(tmp_path / "empty.npy", 0)


def test_masks_are_shaped_as_the_frames_are(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).lognormal(0, 3, (4, 8, 9)).astype(np.float32)
    bad = np.zeros(frames.shape, dtype=np.uint8)
    bad[2] = 1

    def usable(path: Path, **arrays: NDArray[Any]) -> list[bool]:
        with h5py.File(path, "w") as file:
            for name, array in arrays.items():
                file[name.replace("__", "/data_1/")] = array
        return [bool(valid.all()) for valid in read_frames(path).valid]

    expected = [True, True, False, True]
    for images in (frames, frames[:, None], frames[None]):
        for mask in (bad, bad[:, None], bad[None]):
            assert usable(tmp_path / "a.h5", entry_1__data=images, entry_1__mask=mask) == expected
    two: dict[str, NDArray[Any]] = {
        "entry_1__data": frames,
        "entry_2__data": frames[None],
        "entry_2__mask": bad[None],
    }
    assert usable(tmp_path / "a.h5", **two) == [True] * 4 + expected
    for mask in (bad[:2], np.stack([0 * bad, bad], axis=1)):
        with pytest.raises(ParameterError, match="mask: got shape"):
            usable(tmp_path / "a.h5", **two, entry_1__mask=mask)


def test_whole_numbers_below_zero_are_marks_or_darkness() -> None:
    counts = np.random.default_rng(3).normal(2, 3, (1, 40, 40)).round()  # dark-subtracted and digitised
    marked = np.abs(counts)
    marked[0, 3], marked[0, :, 7] = -1, -2
    for kind in (np.int16, np.int32, np.float32):
        assert measured(counts.astype(kind), "linear").all()
        assert (measured(marked.astype(kind), "linear") == (marked >= 0)).all()
        assert measured(marked.astype(kind), "log").all()


@pytest.mark.parametrize("outside", ["light", "nothing", "no number"])
@pytest.mark.parametrize("logarithms", [False, True])
def test_a_window_is_no_mask_read_the_other_way_round(tmp_path: Path, outside: str, logarithms: bool) -> None:
    rows, columns = np.mgrid[:64, :64] - 32
    light = np.random.default_rng(0).exponential(1e5 / (1 + np.hypot(rows, columns) ** 4), (3, 64, 64))
    frames = np.log10(light + 1e-3) if logarithms else light
    bad = (abs(rows) > 14) | (abs(columns) > 16) | (np.hypot(rows, columns) < 3)
    if outside != "light":
        frames[:, bad] = 0 if outside == "nothing" else np.nan
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = frames.astype(np.float32)
    np.save(tmp_path / "bad.npy", bad)
    np.save(tmp_path / "few.npy", (rows == 9) | (np.hypot(rows, columns) < 3))
    for name, value, told in (("bad", 0, "the"), ("few", 0, "the"), ("few", 1, "warning: the")):
        with open_frames(
            tmp_path / "a.h5", Reading(mask=tmp_path / f"{name}.npy", mask_good=value)
        ) as source:
            (note,) = [note for note in source.notes if "mask leaves" in note]
        assert note.startswith(f"{told} mask leaves"), note


def test_a_mask_that_leaves_little_is_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = np.random.default_rng(0).lognormal(0, 3, (2, 10, 10)).astype(np.float32)
    bad = np.zeros((10, 10), dtype=bool)
    bad[2] = True
    np.save(tmp_path / "bad.npy", bad)
    for value, words in ((0, "the mask leaves 90 %"), (1, "warning: the mask leaves 10 %")):
        with open_frames(tmp_path / "a.h5", Reading(mask=tmp_path / "bad.npy", mask_good=value)) as source:
            notes = [note for note in source.notes if "mask" in note]
        assert len(notes) == 1
        assert notes[0].startswith(words)
        assert ("--mask-good 0 reads it the other way round" in notes[0]) == (value == 1)
    np.save(tmp_path / "bad.npy", bad | True)
    with (
        pytest.raises(ParameterError, match="no good pixel"),
        open_frames(tmp_path / "a.h5", Reading(mask=tmp_path / "bad.npy")),
    ):
        pass


def test_what_was_taken_from_a_file_is_said(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["/entry/instrument/detector/data"] = np.ones((2, 12, 12), dtype=np.float32)
        file["/entry/instrument/detector/pixel_mask"] = np.zeros((12, 12), dtype=np.uint32)
        file["/entry/instrument/other"] = np.zeros((12, 12), dtype=np.uint32)
    with open_frames(tmp_path / "a.nxs") as source:
        assert "masked by /entry/instrument/detector/pixel_mask" in source.notes
        (others,) = [note for note in source.notes if note.startswith("other arrays")]
    assert "/entry/instrument/other" in others
    assert "pixel_mask" not in others
    assert Instrument().line() == "unknown wavelength; pixels of unknown width; beam in the middle"
    flat = Instrument(13.5, None, None, (0.2, 0.1), 50.0, (230.0, 180.5))
    assert flat.line() == (
        "13.5 nm; flat detector, pixels 0.2 x 0.1 mm at 50 mm; beam at row 230.0, column 180.5"
    )
    assert "pixels of 0.0074 nm^-1" in Instrument(q_step=0.0074).line()


def counting(images: NDArray[Any], valid: NDArray[np.bool_]) -> list[NDArray[np.float32]]:
    """The pixels that count of each frame, as `invert.reading.scale` takes them."""
    return [image[usable].astype(np.float32) for image, usable in zip(images, valid, strict=True)]


def test_intensities_and_logarithms_are_told_apart() -> None:
    generator = np.random.default_rng(1)
    q = np.hypot(*(np.indices((96, 96)) - 48)) + 1
    patterns = generator.exponential(1e6 * q**-4.0, (4, 96, 96)).astype(np.float32)  # speckle on Porod's law
    valid = np.broadcast_to(q > 6, patterns.shape)
    assert looks_linear(counting(patterns, valid))
    assert looks_linear(counting(generator.poisson(np.minimum(patterns, 1e6)), valid))
    assert looks_linear(counting(patterns / patterns[valid].max(), valid))
    assert not looks_linear(counting(np.log10(patterns + 1e-2), valid))
    log = np.log(patterns + 1e-2)
    grey = 255 * (log - log[valid].min()) / np.ptp(log[valid])
    assert not looks_linear(counting(grey.round(), valid), eight_bit=True)


@pytest.mark.parametrize(("kind", "told"), [(np.uint8, True), (np.uint16, False)])
def test_numbers_of_eight_bits_that_are_taken_as_intensities_may_be_logarithms(
    tmp_path: Path, kind: type[np.unsignedinteger[Any]], told: bool
) -> None:
    rows, columns = np.mgrid[:40, :40] - 20
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = (255 / (1 + rows**2 + columns**2)).astype(kind)
    with open_frames(tmp_path / "a.h5") as source:
        (note,) = [note for note in source.notes if "look like" in note]
    assert note == "the values look like intensities and are taken so" + told * "; --scale log says otherwise"


@pytest.mark.parametrize(
    ("unit", "value"),
    [("micron", 75.0), ("\u03bcm", 75.0), ("micrometers", 75.0), ("millimetre", 0.075), ("Meter", 75e-6)],
)
def test_units_are_known_by_many_names(tmp_path: Path, unit: str, value: float) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["entry/instrument/detector/pixel_size"] = value
        file["entry/instrument/detector/pixel_size"].attrs["units"] = unit
        assert read_instrument(file, "/entry/data/data").pixel_size == pytest.approx((0.075, 0.075))


def test_what_a_file_says_and_is_not_used_is_warned_of(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        beam, detector = (file.create_group(f"entry/instrument/{name}") for name in ("beam", "detector"))
        beam["incident_energy"] = np.array([90.0, 120.0])
        detector["distance"] = 2.0
        detector["distance"].attrs["units"] = "furlong"
        notes: list[str] = []
        assert read_instrument(file, "/entry/data/data", notes) == Instrument()
        assert sorted(note.split()[1].rpartition("/")[2] for note in notes) == ["distance", "incident_energy"]
        assert all(note.startswith("warning: ") for note in notes)
        del beam["incident_energy"]
        beam["incident_energy"] = np.array([91.8, 91.9])
        assert read_instrument(file, "/entry/data/data").wavelength == pytest.approx(13.5, rel=1e-3)


def test_a_beam_centre_may_be_a_length_or_one_for_each_frame(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        detector = file.create_group("entry/instrument/detector")
        for name, value in (("pixel_size", 75e-6), ("beam_center_x", 0.0075), ("beam_center_y", 0.015)):
            detector[name] = value
            detector[name].attrs["units"] = "m"
        assert read_instrument(file, "/entry/data/data").center == pytest.approx((200.0, 100.0))
        notes: list[str] = []
        file["entry_1/data_1/image_center"] = np.array(
            [[100.5, 50.5, 0.0], [100.5, 50.5, 0], [103.5, 50.5, 0]]
        )
        assert read_instrument(file, "/entry_1/data_1/data", notes).center == (50.0, 100.0)
        assert "differs by 3.0 pixels" in notes[0]


def test_entries_that_were_recorded_otherwise_are_not_taken_together(tmp_path: Path) -> None:
    path = tmp_path / "a.cxi"
    with h5py.File(path, "w") as file:
        for number, distance in ((1, 0.05), (2, 0.06)):
            file[f"entry_{number}/data_1/data"] = np.random.default_rng(number).random((12, 12))
            detector = file.create_group(f"entry_{number}/instrument_1/detector_1")
            detector["distance"], detector["pixel_size"] = distance, 3e-4
            file[f"entry_{number}/data_1/image_center"] = [6.5 + number, 6.5, 0.0]
    assert len(read_frames(path).images) == 2  # which a classifier may look at
    detector = EwaldDetector(pixels=12)
    with open_frames(path) as source, pytest.raises(ParameterError, match=r"distance: got 50.*and 60"):
        source.onto(detector, 13.5)
    with open_frames(path, Reading(instrument=Instrument(distance=55.0))) as source:
        assert any("differ by up to 1.0 pixels" in note for note in source.warnings)


def test_a_mask_of_the_file_may_be_the_other_way_round(tmp_path: Path) -> None:
    good = np.ones((12, 12), dtype=np.uint8)
    good[3, 4] = 0
    with h5py.File(tmp_path / "a.cxi", "w") as file:
        file["entry_1/data_1/data"] = np.random.default_rng(0).lognormal(0, 3, (2, 12, 12))
        file["entry_1/data_1/mask"] = good
    with open_frames(tmp_path / "a.cxi") as source:
        assert any("--mask-good 1" in note for note in source.warnings)
    assert (read_frames(tmp_path / "a.cxi", mask_good=1).valid == (good > 0)).all()


def test_a_gap_among_fractions_is_no_darkness() -> None:
    values = np.random.default_rng(0).exponential(5.0, (1, 32, 32)) * 1.37
    values[0, :, 7] = -9999.0
    assert np.array_equal(measured(values, "linear")[0], values[0] > 0)


def test_logarithms_scaled_to_more_than_bytes_are_told() -> None:
    generator = np.random.default_rng(1)
    q = np.hypot(*(np.indices((96, 96)) - 48)) + 1
    patterns = generator.exponential(1e6 * q**-4.0, (4, 96, 96)).astype(np.float32)
    valid = np.broadcast_to(q > 6, patterns.shape)
    log = np.log(patterns + 1e-2)
    grey = (65535 * (log - log.min()) / np.ptp(log)).astype(np.float32)
    assert looks_linear(counting(grey, valid))
    assert looks_scaled(counting(grey, valid))
    assert not looks_scaled(counting(patterns, valid))
