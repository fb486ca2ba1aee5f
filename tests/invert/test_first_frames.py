"""What the first frames of a file tell of all of them, and what several entries say differently."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from invert.frames import Frames, Reading, open_frames, read_frames
from invert.reading.instrument import Instrument
from invert.reading.resample import resampling
from invert.reading.stored import LOOKED_THROUGH
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

Images = NDArray[np.float64]


@pytest.fixture
def patterns() -> Images:
    """Speckle on Porod's law."""
    generator = np.random.default_rng(1)
    q = np.hypot(*(np.indices((64, 64)) - 32)) + 1
    return np.asarray(generator.exponential(1e6 * q**-4.0, (12, 64, 64)))


def written(path: Path, frames: NDArray[Any], place: str = "data", **attributes: object) -> Path:
    with h5py.File(path, "a") as file:
        file[place] = frames
        file[place].attrs.update(attributes)
    return path


def scale_of(path: Path) -> tuple[str, list[str]]:
    with open_frames(path) as source:
        return source.scale, source.warnings


@pytest.mark.parametrize("empty", [0, 16, 100])
def test_empty_shots_before_the_others_hide_no_scale(tmp_path: Path, patterns: Images, empty: int) -> None:
    log = np.log10(patterns / patterns.max()) + 20
    dark = np.zeros((empty, 64, 64))
    assert scale_of(written(tmp_path / "log.h5", np.concatenate([dark, log])))[0] == "log"
    linear = np.concatenate([dark, patterns])
    assert scale_of(written(tmp_path / "linear.h5", linear))[0] == "linear"


def test_frames_that_tell_no_scale_are_warned_of(tmp_path: Path, patterns: Images) -> None:
    scale, warnings = scale_of(written(tmp_path / "dark.h5", np.zeros((20, 64, 64))))
    assert scale == "linear"
    assert "nothing that was looked at tells" in warnings[0]
    late = np.concatenate([np.zeros((LOOKED_THROUGH, 64, 64), np.float32), patterns.astype(np.float32)])
    assert "nothing that was looked at tells" in scale_of(written(tmp_path / "late.h5", late))[1][0]


@pytest.mark.parametrize("photons", [1e3, 1e4, 1e5, 1e6])
@pytest.mark.parametrize("logarithm", [np.log1p, lambda n: np.log10(1 + n)], ids=["e", "10"])
def test_logarithms_of_few_photons_are_told_from_photons(
    tmp_path: Path, patterns: Images, photons: float, logarithm: Callable[[Images], Images]
) -> None:
    rate = photons * patterns / patterns.sum(axis=(1, 2), keepdims=True)
    counts = np.random.default_rng(2).poisson(rate).astype(np.float64)
    assert scale_of(written(tmp_path / "counts.h5", counts))[0] == "linear"
    for gain in (0.137, np.log(2), np.log10(2)):
        assert scale_of(written(tmp_path / f"{gain}.h5", counts * gain))[0] == "linear"
    shown = logarithm(counts).astype(np.float32)
    assert scale_of(written(tmp_path / "log.h5", shown))[0] == "log"


@pytest.mark.parametrize("decades", [3.0, 4.0, 5.0, 6.0])
@pytest.mark.parametrize("window", [False, True])
def test_logarithms_that_are_mostly_cut_off_are_told(tmp_path: Path, decades: float, window: bool) -> None:
    patterns = Simulation().intensity(ParticleDistribution().draw(5, range(16))).astype(np.float64)
    patterns /= patterns.max(axis=(1, 2), keepdims=True)
    shown = np.zeros((128, 128), bool)
    shown[30:100, 20:110] = True
    shown |= not window
    log = np.log10(np.maximum(patterns, 10**-decades)) + decades
    assert scale_of(written(tmp_path / "log.h5", log * shown))[0] == "log"
    above = np.maximum(patterns - 10**-decades, 0)  # of a background
    assert scale_of(written(tmp_path / "linear.h5", above * shown))[0] == "linear"
    for photons in (1e3, 1e5, 1e7):
        rate = photons * patterns / patterns.sum(axis=(1, 2), keepdims=True)
        counts = np.random.default_rng(2).poisson(rate) * shown
        assert scale_of(written(tmp_path / f"{photons}.h5", counts / counts.max()))[0] == "linear"


def test_the_centre_is_estimated_by_the_first_frames_that_show_something(tmp_path: Path) -> None:
    rows, columns = np.indices((64, 64))
    spots = np.exp(-((rows - 30.0) ** 2 + (columns - 35.0) ** 2) / 50)[None] * 1e4
    frames = np.concatenate([np.zeros((40, 64, 64)), np.repeat(spots, 8, axis=0)])
    with open_frames(written(tmp_path / "a.h5", frames), Reading(center="estimate")) as source:
        assert source.instrument.center == pytest.approx((30.0, 35.0), abs=0.5)


def test_entries_of_two_scales_are_refused_unless_one_is_given(tmp_path: Path, patterns: Images) -> None:
    path = written(tmp_path / "a.h5", patterns[:4], "entry_1/data_1/data", scale="linear")
    written(path, patterns[4:], "entry_2/data_1/data", scale="log")
    with pytest.raises(ParameterError, match="scale: got linear and log in"):
        read_frames(path)
    assert read_frames(path, scale="linear").scale == "linear"


