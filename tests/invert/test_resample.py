"""From a detector's pixels to the model's: against patterns that were simulated there."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from augment.scaling import log_scale
from invert.frames import Reading, open_frames
from invert.reading.centring import EstimatedCentre, estimated_center
from invert.reading.instrument import Instrument
from invert.reading.resample import Grid, Resampling, grid_of, resampling
from msft.detector import EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation

WAVELENGTH = 13.5
K = 2 * math.pi / WAVELENGTH
PARTICLE = Particles(45.0, [0.9, 0.3, -0.2, 0.1])
TARGET = EwaldDetector(pixels=48, q_step=0.0148)


def pattern(detector: EwaldDetector | FlatDetector) -> NDArray[np.float32]:
    return Simulation(detector=detector, precision="double").intensity(PARTICLE)


def likeness(first: NDArray[np.float32], second: NDArray[np.float32], valid: NDArray[np.bool_]) -> float:
    """Relative root-mean-square difference, weighted so that every decade counts alike."""
    difference = np.log(first[valid]) - np.log(second[valid])
    return float(np.sqrt(np.mean(difference**2)))


def fine_reference() -> NDArray[np.float32]:
    """The target's pattern averaged over the area of its pixels, 5 x 5 points each."""
    parts = 5
    fine = pattern(EwaldDetector(TARGET.pixels * parts + parts, TARGET.q_step / parts))[0]
    # the beam lies in the middle of the pixel [n/2, n/2] of either
    first = fine.shape[0] // 2 - parts * (TARGET.pixels // 2) - parts // 2
    cut = fine[first : first + TARGET.pixels * parts, first : first + TARGET.pixels * parts]
    return np.asarray(cut.reshape(TARGET.pixels, parts, TARGET.pixels, parts).mean(axis=(1, 3)))[None]


def test_a_flat_detector_gives_the_model_s_pattern_with_its_solid_angle() -> None:
    flat = FlatDetector(pixels=720, pixel_size=0.15, distance=40.0)
    images = pattern(flat)
    # a scale nobody knows: the grid's intensities are |A|^2, the detector's |A|^2 times the solid angle
    instrument = Instrument(WAVELENGTH, "flat", None, (0.15, 0.15), 40.0)
    found, notes = resampling(instrument, (720, 720), TARGET, WAVELENGTH)
    assert found is not None
    assert "720 x 720 (flat)" in notes[0]
    result, valid = found(images, np.ones(images.shape, dtype=bool), "linear")
    reference = fine_reference()
    far = np.hypot(*(np.indices((48, 48)) - 24)) > 20
    assert (valid & far).sum() > 500  # 54 mm of 40 mm distance: 53 degrees
    assert likeness(result, reference, valid & (reference > 0)) < 0.02
    # without the solid angle's cos^3 theta the far pixels would be a factor of 2 to 4 too dark
    wrong, _ = found(images, np.ones(images.shape, dtype=bool), "log")
    assert likeness(wrong, reference, valid & far) > 0.5


@pytest.mark.parametrize("pixel_size", [0.4, 0.2, 0.1])
def test_finer_pixels_give_less_error(pixel_size: float) -> None:
    errors = []
    for size in (2 * pixel_size, pixel_size):
        pixels = 2 * round(40 / size)
        images = pattern(FlatDetector(pixels=pixels, pixel_size=size, distance=40.0))
        found, _ = resampling(
            Instrument(None, None, None, (size, size), 40.0), (pixels, pixels), TARGET, WAVELENGTH
        )
        assert found is not None
        result, valid = found(images, np.ones(images.shape, dtype=bool), "linear")
        errors.append(likeness(result, fine_reference(), valid))
    assert errors[1] < errors[0]


def test_an_off_centre_cut_comes_back_to_the_centre() -> None:
    whole = pattern(TARGET)
    cut = whole[:, 3:45, 5:]  # the beam is at row 21, column 19
    found, _ = resampling(Instrument(q_step=0.0148, center=(21.0, 19.0)), (42, 43), TARGET, WAVELENGTH)
    assert found is not None
    result, valid = found(np.sqrt(cut), np.ones(cut.shape, dtype=bool), "log")
    assert not valid[0, :3].any()
    assert not valid[0, :, :5].any()
    # a pixel is the mean over its area of what is linear between the middles: 9/16, 3/32 and 1/64 of the nine
    root, kernel = np.sqrt(whole[0]), np.array([0.125, 0.75, 0.125])
    inner = sum(
        kernel[a] * kernel[b] * root[9 + a : 39 + a, 9 + b : 39 + b] for a in range(3) for b in range(3)
    )
    assert result[0, 10:40, 10:40] == pytest.approx(inner, rel=1e-5)


