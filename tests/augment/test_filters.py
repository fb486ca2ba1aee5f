"""What each filter does to an image, against what its docstring says."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from augment import (
    CenterCrop,
    CentralHole,
    GaussianBlur,
    Identity,
    Jitter,
    SaltAndPepper,
    Saturation,
    Shift,
    ShotNoise,
    UnevenSensitivity,
    UniformNoise,
    linear_scale,
)

torch.set_num_threads(1)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_images(count: int = 8, height: int = 33, width: int = 48) -> torch.Tensor:
    return torch.rand((count, height, width), generator=generator(99))


def impulse(size: int = 65) -> torch.Tensor:
    image = torch.zeros(1, size, size)
    image[0, size // 2, size // 2] = 1.0
    return image


def beam_distance(image: torch.Tensor) -> list[list[float]]:
    height, width = image.shape
    return [[math.dist((y, x), (height // 2, width // 2)) for x in range(width)] for y in range(height)]


def test_identity_changes_nothing() -> None:
    images = random_images()
    assert torch.equal(Identity()(images, generator())[0], images)


def test_invalid_pixels_become_zero_and_others_are_clipped() -> None:
    image = torch.tensor([[[torch.nan, torch.inf, -torch.inf, -0.5, 0.25, 1.5]]])
    changed, _ = Identity()(image, generator())
    assert changed.tolist() == [[[0.0, 0.0, 0.0, 0.0, 0.25, 1.0]]]


def test_a_filter_leaves_its_input_alone() -> None:
    images = random_images()
    before = images.clone()
    for part in (Identity(), UniformNoise(), Saturation(), Shift()):
        changed, _ = part(images, generator())
        changed.zero_()
    assert torch.equal(images, before)


def test_uniform_noise_is_uniform_within_its_amplitude() -> None:
    grey = torch.full((3, 100, 100), 0.5)
    noisy, record = UniformNoise((0.1, 0.5))(grey, generator())
    for image, amplitude in zip(noisy, record.parameters["amplitude"].tolist(), strict=True):
        expected = stats.uniform(0.5 - amplitude, 2 * amplitude)
        assert stats.kstest(image.flatten().numpy(), expected.cdf).pvalue > 0.01


def test_uniform_noise_differs_from_image_to_image() -> None:
    noisy, _ = UniformNoise((0.3, 0.3))(torch.full((2, 50, 50), 0.5), generator())
    correlation = torch.corrcoef(noisy.reshape(2, -1))[0, 1]
    assert abs(float(correlation)) < 0.1


def test_salt_and_pepper_sets_its_fraction_half_to_each_end() -> None:
    grey = torch.full((4, 200, 200), 0.5)
    salted, _ = SaltAndPepper((0.05, 0.05))(grey, generator())
    number = salted.numel()
    for value in (0.0, 1.0):
        hits = int((salted == value).sum())
        assert stats.binomtest(hits, number, 0.025).pvalue > 0.01
    assert int((salted == 0.5).sum()) + int((salted == 0.0).sum()) + int((salted == 1.0).sum()) == number


@pytest.mark.parametrize("photons", [30.0, 1000.0])
def test_shot_noise_has_poisson_mean_and_variance(photons: float) -> None:
    # One bright pixel sets the scale; the others get a known fraction of its light.
    image = torch.full((1, 150, 150), 0.9)
    image[0, 0, 0] = 1.0
    expected = photons * float(linear_scale(torch.tensor(0.9)))
    noisy, _ = ShotNoise((photons, photons))(image, generator())
    linear = linear_scale(noisy[0]).double()
    # The brightest pixel of the result is 1; the smallest step between two pixels is one photon.
    step = float(np.diff(np.unique(linear.numpy())).min())
    counts = (linear / step).round().flatten()[1:]
    error = math.sqrt(expected / len(counts))
    assert abs(float(counts.mean()) - expected) < 4 * error
    # The variance of N values has a relative error of sqrt((2 + 1 / mean) / N).
    spread = math.sqrt((2 + 1 / expected) / len(counts))
    assert abs(float(counts.var()) / expected - 1.0) < 4 * spread


def test_shot_noise_counts_photons_in_the_brightest_pixel_of_dark_images_too() -> None:
    noisy, _ = ShotNoise((1e4, 1e4))(torch.full((1, 100, 100), 0.3), generator())
    linear = linear_scale(noisy).double()
    # For Poisson counts this is one over their mean.
    assert float(linear.var() / linear.mean() ** 2) == pytest.approx(1e-4, rel=0.06)


def test_shot_noise_of_many_photons_is_no_noise() -> None:
    images = random_images()
    images[:, 0, 0] = 1.0
    noisy, _ = ShotNoise((1e9, 1e9), floor_decades=2.0)(images, generator())
    assert torch.allclose(noisy, images, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.8, 2.0, 5.0])
def test_blur_keeps_the_sum_and_widens_by_sigma(sigma: float) -> None:
    blurred, _ = GaussianBlur((sigma, sigma))(impulse(), generator())
    offsets = torch.arange(65) - 32.0
    assert float(blurred.sum()) == pytest.approx(1.0, rel=1e-5)
    for axis in (1, 2):
        profile = blurred.sum(dim=axis)[0]
        assert float((profile * offsets**2).sum()) == pytest.approx(sigma**2, rel=2e-3)
        assert float((profile * offsets).sum()) == pytest.approx(0.0, abs=1e-4)


def test_blur_keeps_a_constant_image_up_to_its_edges() -> None:
    grey = torch.full((2, 9, 40), 0.7)
    blurred, _ = GaussianBlur((5.0, 5.0))(grey, generator())
    assert torch.allclose(blurred, grey, atol=1e-6)


def test_no_blur_changes_nothing() -> None:
    images = random_images()
    assert torch.equal(GaussianBlur((0.0, 0.0))(images, generator())[0], images)


def test_jitter_reads_all_neighbours_within_reach_equally_and_no_others() -> None:
    # Each pixel of this image names its own place, so the displacement can be read off.
    size = 200
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    for axis, place in enumerate((rows, columns)):
        moved, record = Jitter(2)((place / size).float()[None].repeat(6, 1, 1), generator())
        displacement = (moved * size).round().long() - place
        inner = displacement[:, 3:-3, 3:-3].reshape(6, -1)
        for reach, image in zip(record.parameters["reach"].tolist(), inner, strict=True):
            values, counts = np.unique(image.numpy(), return_counts=True)
            assert values.tolist() == list(range(-reach, reach + 1)), axis
            assert stats.chisquare(counts).pvalue > 0.01


def test_jitter_of_reach_zero_changes_nothing() -> None:
    images = random_images()
    assert torch.equal(Jitter(0)(images, generator())[0], images)


@pytest.mark.parametrize("circle_probability", [0.0, 1.0])
def test_crop_keeps_the_inside_bit_for_bit_and_deletes_the_rest(circle_probability: float) -> None:
    images = random_images().clamp_min(0.01)
    cropped, record = CenterCrop(circle_probability=circle_probability)(images, generator())
    cut = 0
    for before, after, index in zip(images, cropped, range(len(images)), strict=True):
        kept = {name: values[index].item() for name, values in record.parameters.items()}
        distance = beam_distance(before)
        for y in range(33):
            for x in range(48):
                inside = abs(y - 16) <= kept["half_height"] and abs(x - 24) <= kept["half_width"]
                inside = inside and distance[y][x] <= kept["radius"]
                assert after[y, x] == (before[y, x] if inside else 0.0)
                cut += not inside
    assert cut > 0


def test_crop_stays_within_its_ranges() -> None:
    drawn = CenterCrop().sample(2000, (64, 128), generator())
    circle = drawn["radius"] <= 64
    assert 0.4 < float(circle.float().mean()) < 0.6
    assert 32 <= float(drawn["radius"].min()) < 36
    assert set(drawn["half_height"][~circle].tolist()) == set(range(17, 33))
    assert set(drawn["half_width"][~circle].tolist()) == set(range(33, 65))


@pytest.mark.parametrize("radius", [0.0, 3.0, 5.0, 7.3])
def test_hole_covers_exactly_the_pixels_within_its_radius(radius: float) -> None:
    image = torch.ones(1, 20, 31)
    holed, _ = CentralHole((radius, radius))(image, generator())
    expected = (torch.tensor(beam_distance(image[0])) > radius).float()
    assert torch.equal(holed[0], expected)


def test_shift_moves_the_maximum_and_fills_with_zero() -> None:
    images = (random_images(30) * 0.5).clamp_min(0.01)
    images[:, 15, 20] = 1.0
    shifted, record = Shift(5)(images, generator())
    for before, after, step in zip(images, shifted, (record[i] for i in range(30)), strict=True):
        dy, dx = step.values["dy"], step.values["dx"]
        assert divmod(int(after.argmax()), 48) == (15 + dy, 20 + dx)
        expected = torch.zeros_like(before)
        expected[max(dy, 0) : 33 + min(dy, 0), max(dx, 0) : 48 + min(dx, 0)] = before[
            max(-dy, 0) : 33 + min(-dy, 0), max(-dx, 0) : 48 + min(-dx, 0)
        ]
        assert torch.equal(after, expected)
    assert set(record.parameters["dy"].tolist()) == set(range(-5, 6))


def test_blind_spots_attenuate_as_gaussians() -> None:
    flat = torch.ones(4, 30, 40)
    attenuated, record = UnevenSensitivity(spots=3, sigma=(0.02, 0.125))(flat, generator())
    rows, columns = torch.meshgrid(torch.arange(30), torch.arange(40), indexing="ij")
    for i, image in enumerate(attenuated):
        values = record[i].values
        expected = torch.ones(30, 40)
        for y, x, sigma, depth in zip(*(values[name] for name in ("y", "x", "sigma", "depth")), strict=True):
            distance2 = (rows - y) ** 2 + (columns - x) ** 2
            expected *= 1 - depth * torch.exp(-distance2 / (2 * sigma**2))
        assert torch.allclose(image, expected, atol=1e-6)


def test_every_number_of_blind_spots_is_drawn() -> None:
    drawn = UnevenSensitivity(spots=3, depth=(0.5, 1.0)).sample(100, (30, 40), generator())
    assert set((drawn["depth"] > 0).sum(dim=1).tolist()) == {1, 2, 3}


def test_saturation_multiplies_and_clips() -> None:
    images = random_images()
    saturated, _ = Saturation((1.25, 1.25))(images, generator())
    assert torch.equal(saturated, (images * 1.25).clamp(max=1.0))
    assert float(saturated.max()) == 1.0