def test_an_entry_without_images_is_named(tmp_path: Path, patterns: Images) -> None:
    path = written(tmp_path / "a.h5", patterns[:4], "entry_1/data_1/data")
    written(path, patterns[4:] + 0j, "entry_2/data_1/data")
    with open_frames(path) as source:
        assert "not /entry_2/data_1/data, without images" in source.notes[0]


def test_a_mask_is_not_taken_for_images(tmp_path: Path, patterns: Images) -> None:
    path = written(tmp_path / "a.h5", patterns + 0j, "entry_1/data_1/data")
    written(path, np.ones((12, 64, 64)), "entry_1/data_1/mask")
    with pytest.raises(ParameterError, match="frames"):
        read_frames(path)


def test_processed_images_have_a_mask_of_their_own(tmp_path: Path, patterns: Images) -> None:
    bad = np.zeros((64, 64), np.uint32)
    bad[:20] = 1
    path = written(tmp_path / "a.h5", patterns, "entry_1/image_1/data")
    with h5py.File(path, "a") as file:
        file["entry_1/image_1/mask"] = bad
        file["entry_1/data_1/mask"] = np.zeros((64, 64), np.uint32)
    assert not read_frames(path).valid[:, :20].any()
    assert read_frames(path).valid[:, 20:].all()
    raw = written(tmp_path / "b.h5", patterns, "entry_1/data_1/data")
    with h5py.File(raw, "a") as file:
        file["entry_1/image_1/mask"] = bad[:32, :32]  # of images that are not read
    assert read_frames(raw).valid.all()


def test_a_mask_in_the_file_that_leaves_nothing_is_warned_of(tmp_path: Path, patterns: Images) -> None:
    path = written(tmp_path / "a.h5", patterns, "entry_1/data_1/data")
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/mask"] = np.ones((64, 64), np.uint32)
    warnings = scale_of(path)[1]
    assert warnings[0] == (
        "warning: the mask leaves 0 % of the pixels; --mask-good 1 reads it the other way round"
    )
    assert read_frames(path, mask_good=1).valid.all()


def test_bad_pixels_of_a_mask_may_be_nan(tmp_path: Path, patterns: Images) -> None:
    good = np.ones((64, 64))
    good[:10] = np.nan
    np.save(tmp_path / "mask.npy", good)
    path = written(tmp_path / "a.h5", patterns)
    valid = read_frames(path, mask=tmp_path / "mask.npy", mask_good=1).valid
    assert not valid[:, :10].any()
    assert valid[:, 10:].all()


@pytest.mark.parametrize(
    ("numbers", "found", "warned"),
    [
        ([13.5e-9, np.nan, 13.5e-9], 13.5, False),
        ([np.nan, np.nan, np.nan], None, True),
        ([0.0, 0.0, 0.0], None, True),
    ],
)
def test_a_wavelength_that_some_frames_lack(
    tmp_path: Path, patterns: Images, numbers: list[float], found: float | None, warned: bool
) -> None:
    path = written(tmp_path / "a.h5", patterns[:3], "entry_1/data_1/data")
    with h5py.File(path, "a") as file:
        file["entry_1/instrument_1/source_1/wavelength"] = numbers
    with open_frames(path) as source:
        wavelength = source.instrument.wavelength
        assert any("wavelength" in warning for warning in source.warnings) == warned
    assert wavelength == (None if found is None else pytest.approx(found))


def test_centres_that_some_frames_lack_and_one_beside_the_detector(tmp_path: Path, patterns: Images) -> None:
    path = written(tmp_path / "a.h5", patterns[:3], "entry_1/data_1/data")
    with h5py.File(path, "a") as file:
        file["entry_1/data_1/image_center"] = [[40.5, 20.5, 0.0], [np.nan] * 3, [40.5, 20.5, 0.0]]
    assert read_frames(path).center == (20.0, 40.0)
    path = written(tmp_path / "b.h5", patterns[:3], "entry_1/data_1/data")
    with h5py.File(path, "a") as file:
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector["beam_center_y"], detector["beam_center_x"] = -20.0, 31.0
    assert read_frames(path).center == (-20.0, 31.0)


def test_frames_are_not_resampled_for_what_rounding_did_to_their_centre() -> None:
    detector = EwaldDetector(pixels=64, q_step=0.01)

    def resampled(center: tuple[float, float]) -> bool:
        instrument = Instrument(wavelength=13.5, geometry="ewald", q_step=0.01, center=center)
        return resampling(instrument, (64, 64), detector, 13.5)[0] is not None

    assert not resampled((32.0, 32.0))
    assert not resampled((31.99999999999, 32.000000001))
    assert resampled((32.0, 32.5))


def test_virtual_images_are_found_wherever_hdf5_finds_them(
    tmp_path: Path, patterns: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    source = written(folder / "s.h5", patterns)
    layout = h5py.VirtualLayout(patterns.shape, patterns.dtype)
    layout[...] = h5py.VirtualSource("s.h5", "data", patterns.shape)
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_virtual_dataset("data", layout)
    (tmp_path / "link.h5").symlink_to(folder / "v.h5")
    with h5py.File(tmp_path / "master.h5", "w") as file:
        file["data"] = h5py.ExternalLink("run/v.h5", "data")

    def read(path: Path) -> Frames:
        return read_frames(path, scale="linear")

    wanted = read(source).images
    for name in ("run/v.h5", "link.h5", "master.h5"):
        assert np.array_equal(read(tmp_path / name).images, wanted), name
    source.unlink()
    for name in ("run/v.h5", "link.h5", "master.h5"):
        with pytest.raises(ParameterError, match="virtual sources beside it"):
            read(tmp_path / name)