def test_the_map_of_a_flat_detector_is_its_inverse_and_that_of_the_simulation() -> None:
    flat = FlatDetector(pixels=41, pixel_size=1.3, distance=37.0)
    grid = grid_of(flat, K)
    row, column = np.meshgrid(np.arange(41.0), np.arange(41.0), indexing="ij")
    q_y, q_x = grid.vectors(row, column)
    vectors = flat.scattering_vectors(K)
    assert q_y.ravel()[vectors.pixel] == pytest.approx(vectors.y)
    assert q_x.ravel()[vectors.pixel] == pytest.approx(vectors.x)
    assert grid.solid_angle(q_y**2 + q_x**2).ravel() == pytest.approx(vectors.weight)
    again = grid.position(q_y, q_x)
    assert again[0] == pytest.approx(row)
    assert again[1] == pytest.approx(column)


def test_masked_pixels_have_no_weight_and_half_of_a_pixel_is_enough() -> None:
    source = Grid((96, 96), (48.0, 48.0), (0.0074, 0.0074), K, flat=False)
    images = np.full((2, 96, 96), 5.0, dtype=np.float32)
    valid = np.ones(images.shape, dtype=bool)
    valid[0, 40:56, 30:40] = False
    images[~valid] = 1e30
    resample = Resampling(source, grid_of(TARGET, K))
    result, good = resample(images, valid, "linear")
    assert result[good] == pytest.approx(5.0, rel=1e-6)
    assert good[1].sum() - good[0].sum() == pytest.approx(16 * 10 / 4, abs=16)
    assert not good[0, 22:26, 17].any()
    assert good[0, :, 21:].sum() == good[1, :, 21:].sum()


def test_what_is_there_already_is_left_alone() -> None:
    for instrument in (Instrument(), Instrument(13.5, "ewald", 0.014806), Instrument(center=(24.0, 24.0))):
        assert resampling(instrument, (48, 48), TARGET, WAVELENGTH)[0] is None
    assert resampling(Instrument(center=(24.0, 25.0)), (48, 48), TARGET, WAVELENGTH)[0] is not None
    # a percent would be a percent of the radius
    assert resampling(Instrument(13.5, "ewald", 0.0149), (48, 48), TARGET, WAVELENGTH)[0] is not None


def test_what_another_wavelength_makes_of_radii_is_said() -> None:
    flat = Instrument(13.4, "flat", None, (0.5, 0.5), 60.0)
    assert any("+0.7 % off" in note for note in resampling(flat, (48, 48), TARGET, WAVELENGTH)[1])
    same = resampling(replace(flat, wavelength=13.5), (48, 48), TARGET, WAVELENGTH)[1]
    assert not any("% off" in note for note in same)


@pytest.mark.parametrize(
    ("instrument", "size", "field"),
    [
        (Instrument(), (64, 64), "frames"),
        (Instrument(wavelength=20.0), (48, 48), "wavelength"),
        (Instrument(geometry="flat"), (48, 48), "geometry"),
        (Instrument(geometry="round"), (48, 48), "geometry"),
        (Instrument(pixel_size=(0.1, 0.1), distance=4000.0), (200, 200), "frames"),
        (Instrument(q_step=0.0148, center=(500.0, 500.0)), (48, 48), "frames"),
        (Instrument(pixel_size=(0.2, 0.2), distance=0.07), (48, 48), "frames"),  # in m
        (Instrument(q_step=1e-320), (48, 48), "frames"),
        (Instrument(pixel_size=(1e-300, 1e-300), distance=1e300), (48, 48), "frames"),
        (Instrument(pixel_size=(1e300, 1e300), distance=1e-300), (48, 48), "frames"),
    ],
)
def test_what_the_model_does_not_know_is_refused(
    instrument: Instrument, size: tuple[int, int], field: str
) -> None:
    with pytest.raises(ParameterError) as caught:
        resampling(instrument, size, TARGET, WAVELENGTH)
    assert caught.value.field == field


