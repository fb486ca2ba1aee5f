"""Random pixels, one seed per image.

A field of random pixels is as large as the image, so a record keeps the seed instead. Each image has its own
generator: the rest of the batch does not change an image's field. Fields are drawn where the images are, so a
GPU is not fed with random numbers by the CPU; the same seed gives other fields there.
"""

from __future__ import annotations

from functools import cache

import torch

NORMAL_FROM = 10.0
"""Expectation from which Poisson counts are rounded from a continuous quantile; see `poisson_pixels`."""

_PER_PHOTON, _CHANCES = 32, 4096
"""Tabulated expectations per photon below `NORMAL_FROM`, and tabulated quantiles of each of them."""


def draw_seeds(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return one seed per image: int64, shape (count,)."""
    # The CPU generator uses 32 bits of its seed; more would only look like more randomness.
    return torch.randint(2**32, (count,), generator=generator)


def uniform_pixels(seeds: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return float32 values uniform in [0, 1), shape (len(seeds), *shape)."""
    pixels = torch.empty((len(seeds), *shape), device=device)
    generator = torch.Generator(device)
    for image, seed in zip(pixels, seeds.tolist(), strict=True):
        torch.rand(shape, generator=generator.manual_seed(seed), out=image)
    return pixels


def normal_pixels(seeds: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return standard normal float32 values, shape (len(seeds), *shape)."""
    pixels = torch.empty((len(seeds), *shape), device=device)
    generator = torch.Generator(device)
    for image, seed in zip(pixels, seeds.tolist(), strict=True):
        torch.randn(shape, generator=generator.manual_seed(seed), out=image)
    return pixels


def poisson_pixels(seeds: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Return Poisson counts of the given expectations: float32, shape (B, H, W), same device.

    One normal number per pixel becomes a count through the quantile function of the Poisson distribution:
    from a table below `NORMAL_FROM`, and above it by the Cornish-Fisher expansion. The distribution function
    is within 4e-4 of Poisson's everywhere. Every pixel takes the same few vectorised steps, which
    `torch.poisson`, a loop in each pixel, does not.

    Notes
    -----
    Source: E. A. Cornish and R. A. Fisher, Rev. Inst. Int. Stat. 5, 307 (1937).
    """
    z = normal_pixels(seeds, tuple(rates.shape[1:]), rates.device)
    # A rate between two of the table takes one of them, by the bits of the number that are left: the mean
    # stays exact, and the variance grows by less than (1 / 2 / _PER_PHOTON)^2.
    chance = torch.special.ndtr(z).mul_(_CHANCES - 0.25)
    cell = chance.floor()
    row = rates.mul(_PER_PHOTON).add_(chance.sub_(cell)).floor_().clamp_max_(NORMAL_FROM * _PER_PHOTON)
    place = row.mul_(_CHANCES).add_(cell).int()
    few = _few_photons().to(rates.device).index_select(0, place.flatten()).reshape(rates.shape)

    high = rates.clamp_min(NORMAL_FROM)
    # rounding adds the variance 1/12
    spread = (high - 1.0 / 12.0).sqrt_()
    # rate + s z + (z^2 - 1) / 6 + (z - z^3) / (72 s), to the nearest count
    square = z.square()
    many = high.addcmul_(spread, z).add_(square, alpha=1.0 / 6.0)
    many.addcdiv_(square.neg_().add_(1.0).mul_(z), spread, value=1.0 / 72.0)
    many.add_(1.0 / 3.0).floor_().clamp_min_(0.0)
    return torch.where(rates < NORMAL_FROM, few.to(rates.dtype), many)


@cache
def _few_photons() -> torch.Tensor:
    """Return the quantiles of each tabulated rate, row after row: uint8, the middle of each chance's cell."""
    rates = torch.arange(int(NORMAL_FROM * _PER_PHOTON) + 1, dtype=torch.float64)[:, None] / _PER_PHOTON
    n = torch.arange(40, dtype=torch.float64)
    cumulative = (torch.xlogy(n, rates) - rates - torch.lgamma(n + 1.0)).exp().cumsum(1)
    chances = (torch.arange(_CHANCES, dtype=torch.float64) + 0.5) / _CHANCES
    return torch.searchsorted(cumulative, chances.repeat(len(rates), 1)).to(torch.uint8).flatten()
