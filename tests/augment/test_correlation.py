"""Cross-correlation maps against equations 13 to 15, term by term, and what they are for."""

from __future__ import annotations

import cmath
import math

import numpy as np
import pytest
import torch

from augment.correlation import correlation_images, correlation_map
from augment.polar import polar_map
from msft.errors import ParameterError


def random_polar(count: int = 3, radii: int = 7, angles: int = 24, seed: int = 1) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand((count, radii, angles), generator=rng, dtype=torch.float64)


def direct(pattern: np.ndarray, order: int) -> np.ndarray:
    """One map by the paper's equations, sum by sum."""
    radii, angles = pattern.shape
    step = 2 * math.pi / angles
    components = []
    for row in pattern:  # equation 15
        terms = (value * cmath.exp(-1j * order * k * step) * step for k, value in enumerate(row))
        components.append(sum(terms) / (2 * math.pi))
    result = np.empty((radii, radii))
    for i in range(radii):
        for j in range(radii):
            if j <= i:  # equation 13, Delta = 0
                pairs = zip(pattern[i], pattern[j], strict=True)
                result[i, j] = sum(one * other * step for one, other in pairs)
            else:  # equation 14
                result[i, j] = (components[i].conjugate() * components[j]).real
    return result


@pytest.mark.parametrize("order", [0, 1, 8, 12])
def test_maps_are_the_equations_of_the_paper(order: int) -> None:
    polar = random_polar()
    found = correlation_map(polar, order)
    for pattern, image in zip(polar.numpy(), found.numpy(), strict=True):
        np.testing.assert_allclose(image, direct(pattern, order), rtol=1e-10, atol=1e-12)


def test_single_precision_is_enough() -> None:
    # rings that fall over five decades
    polar = random_polar(radii=64, angles=128) * torch.logspace(0, -5, 64, dtype=torch.float64)[:, None]
    exact, single = correlation_map(polar), correlation_map(polar.float())
    assert torch.allclose(single.double().tril(), exact.tril(), rtol=1e-5, atol=0)
    scale = exact.diagonal(dim1=1, dim2=2).sqrt()
    assert ((single - exact).abs() <= 1e-6 * scale[:, None] * scale[:, :, None]).all()


def test_orders_sum_to_the_full_correlation() -> None:
    # Parseval: C = 2 pi sum over n of I_i^n* I_j^n
    polar = random_polar(angles=16)
    maps = [correlation_map(polar, order) for order in range(9)]
    weights = [1.0] + [2.0] * 7 + [1.0]  # n and -n; the last is its own mirror
    total = sum(2 * math.pi * w * m.triu(1) for w, m in zip(weights, maps, strict=True))
    assert isinstance(total, torch.Tensor)
    assert torch.allclose(total.mT, maps[0].tril(-1))


def test_a_turned_pattern_has_the_same_map() -> None:
    polar = random_polar(angles=32)
    assert torch.allclose(correlation_map(polar), correlation_map(polar.roll(5, dims=2)))


def test_rings_have_no_order_but_the_lowest() -> None:
    polar = torch.linspace(1, 2, 6, dtype=torch.float64)[None, :, None].expand(1, 6, 64)
    assert correlation_map(polar, 8).triu(1).abs().max() < 1e-12
    # and eight petals on each ring have just the eighth: amplitude a gives (a / 2)^2
    petals = 1 + 0.5 * torch.cos(8 * torch.arange(64, dtype=torch.float64) * 2 * math.pi / 64)
    petals = petals.expand(1, 6, 64)
    upper = torch.ones(6, 6).triu(1) > 0
    assert torch.allclose(correlation_map(petals, 8)[0][upper], torch.full((15,), 0.0625).double())
    assert correlation_map(petals, 7).triu(1).abs().max() < 1e-12


@pytest.mark.parametrize("size", [32, 33])
def test_polar_maps_run_around_the_beam(size: int) -> None:
    y, x = np.mgrid[:size, :size] - size // 2
    # linear in x and y: bilinear interpolation is exact
    images = torch.from_numpy(np.stack([x, y, np.ones_like(x)]).astype(np.float64))
    polar = polar_map(images, radii=5, angles=12).numpy()
    radius = (np.arange(5) + 0.5) * ((size - 1) // 2) / 5
    angle = 2 * np.pi * np.arange(12) / 12
    np.testing.assert_allclose(polar[0], radius[:, None] * np.cos(angle), atol=1e-9)
    np.testing.assert_allclose(polar[1], radius[:, None] * np.sin(angle), atol=1e-9)
    np.testing.assert_allclose(polar[2], 1.0)


def petals(count: int = 1, size: int = 64) -> torch.Tensor:
    """Eight petals on rings that fall off."""
    y, x = np.mgrid[:size, :size] - size // 2
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    image = np.exp(-radius / 10) * (1 + 0.6 * np.cos(8 * angle))
    return torch.from_numpy(image.astype(np.float32)).expand(count, size, size)


def test_the_eighth_order_stands_noise_that_the_full_correlation_does_not() -> None:
    rng = torch.Generator().manual_seed(3)
    clean = petals(8)
    noisy = clean + 0.5 * torch.rand(clean.shape, generator=rng)
    before, after = (correlation_images(part, decades=None) for part in (clean, noisy))

    def likeness(triangle: torch.Tensor) -> float:
        one, other = (part[:, triangle].flatten() for part in (before, after))
        return float(torch.corrcoef(torch.stack([one, other]))[0, 1])

    lower = torch.ones(64, 64).tril(-1) > 0
    assert likeness(lower.T) > likeness(lower)
    assert likeness(lower.T) > 0.9


@pytest.mark.parametrize("decades", [None, 10.0])
def test_images_of_any_unit_give_maps_within_one(decades: float | None) -> None:
    images = torch.rand((4, 20, 20), generator=torch.Generator().manual_seed(2))
    maps = correlation_images(images, decades=decades)
    assert maps.shape == images.shape
    assert maps.dtype == torch.float32
    assert maps.abs().amax(dim=(1, 2)).tolist() == [1.0] * 4
    for factor in (1e-25, 1e25):
        assert torch.allclose(correlation_images(images * factor, decades=decades), maps, atol=1e-4)
    assert torch.equal(correlation_images(images[1:2], decades=decades)[0], maps[1])


def test_dark_and_broken_images_give_no_nan() -> None:
    images = torch.rand((3, 16, 16))
    images[0], images[1, 3:5] = 0.0, torch.nan
    maps = correlation_images(images)
    assert bool(maps.isfinite().all())
    assert not maps[0].any()
    assert correlation_images(images[:0]).shape == (0, 16, 16)


def test_impossible_requests_are_refused() -> None:
    polar = random_polar()
    for order in (-1, 13):
        with pytest.raises(ParameterError, match="order"):
            correlation_map(polar, order)
    with pytest.raises(ParameterError, match="polar"):
        correlation_map(polar[0])
    with pytest.raises(ParameterError, match="decades"):
        correlation_images(petals(), decades=0.0)
    for images in (torch.ones(2, 4, 5), torch.ones(2, 4, 4, dtype=torch.int64), torch.ones(4, 4)):
        with pytest.raises(ParameterError, match="images"):
            polar_map(images)
    with pytest.raises(ParameterError, match="pixels per side"):
        polar_map(torch.ones(1, 2, 2))
    with pytest.raises(ParameterError, match="angles"):
        polar_map(torch.ones(1, 8, 8), angles=0)
