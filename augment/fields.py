"""Random pixels, one seed per image.

A field of random pixels is as large as the image, so a record keeps the seed instead. Pixel i of an image is
a function of the seed and of i alone: the whole batch takes the same few operations, without a generator for
each image, the rest of the batch does not change an image's field, and every device gives the same one. On a
processor the same numbers come from compiled loops (`augment.compiled.fields`).
"""

from __future__ import annotations

import math
from functools import cache

import torch

from augment.compiled import on_processor

NORMAL_FROM = 10.0
"""Expectation from which Poisson counts are rounded from a continuous quantile; see `poisson_pixels`."""

_PER_PHOTON, _CHANCE_BITS = 32, 11
"""Tabulated expectations per photon below `NORMAL_FROM`, and bits of the chance of a tabulated quantile."""

_NORMAL_BITS = 16


def draw_seeds(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return one seed per image: int64, shape (count,)."""
    return torch.randint(2**32, (count,), generator=generator)


def random_words(seeds: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return 32 random bits per pixel: int32, shape ``(len(seeds), *shape)``.

    A counter in steps of the golden ratio of 2^32, mixed with the seed, each number by itself.

    Notes
    -----
    Source: the generator SplitMix of G. L. Steele, D. Lea and C. H. Flood, OOPSLA 2014, doi
    10.1145/2660193.2660195, with 32 bits, and constants that C. Wellons' hash-prospector found.
    """
    pixels = math.prod(shape)
    if on_processor(device):
        from augment.compiled import fields as compiled

        words = compiled.random_words(seeds, pixels)
    else:
        words = _words(seeds, pixels, device)
    return words.reshape(len(seeds), *shape)


def _words(seeds: torch.Tensor, pixels: int, device: torch.device) -> torch.Tensor:
    """Return the words of as many pixels of each image: int32, shape (B, pixels)."""
    # the words of numbers that follow one another, such as seeds 0, 1, 2, have nothing in common
    start = _mixed(_folded(_signed(seeds.to(device, non_blocking=True)), 16))
    counter = _signed(torch.arange(pixels, device=device).mul_(0x9E3779B9))
    # what is folded of a sum without carry is the sum of what is folded: done before there are B x H x W
    return _mixed(_folded(start, 16)[:, None] ^ _folded(counter, 16))


def _mixed(words: torch.Tensor) -> torch.Tensor:
    """Change int32 words, folded by 16, in place so that every bit depends on all; modulo 2^32."""
    return _folded(_folded(words.mul_(0x21F0AAAD), 15).mul_(0x735A2D97), 15)


def _folded(words: torch.Tensor, by: int) -> torch.Tensor:
    """Change int32 words in place: their highest bits are added, without carry, so much further right."""
    # zeros come in from the left, where the shift of signed numbers repeats the sign
    return words.bitwise_xor_((words >> by).bitwise_and_((1 << (32 - by)) - 1))


def _signed(numbers: torch.Tensor) -> torch.Tensor:
    """Return the lowest 32 bits of int64 numbers as int32."""
    return numbers.bitwise_and(0xFFFFFFFF).sub_(numbers.bitwise_and(1 << 31), alpha=2).int()


def uniform_pixels(seeds: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return float32 multiples of 2^-24 uniform in [0, 1), shape ``(len(seeds), *shape)``."""
    return (random_words(seeds, shape, device) >> 8).float().mul_(2.0**-24).add_(0.5)


def normal_pixels(seeds: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return standard normal float32 values, shape ``(len(seeds), *shape)``.

    They are one of 65,536 equally likely quantiles, up to 4.3 standard deviations.
    """
    if on_processor(device):
        from augment.compiled import fields as compiled

        normal = compiled.normal_pixels(seeds, math.prod(shape), _normal_quantiles(device))
        return normal.reshape(len(seeds), *shape)
    return _normal_of(_rank(random_words(seeds, shape, device)))


def poisson_pixels(seeds: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Return Poisson counts of expectations, float32 of shape (B, H, W): the same dtype, shape and device.

    One random word per pixel becomes a count through the quantile function of the Poisson distribution: from
    a table below `NORMAL_FROM`, and above it by the Cornish-Fisher expansion. The distribution function is
    within 4e-4 of Poisson's everywhere. Every pixel takes the same few steps, which `torch.poisson`, a loop
    in each pixel, does not.

    Notes
    -----
    Source: E. A. Cornish and R. A. Fisher, Rev. Inst. Int. Stat. 5, 307 (1937).
    """
    if on_processor(rates):
        from augment.compiled import fields as compiled

        counts = compiled.poisson_pixels(seeds, rates.flatten(1), *poisson_tables(rates.device))
        return counts.reshape(rates.shape)
    return _poisson_of(random_words(seeds, tuple(rates.shape[1:]), rates.device), rates)


def _poisson_of(words: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Return the Poisson count that each word stands for, for its rate."""
    # A rate between two of the table takes one of them, by the bits of the word that are left: the mean
    # stays exact, and the variance grows by less than (1 / 2 / _PER_PHOTON)^2.
    bits = 32 - _CHANCE_BITS
    dither = words.bitwise_and((1 << bits) - 1).float()
    row = dither.mul_(0.5**bits).add_(rates, alpha=_PER_PHOTON).clamp_max_(NORMAL_FROM * _PER_PHOTON).int()
    rank = _rank(words)
    place = row.mul_(1 << _CHANCE_BITS).add_(rank >> (_NORMAL_BITS - _CHANCE_BITS))
    few = _few_photons(rates.device).index_select(0, place.flatten()).reshape(rates.shape).to(rates.dtype)

    z = _normal_of(rank)
    high = rates.clamp_min(NORMAL_FROM)
    # rounding adds the variance 1/12
    spread = (high - 1.0 / 12.0).sqrt_()
    # rate + s z + (z^2 - 1) / 6 + (z - z^3) / (72 s), to the nearest count, never below 0 for such z
    curved = 1.0 - z.square()
    slope = torch.addcdiv(spread, curved, spread, value=1.0 / 72.0)
    many = high.addcmul_(slope, z).sub_(curved, alpha=1.0 / 6.0).round_()
    return few.where(rates < NORMAL_FROM, many)


def poisson_tables(device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the quantiles of few photons and those of normal numbers: uint8 and float32."""
    return _few_photons(device), _normal_quantiles(device)


def _rank(words: torch.Tensor) -> torch.Tensor:
    """Return in which of 2^`_NORMAL_BITS` classes of equal chance words are, from the lowest: int32."""
    return (words >> (32 - _NORMAL_BITS)).add_(1 << (_NORMAL_BITS - 1))


def _normal_of(rank: torch.Tensor) -> torch.Tensor:
    """Return the normal number of each class: float32, the same shape."""
    return _normal_quantiles(rank.device).index_select(0, rank.flatten()).reshape(rank.shape)


@cache
def _normal_quantiles(device: torch.device) -> torch.Tensor:
    """Return the quantiles of equal chances, from their middles: float32, with variance 1."""
    chances = (torch.arange(1 << _NORMAL_BITS, dtype=torch.float64) + 0.5) / (1 << _NORMAL_BITS)
    quantiles: torch.Tensor = torch.special.ndtri(chances)
    return quantiles.div(quantiles.square().mean().sqrt()).float().to(device)


@cache
def _few_photons(device: torch.device) -> torch.Tensor:
    """Return the quantiles of each tabulated rate, row after row: uint8, the middle of each chance's cell."""
    rates = torch.arange(int(NORMAL_FROM * _PER_PHOTON) + 1, dtype=torch.float64)[:, None] / _PER_PHOTON
    n = torch.arange(40, dtype=torch.float64)
    cumulative = (torch.xlogy(n, rates) - rates - torch.lgamma(n + 1.0)).exp().cumsum(1)
    chances = (torch.arange(1 << _CHANCE_BITS, dtype=torch.float64) + 0.5) / (1 << _CHANCE_BITS)
    counts = torch.searchsorted(cumulative, chances.repeat(len(rates), 1))
    return counts.to(torch.uint8).flatten().to(device)
