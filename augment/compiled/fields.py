"""Random pixels from seeds: `augment.fields` on a processor."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from numba import float32, uint32

from augment.compiled.parts import COMPILED, INLINED, over_images

BLOCK = 512
"""Pixels whose random words are made before the first of them is used: LLVM vectorises that loop alone."""

LANES = 16
"""Sums of every 16th pixel, side by side: one sum of all would wait for each of its additions."""


def random_words(seeds: torch.Tensor, pixels: int) -> torch.Tensor:
    """Return 32 random bits per pixel: int32, shape (B, pixels), of seeds (B,)."""
    return over_images(_words, (seeds,), (len(seeds), pixels), dtype=torch.int32)


def normal_pixels(seeds: torch.Tensor, pixels: int, quantiles: torch.Tensor) -> torch.Tensor:
    """Return standard normal values: float32, shape (B, pixels), of seeds (B,) and 65,536 quantiles."""
    return over_images(_normal, (seeds,), (len(seeds), pixels), (quantiles,))


def photon_pixels(
    seeds: torch.Tensor,
    images: torch.Tensor,
    photons: torch.Tensor,
    stray: torch.Tensor,
    few: torch.Tensor,
    quantiles: torch.Tensor,
) -> torch.Tensor:
    """Return Poisson counts of images: float32, shape (B, pixels).

    Parameters
    ----------
    seeds
        Shape (B,).
    images
        Linear intensity >= 0: float32, shape (B, pixels).
    photons, stray
        Expected in the whole image, and in each pixel besides: float32, shape (B,).
    few, quantiles
        See `poisson_pixels`.
    """
    return over_images(_photons, (seeds, images, photons, stray), images.shape, (few, quantiles))


def poisson_pixels(
    seeds: torch.Tensor, rates: torch.Tensor, few: torch.Tensor, quantiles: torch.Tensor
) -> torch.Tensor:
    """Return Poisson counts: float32, shape (B, pixels).

    Parameters
    ----------
    seeds
        Shape (B,).
    rates
        Expectations, float32, shape (B, pixels). Where they are negative or not a number, counts are NaN.
    few
        Quantiles of the rates 0, 1/32, ... 10, each of 2048 equal chances, one after another: uint8.
    quantiles
        Of the standard normal distribution: float32, shape (65536,).
    """
    return over_images(_poisson, (seeds, rates), rates.shape, (few, quantiles))


@numba.njit(**INLINED)
def _mixed(word):  # type: ignore[no-untyped-def]
    """`augment.fields._mixed`. Numba computes with 64 bits unless every step is told otherwise."""
    word = uint32(word * uint32(0x21F0AAAD))
    word = uint32(uint32(word ^ uint32(word >> uint32(15))) * uint32(0x735A2D97))
    return uint32(word ^ uint32(word >> uint32(15)))


@numba.njit(**INLINED)
def _folded(word):  # type: ignore[no-untyped-def]
    return uint32(word ^ uint32(word >> uint32(16)))


@numba.njit(**INLINED)
def _start(seed):  # type: ignore[no-untyped-def]
    """What all words of an image have in common."""
    return _folded(_mixed(_folded(uint32(seed))))


@numba.njit(**INLINED)
def _word(start, pixel):  # type: ignore[no-untyped-def]
    return _mixed(uint32(start ^ _folded(uint32(uint32(pixel) * uint32(0x9E3779B9)))))


@numba.njit(**INLINED)
def _rank(word):  # type: ignore[no-untyped-def]
    """Which of 65,536 classes of equal chance a word is in, from the lowest: words count as signed."""
    return uint32(uint32(word >> uint32(16)) ^ uint32(0x8000))


@numba.njit(**COMPILED)
def _words(seeds, words):  # type: ignore[no-untyped-def]
    for image in range(len(seeds)):
        start, own = _start(seeds[image]), words[image]
        for pixel in range(len(own)):
            own[pixel] = _word(start, pixel)


@numba.njit(**COMPILED)
def _normal(seeds, normal, quantiles):  # type: ignore[no-untyped-def]
    for image in range(len(seeds)):
        start, own = _start(seeds[image]), normal[image]
        for pixel in range(len(own)):
            own[pixel] = quantiles[_rank(_word(start, pixel))]


@numba.njit(**INLINED)
def _expanded(rate, z):  # type: ignore[no-untyped-def]
    """The Poisson count at a normal quantile; see `augment.fields.poisson_pixels`."""
    spread = math.sqrt(rate - float32(1.0 / 12.0))
    curved = float32(1.0) - z * z
    slope = spread + float32(1.0 / 72.0) * curved / spread
    return np.rint(rate + slope * z - float32(1.0 / 6.0) * curved)


@numba.njit(**INLINED)
def _place(word, rate):  # type: ignore[no-untyped-def]
    """Where the count of a word stands among the tabulated ones."""
    dither = float32(uint32(word & uint32(0x1FFFFF))) * float32(0.5**21)
    row = uint32(dither + float32(32.0) * rate)  # at most 320, the last, for rates below 10
    return uint32(uint32(row << uint32(11)) + uint32(_rank(word) >> uint32(5)))


@numba.njit(**INLINED)
def _count(seed, light, peak, factor, stray, counts, words, rates, few, quantiles):  # type: ignore[no-untyped-def]
    """Counts of an image's pixels, which are expected to be light / peak * factor + stray."""
    start = _start(seed)
    for first in range(0, len(light), BLOCK):
        block = min(BLOCK, len(light) - first)
        for pixel in range(block):
            words[pixel] = _word(start, first + pixel)
            rates[pixel] = light[first + pixel] / peak * factor + stray
        # tables are read here: numba counts the references to arrays that a function is given
        for pixel in range(block):
            word, rate = words[pixel], rates[pixel]
            if rate >= float32(10.0):
                counts[first + pixel] = _expanded(rate, quantiles[_rank(word)])
            elif rate >= float32(0.0):
                counts[first + pixel] = few[_place(word, rate)]
            else:
                counts[first + pixel] = np.nan


@numba.njit(**COMPILED)
def _poisson(seeds, rates, counts, few, quantiles):  # type: ignore[no-untyped-def]
    words, room = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.float32)
    one, none = float32(1.0), float32(0.0)
    for image in range(len(seeds)):
        _count(seeds[image], rates[image], one, one, none, counts[image], words, room, few, quantiles)


@numba.njit(**COMPILED)
def _photons(seeds, light, photons, stray, counts, few, quantiles):  # type: ignore[no-untyped-def]
    words, room = np.empty(BLOCK, np.uint32), np.empty(BLOCK, np.float32)
    sums = np.empty(LANES)
    for image in range(len(seeds)):
        own = light[image]
        # bit patterns of numbers >= 0 are in their order, and LLVM vectorises the largest of integers alone
        bits = np.int32(0)
        for pixel in range(len(own)):
            bits = max(bits, np.float32(own[pixel]).view(np.int32))
        peak = np.int32(bits).view(np.float32) if bits > 0 else float32(1.0)
        sums[:] = 0.0
        whole = len(own) // LANES * LANES
        for first in range(0, whole, LANES):
            for lane in range(LANES):
                sums[lane] += own[first + lane]
        for pixel in range(whole, len(own)):
            sums[0] += own[pixel]
        factor = photons[image] / max(float32(sums.sum() / peak), float32(1.0))
        _count(seeds[image], own, peak, factor, stray[image], counts[image], words, room, few, quantiles)
