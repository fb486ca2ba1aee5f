"""Random pixels: the words against plain integers, and how their values and pairs are distributed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats

from augment.fields import draw_seeds, normal_pixels, random_words, uniform_pixels

torch.set_num_threads(1)

CPU = torch.device("cpu")
SEEDS = torch.tensor([0, 1, 2, 3, 4, 5, 2**31, 2**32 - 1])


def mixed(word: int) -> int:
    """The mixing function on unsigned integers of any size."""
    for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
        word = (word ^ (word >> shift)) * factor % 2**32
    return word ^ (word >> 15)


def test_words_are_those_of_unsigned_arithmetic() -> None:
    words = random_words(SEEDS, (13, 17), CPU)
    assert words.dtype == torch.int32
    for seed, found in zip(SEEDS.tolist(), words.flatten(1).tolist(), strict=True):
        expected = [mixed(mixed(seed) ^ (pixel * 0x9E3779B9 % 2**32)) for pixel in range(13 * 17)]
        assert [word % 2**32 for word in found] == expected


def test_a_pixel_depends_on_its_number_and_seed_alone() -> None:
    large = uniform_pixels(SEEDS, (50, 40), CPU)
    assert torch.equal(uniform_pixels(SEEDS[3:5], (10, 40), CPU), large[3:5, :10])
    assert torch.equal(uniform_pixels(SEEDS, (10, 8), CPU).flatten(1), large.flatten(1)[:, :80])


def test_every_bit_is_set_half_the_time_whatever_the_others_are() -> None:
    words = random_words(SEEDS, (300, 300), CPU).flatten().numpy().view(np.uint32)
    bits = ((words[:, None] >> np.arange(32, dtype=np.uint32)) & 1).astype(np.float64) * 2 - 1
    number = len(words)
    products = bits.T @ bits / number  # the mean of each pair's product; of each bit itself, below
    limit = 4.5 / math.sqrt(number)  # of 528 numbers
    assert np.abs(products - np.eye(32)).max() < limit
    assert np.abs(bits.mean(axis=0)).max() < limit


def test_uniform_pixels_are_uniform_and_below_one() -> None:
    pixels = uniform_pixels(SEEDS, (200, 200), CPU)
    assert float(pixels.min()) >= 0.0
    assert float(pixels.max()) < 1.0
    for image in pixels:
        assert stats.kstest(image.flatten().numpy(), stats.uniform().cdf).pvalue > 1e-3


@pytest.mark.parametrize("pair", ["columns", "rows", "seeds", "64 pixels away"])
def test_pairs_fill_the_square_evenly(pair: str) -> None:
    pixels = uniform_pixels(torch.arange(40), (128, 128), CPU)
    one, other = {
        "columns": (pixels[:, :, :-1:2], pixels[:, :, 1::2]),
        "rows": (pixels[:, :-1:2], pixels[:, 1::2]),
        "seeds": (pixels[:-1:2], pixels[1::2]),
        "64 pixels away": (pixels[:, :, :64], pixels[:, :, 64:]),
    }[pair]
    cells = (one * 32).long() * 32 + (other * 32).long()
    assert stats.chisquare(np.bincount(cells.flatten(), minlength=1024)).pvalue > 1e-3


def test_normal_pixels_are_normal() -> None:
    pixels = normal_pixels(SEEDS, (250, 250), CPU).double().flatten(1)
    for image in pixels:
        assert stats.kstest(image.numpy(), stats.norm().cdf).pvalue > 1e-3
    values = pixels.flatten()
    number = len(values)
    assert abs(float(values.mean())) < 4 / math.sqrt(number)
    assert float(values.square().mean()) == pytest.approx(1.0, abs=4 * math.sqrt(2 / number))
    assert float((values**4).mean()) == pytest.approx(3.0, abs=4 * math.sqrt(96 / number))
    assert abs(float(values[1:] @ values[:-1]) / number) < 4 / math.sqrt(number)


def test_neighbouring_seeds_are_drawn_rarely_and_any_may_be() -> None:
    seeds = draw_seeds(4000, torch.Generator().manual_seed(3))
    assert len(set(seeds.tolist())) == 4000
    assert stats.kstest(seeds.double().numpy() / 2**32, stats.uniform().cdf).pvalue > 0.01