def test_what_is_taken_as_the_models_is_said() -> None:
    for instrument, expected in (
        (Instrument(), ["taken as the model's: wavelength and pixels"]),
        (Instrument(13.5), ["taken as the model's: pixels"]),
        (Instrument(13.5, "ewald", 0.014806), []),
    ):
        assert resampling(instrument, (48, 48), TARGET, WAVELENGTH)[1] == expected


def test_few_or_wide_pixels_are_said() -> None:
    few = resampling(Instrument(q_step=0.0074), (40, 40), TARGET, WAVELENGTH)[1]
    assert any("18 %" in note for note in few), few
    wide = resampling(Instrument(q_step=0.04), (24, 24), TARGET, WAVELENGTH)[1]
    assert any("2.7 times as wide" in note for note in wide), wide


def test_frames_that_do_not_tell_the_centre_are_said() -> None:
    sure = EstimatedCentre((59.0, 70.0), (0.5, 1.0), 4)
    assert (
        sure.note((128, 128)) == "centre estimated at row 59.0, column 70.0 (frames differ by 0.5 and 1.0 px)"
    )
    unsure = sure._replace(spread=(2.0, 0.5))
    assert unsure.note((128, 128)).startswith("warning: centre estimated")
    assert not unsure.note((1024, 1024)).startswith("warning")
    assert sure._replace(frames=3).note((128, 128)).endswith(" by few frames; --center ROW,COLUMN is surer")


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("number", [1, 4, 16])
def test_the_centre_is_found_where_photons_are_few_and_a_window_is_small(number: int, scale: str) -> None:
    """At wide angles patterns are not centrosymmetric: all that is measured would draw it away by pixels."""
    generator = np.random.default_rng(number)
    rows, columns = np.indices((128, 128)) - 64
    for seed in range(4):
        beam = generator.integers(-8, 9, 2)
        rates = Simulation().intensity(ParticleDistribution().draw(seed, range(number)))
        photons = 10 ** generator.uniform(4, 7, (number, 1, 1)) / rates.sum(axis=(1, 2), keepdims=True)
        images = np.roll(generator.poisson(rates * photons), beam, axis=(1, 2)).astype(np.float32)
        hole = np.hypot(rows - beam[0], columns - beam[1]) < 6
        valid = np.repeat([(abs(rows + 2) < 37) & (abs(columns) < 45) & ~hole], number, axis=0)
        if scale == "log":
            decades = float(generator.uniform(1.5, 5))
            images = log_scale(torch.from_numpy(images), decades, torch.from_numpy(valid)).numpy()
        assert estimated_center(images, valid, scale).center == tuple(64.0 + beam)


def test_the_centre_is_found_by_symmetry(tmp_path: Path) -> None:
    detector = EwaldDetector(pixels=160, q_step=0.0074)
    images = np.concatenate(
        [
            Simulation(detector=detector).intensity(Particles(radius, [0.9, 0.3, turn, 0.1]))
            for radius, turn in ((45.0, 0.2), (60.0, -0.4), (75.0, 0.6))
        ]
    )[:, 21:149, 10:138]  # the beam is at row 59, column 70
    row, column = np.indices((128, 128))
    valid = np.broadcast_to(np.hypot(row - 60, column - 69) > 6, images.shape).copy()
    valid[:, :, 100:104] = False
    center, spread, _ = estimated_center(images, valid, "linear")
    assert center == (59.0, 70.0)
    assert max(spread) <= 0.5
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"] = images
        file["entry_1/data_1/mask"] = (~valid[0]).astype(np.uint32)
        file["entry_1/instrument_1/detector_1/q_step"] = 0.0074e9
    with open_frames(tmp_path / "a.h5", Reading(center="estimate")) as source:
        assert source.instrument.center == pytest.approx(center, abs=0.6)
        assert any("centre estimated" in note for note in source.notes)
    with open_frames(tmp_path / "a.h5") as source:
        source.onto(replace(TARGET, pixels=64), WAVELENGTH)  # another size: nobody says where the beam is
        frames = source.read(range(3))
        assert frames.images.shape == (3, 64, 64)
        assert any("centre estimated" in note for note in source.notes)
    with pytest.raises(ParameterError, match="center"):
        estimated_center(np.zeros((2, 32, 32), np.float32), np.ones((2, 32, 32), dtype=bool), "linear")
