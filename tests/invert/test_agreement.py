"""Batches of frames against their particles: as forward fitting says, and without waiting for a GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

from augment import log_scale
from invert import quality
from invert.agreement import Comparable, comparable, compare, saturating, simulated, various
from invert.beside import backend_beside
from invert.fitting.forward import FLOORS, SATURATED_PIXELS, ForwardModel
from invert.fringes import fringes
from invert.model import ModelConfiguration
from invert.predict import judge
from invert.reading.frames import grey_values
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from tests.invert.conftest import photons

# beyond its rim no light arrives
SIMULATION = Simulation(detector=EwaldDetector(pixels=48, q_step=3 * PAPER_Q_STEP))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def particles() -> Particles:
    return ParticleDistribution((40.0, 80.0)).draw(8, range(9))


@pytest.fixture(scope="module")
def frames(particles: Particles) -> tuple[torch.Tensor, NDArray[np.bool_]]:
    """Grey frames with photon noise and masks: one dark, one with a few pixels, one saturated."""
    generator = np.random.default_rng(3)
    counts = photons(SIMULATION.intensity(particles), 2e4, generator)
    valid = generator.random(counts.shape) > 0.1
    counts[3] = 0
    valid[4] = False
    valid[4, 20, 20:40] = True
    valid[6, 21:28, 21:28] = False  # a hole where it is brightest
    counts[5] = np.minimum(counts[5], np.sort(counts[5].ravel())[-12])
    return log_scale(torch.from_numpy(counts), 5.0, torch.from_numpy(valid)), valid


def compared(frames: tuple[torch.Tensor, NDArray[np.bool_]], particles: Particles) -> tuple[Comparable, Any]:
    grey, valid = frames
    seen = comparable(grey, torch.from_numpy(valid), SIMULATION)
    light = simulated(particles, seen.worth, SIMULATION, CPU)
    return seen, compare(grey, seen.pixels.float(), seen.worth.float(), light, SIMULATION)


def test_agreement_is_that_which_fits_maximise(
    frames: tuple[torch.Tensor, NDArray[np.bool_]], particles: Particles
) -> None:
    grey, valid = frames
    seen, found = compared(frames, particles)
    assert seen.worth.tolist() == [row not in (3, 4) for row in range(9)]
    for row in np.flatnonzero(seen.worth):
        model = ForwardModel(grey[row].numpy(), valid[row], SIMULATION, "icosahedron")
        misfit, floor = model.misfit(particles.radius[[row]], particles.orientation[[row]], FLOORS)
        assert float(found.agreement[row]) == pytest.approx(1 - misfit[0], abs=2e-6)
        used = seen.pixels[row].numpy()
        assert np.array_equal(used.ravel(), model._compared)
        picture = found.resimulated[row].numpy()
        # the contrast and offset are those of least squares
        light = SIMULATION.intensity(particles[row : row + 1])[0].astype(np.float64)
        log = np.log1p(np.minimum(light / light[used].max(), 1) * 10.0 ** floor[0])
        slope, offset = np.polyfit(log[used], grey[row].numpy()[used].astype(np.float64), 1)
        expected = np.where(light > 0, np.clip(slope * log + offset, 0, 1), 0)
        assert picture == pytest.approx(expected, abs=2e-5)


def test_frames_without_anything_to_compare_have_no_agreement_and_no_picture(
    frames: tuple[torch.Tensor, NDArray[np.bool_]], particles: Particles, counter: Any
) -> None:
    counter.reset()
    _, found = compared(frames, particles)
    assert counter.patterns == 7
    assert found.agreement[[3, 4]].tolist() == [0, 0]
    assert float(found.resimulated[[3, 4]].abs().max()) == 0
    assert torch.isfinite(found.agreement).all()


def test_saturated_pixels_are_not_compared(frames: tuple[torch.Tensor, NDArray[np.bool_]]) -> None:
    grey, valid = frames
    seen = comparable(grey, torch.from_numpy(valid), SIMULATION)
    full = (grey == 1) & torch.from_numpy(valid)
    assert int(full[5].sum()) >= 10
    assert not (seen.pixels[5] & full[5]).any()
    assert (seen.pixels[0] & full[0]).any()


def test_a_device_counts_values_as_a_processor_does() -> None:
    generator = np.random.default_rng(5)
    grey = generator.random((24, 48, 48)).astype(np.float32)
    pixels = generator.random(grey.shape) > 0.3
    for row, values in enumerate((1, 2, 15, 16, 17, 18, 40)):
        grey[row] = generator.integers(0, values, grey.shape[1:]) / 64
        grey[10 + row] = np.where(pixels[10 + row], (grey[row] + 1) / 64, 0.0)
    grey[20], pixels[21] = np.minimum(grey[20], 0.9), False
    frames, counted = torch.from_numpy(grey), torch.from_numpy(pixels)
    every = torch.ones(len(grey), dtype=torch.bool)
    brightest = [
        (row[seen] == row[seen].max(initial=0)).sum() for row, seen in zip(grey, pixels, strict=True)
    ]
    full = torch.tensor(brightest) >= SATURATED_PIXELS
    assert full.sum() >= 14
    expected = saturating(frames, counted, every)
    assert expected.tolist() == [row in (4, 5, 6, 14, 15, 16, 20) for row in range(24)]
    assert torch.equal(full & various(frames, counted), expected)


def test_roundness_and_smoothness_are_correlations_of_the_pixels_that_count(
    frames: tuple[torch.Tensor, NDArray[np.bool_]],
) -> None:
    grey, valid = frames
    weight = torch.from_numpy(valid).float()
    round_, smooth = quality.roundness(grey, weight).numpy(), quality.smoothness(grey, weight).numpy()
    row, column = np.indices(grey.shape[1:]) - 24
    ring = np.rint(2 * np.hypot(row, column)).astype(int)
    for index in (0, 1, 6):
        image, good = grey[index].numpy().astype(np.float64), valid[index]
        means = np.array(
            [image[good & (ring == r)].mean() if (good & (ring == r)).any() else 0 for r in range(71)]
        )
        expected = np.corrcoef(image[good], means[ring[good]])[0, 1]
        assert round_[index] == pytest.approx(expected, abs=1e-5)
        both = good[:, 1:] & good[:, :-1]
        expected = np.corrcoef(image[:, 1:][both], image[:, :-1][both])[0, 1]
        assert smooth[index] == pytest.approx(expected, abs=1e-5)
    constant = torch.full((1, 9, 9), 1 / 3)
    for sign in (quality.roundness, quality.smoothness):
        assert sign(constant, torch.ones_like(constant)).tolist() == [0]
        assert sign(constant, torch.zeros_like(constant)).tolist() == [0]


def test_fringes_are_what_scipys_filters_give(frames: tuple[torch.Tensor, NDArray[np.bool_]]) -> None:
    grey, valid = frames[0].numpy()[:3].astype(np.float64), frames[1][:3]
    inside = binary_erosion(valid, np.ones((1, 3, 3), dtype=bool)).astype(np.float64)

    def mean(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
        weight = np.maximum(gaussian_filter(inside, (0, width, width)), 1e-3)
        return np.asarray(gaussian_filter(values, (0, width, width)) / weight)

    fine = (grey - mean(grey * inside, 0.8)) * inside
    white = fine / np.sqrt(mean(fine**2, 2.0) + 1e-12)
    power = abs(np.fft.rfft2(white)) ** 2
    power = gaussian_filter(power, (0, 1.0, 1.0), mode=("constant", "wrap", "nearest"))
    step = SIMULATION.detector.step_on_axis(SIMULATION.optics.wavenumber)
    down, right = (2 * np.pi * np.fft.fftfreq(48, step), 2 * np.pi * np.fft.rfftfreq(48, step))
    far = np.hypot(down[:, None], right) > 120.0
    expected = np.log10(power[:, far].max(axis=1) / power[:, ~far].max(axis=1))
    weight, radii = torch.from_numpy(valid).float(), torch.full((3,), 60.0)
    found = fringes(torch.from_numpy(grey).float(), weight, radii, 100.0, step)
    assert found.numpy() == pytest.approx(expected, abs=1e-3)


def test_nothing_waits_for_the_device_where_frames_are_judged() -> None:
    """Tensors of the device "meta" have no values: whatever would wait for those of a GPU fails."""
    images = torch.empty((5, 48, 48), device="meta")
    numbers = torch.empty((5,), device="meta")
    for scale in ("linear", "log"):
        grey = grey_values(images, images > 0, scale, 5.0)
        seen = comparable(grey, images > 0, SIMULATION)
        assert {part.device.type for part in (grey, *seen)} == {"meta"}
    configuration = ModelConfiguration(simulation=SIMULATION)
    found = judge(configuration, images, images, numbers, images, numbers)
    assert found.signs.shape == (4, 5)
    assert found.resimulated.shape == (5, 48, 48)
    assert found.signs.device.type == found.resimulated.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU HERE: frames were not judged on CUDA")
def test_a_gpu_judges_as_a_processor_does(
    frames: tuple[torch.Tensor, NDArray[np.bool_]], particles: Particles
) -> None:
    gpu, (grey, valid) = torch.device("cuda"), frames
    seen = comparable(grey, torch.from_numpy(valid), SIMULATION)
    there = comparable(grey.to(gpu), torch.from_numpy(valid).to(gpu), SIMULATION)
    assert all(torch.equal(part.cpu(), other) for part, other in zip(there, seen, strict=True))
    answers = []
    for device in (CPU, gpu):
        simulation = replace(SIMULATION, backend=backend_beside(SIMULATION, device))
        light = simulated(particles, seen.worth, simulation, device)
        assert light.device.type == device.type
        moved = (
            grey,
            seen.pixels.float(),
            seen.worth.float(),
            light,
            torch.from_numpy(particles.radius).float(),
        )
        configuration = ModelConfiguration(simulation=SIMULATION)
        found = judge(configuration, *(tensor.to(device) for tensor in moved))
        answers.append((found.signs.cpu(), found.resimulated.cpu()))
    assert torch.allclose(answers[1][0], answers[0][0], atol=1e-3)
    assert torch.allclose(answers[1][1], answers[0][1], atol=1e-3)
