"""The beam from shifted frames: against a plain search over all shifts, and on real patterns."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES
from invert.centre import over_shifts
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

from .conftest import SMALL, frames_of

EVERYWHERE = np.ones((32, 32), dtype=bool)


def find_beam(
    measured: NDArray[Any], valid: NDArray[Any], simulated: NDArray[Any], lit: NDArray[Any], reach: int
) -> tuple[float, float]:
    """The shift of one image that correlates best."""
    row, column = over_shifts(measured, valid, simulated[None], lit, reach).best()[0]
    return float(row), float(column)


def by_trying(
    measured: NDArray[Any], valid: NDArray[Any], simulated: NDArray[Any], lit: NDArray[Any], reach: int
) -> tuple[int, int]:
    """Correlate over every shift, pixel by pixel."""
    best, where = -2.0, (0, 0)
    pixels = np.argwhere(valid)
    for row in range(-reach, reach + 1):
        for column in range(-reach, reach + 1):
            source = pixels - (row, column)
            inside = np.all((source >= 0) & (source < simulated.shape), axis=1, keepdims=True)[:, 0]
            inside[inside] &= lit[tuple(source[inside].T)]
            if inside.sum() <= 0.25 * len(pixels):
                continue
            a, b = measured[tuple(pixels[inside].T)], simulated[tuple(source[inside].T)]
            value = np.corrcoef(a.astype(float), b.astype(float))[0, 1]
            if value > best:
                best, where = value, (row, column)
    return where


@pytest.mark.parametrize("seed", range(8))
def test_the_best_of_all_shifts(seed: int) -> None:
    generator = np.random.default_rng(seed)
    # smooth noise, so that many shifts correlate; offsets, which must not matter
    first, second = (generator.normal(size=(2, 17, 17)).cumsum(1).cumsum(2) + 50).astype(np.float32)
    valid, lit = generator.random((2, 17, 17)) > 0.3
    assert find_beam(first, valid, second, lit, 6) == by_trying(first, valid, second, lit, 6)


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (0, 3), (-4, 2), (8, -7)])
def test_a_shifted_pattern_gives_its_beam(shift: tuple[int, int]) -> None:
    beam = (float(shift[0]), float(shift[1]))
    particle = ParticleDistribution((40.0, 80.0)).draw(1, range(1))
    large = Simulation(detector=EwaldDetector(52, 2 * PAPER_Q_STEP)).intensity(particle)
    row, column = 10 - shift[0], 10 - shift[1]
    shifted = large[:, row : row + 32, column : column + 32]
    measured, simulated = (
        frames_of(images).grey(FLOOR_DECADES).numpy()[0] for images in (shifted, SMALL.intensity(particle))
    )
    assert find_beam(measured, EVERYWHERE, simulated, EVERYWHERE, 10) == beam
    # contrast and offset are free
    assert find_beam(0.2 * measured + 0.7, EVERYWHERE, simulated, EVERYWHERE, 10) == beam
    hole = EVERYWHERE.copy()
    hole[12:20, 12:20] = False
    for value in (np.nan, 1e30, -1.0):
        spoilt = np.where(hole, measured, np.float32(value))
        assert find_beam(spoilt, hole, simulated, EVERYWHERE, 10) == beam
        assert find_beam(measured, EVERYWHERE, np.where(hole, simulated, np.float32(value)), hole, 10) == beam


def test_no_further_than_allowed() -> None:
    generator = np.random.default_rng(0)
    pattern = generator.normal(size=(32, 32)).astype(np.float32)
    shifted = np.roll(pattern, (5, 0), axis=(0, 1))
    assert find_beam(shifted, EVERYWHERE, pattern, EVERYWHERE, 5) == (5.0, 0.0)
    row, column = find_beam(shifted, EVERYWHERE, pattern, EVERYWHERE, 4)
    assert max(abs(row), abs(column)) <= 4
    assert find_beam(shifted, EVERYWHERE, pattern, EVERYWHERE, 0) == (0.0, 0.0)


def test_a_few_pixels_that_agree_are_not_believed() -> None:
    generator = np.random.default_rng(2)
    pattern = generator.normal(size=(32, 32)).astype(np.float32)
    measured = generator.normal(size=(32, 32)).astype(np.float32)
    measured[:2, :] = pattern[-2:, :]  # a perfect match of two rows, 30 pixels away
    row, column = find_beam(measured, EVERYWHERE, pattern, EVERYWHERE, 31)
    assert (32 - abs(row)) * (32 - abs(column)) > 0.25 * 32**2
    # a reach beyond the image is none beyond it
    assert find_beam(measured, EVERYWHERE, pattern, EVERYWHERE, 40) == (row, column)
