"""The detector's response: point spread, uneven sensitivity and noise, told apart from the particle."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from augment import experiment
from augment.scaling import FLOOR_DECADES
from invert.fitting.comparison import Comparison
from invert.fitting.forward import Candidate, ForwardModel, point_spread
from invert.fitting.polish import Polished, polish, turned
from invert.fitting.response import settle
from invert.uncertainty import ANGLE
from msft.dataset import missing_pixels
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

from .conftest import degrees_off, frames_of, photons

RANGE = (25.0, 95.0)
LARGE = Simulation()
PARTICLES = ParticleDistribution((50.0, 90.0)).draw(4, range(4))
ROWS, COLUMNS = np.mgrid[-64:64, -64:64]
WINDOW = (abs(ROWS) < 30) & (abs(COLUMNS) < 36) & (np.hypot(ROWS, COLUMNS) > 5)


def recorded(
    row: int, variance: float = 0.0, spots: float = 0.0, number: float = 1e6, seed: int = 1
) -> NDArray[np.float32]:
    """Photons of a pattern that was spread over pixels of uneven sensitivity."""
    light = LARGE.intensity(PARTICLES[row : row + 1])[0].astype(np.float64)
    if variance:
        light = gaussian_filter(light, np.sqrt(variance))
    light *= 1 - spots * np.exp(-((ROWS - 12) ** 2 + (COLUMNS + 20) ** 2) / (2 * 12.0**2))
    return np.asarray(photons(light[None], number, np.random.default_rng(seed))[0])


def model_of(image: NDArray[np.float32], scale: str = "linear") -> ForwardModel:
    grey = frames_of(image[None], scale, WINDOW[None]).grey(FLOOR_DECADES).numpy()[0]
    return ForwardModel(grey, WINDOW, LARGE, "icosahedron", reach=1.0)


def both(
    image: NDArray[np.float32], row: int, scale: str = "linear"
) -> tuple[Polished, Polished, ForwardModel]:
    """The answer without and with a free response."""
    model = model_of(image, scale)
    orientation = turned(PARTICLES.orientation[row : row + 1], np.radians([[1.0, -0.5, 0.5]]))[0]
    first = polish(model, Candidate(float(PARTICLES.radius[row]) + 1.0, orientation, 4.0), RANGE)
    return first, settle(model, [first], RANGE)[0], model


def off(answer: Polished, row: int) -> tuple[float, float]:
    """Errors in degrees and nm."""
    found = answer.candidate
    degrees = float(degrees_off(found.orientation, PARTICLES.orientation[row]))
    return degrees, float(abs(found.radius - PARTICLES.radius[row]))


def test_the_point_spread_has_its_variance_and_adds_up() -> None:
    point = np.zeros((1, 41, 41), dtype=np.float32)
    point[0, 20, 20] = 1.0
    spread = point_spread(point, 0.7, 12)
    away = np.arange(41) - 20.0
    for axis in (0, 1):
        profile = spread[0].sum(axis=axis)
        assert profile.sum() == pytest.approx(1.0, abs=1e-5)
        assert profile @ away == pytest.approx(0.0, abs=1e-5)
        assert profile @ away**2 == pytest.approx(0.7, abs=1e-5)
    np.testing.assert_array_equal(point_spread(point, 0.0, 4), point)
    np.testing.assert_allclose(point_spread(spread, 0.5, 12), point_spread(point, 1.2, 12), atol=1e-6)


def test_fields_do_not_count_and_heavy_pixels_do() -> None:
    generator = np.random.default_rng(3)
    image, other = generator.random((2, 300))
    fields = np.column_stack([np.ones(300), np.linspace(-1, 1, 300)])
    weight = generator.uniform(0.5, 2.0, 300)
    compare = Comparison.of(weight, fields)
    np.testing.assert_allclose(compare(3.0 * image + fields @ [2.0, -5.0]), compare(image), atol=1e-12)
    assert np.linalg.norm(compare(image)) == pytest.approx(1.0)
    # numpy's weighted correlation, of what weighted least squares leave
    left = [
        one - fields @ np.linalg.lstsq(fields * weight[:, None], one * weight)[0] for one in (image, other)
    ]
    expected = (weight**2 * left[0]) @ left[1] / np.sqrt(((weight * left[0]) ** 2).sum())
    expected /= np.sqrt(((weight * left[1]) ** 2).sum())
    assert compare(image) @ compare(other) == pytest.approx(expected)
    plain = Comparison.plain(300)
    assert plain(image) @ plain(other) == pytest.approx(np.corrcoef(image, other)[0, 1])


def test_the_width_of_the_point_spread_is_found() -> None:
    for row, variance in enumerate((0.25, 0.64, 1.44)):
        _, settled, _ = both(recorded(row, variance, number=1e7), row)
        assert settled.candidate.blur == pytest.approx(variance, abs=0.05)


def test_what_a_detector_does_no_longer_moves_the_particle() -> None:
    before, after = [], []
    for row in range(len(PARTICLES)):
        first, settled, _ = both(recorded(row, 0.8, 0.7, number=1e7), row)
        before.append(off(first, row))
        after.append(off(settled, row))
        assert settled.misfit < first.misfit
    assert (np.median(after, axis=0) < 0.5 * np.median(before, axis=0)).all()


def test_pixels_weigh_by_the_noise_that_their_brightness_has() -> None:
    generator = np.random.default_rng(7)
    before, after = [], []
    for row in range(len(PARTICLES)):
        log = np.log10(LARGE.intensity(PARTICLES[row : row + 1])[0] + 1e4)
        grey = np.interp(log, (log[WINDOW].min(), log[WINDOW].max()), (0.0, 1.0))
        noisy = grey + 0.3 * 10.0 ** (-3 * grey) * generator.standard_normal(grey.shape)
        first, settled, _ = both(noisy.astype(np.float32), row, "log")
        before.append(off(first, row))
        after.append(off(settled, row))
    assert (np.median(after, axis=0) < 0.4 * np.median(before, axis=0)).all()


def test_a_clean_pattern_is_left_alone_and_patterns_are_counted() -> None:
    light = LARGE.intensity(PARTICLES[:1])[0]
    first, settled, model = both(light, 0)
    assert settled is first
    counted = model.patterns
    again = model_of(recorded(0, 0.5))
    settle(again, [replace(first, misfit=0.1)], RANGE, 40)
    assert 20 < again.patterns <= 40
    assert model.patterns == counted


def test_what_a_round_begins_with_is_simulated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    model, through = model_of(recorded(0, 0.5)), ForwardModel.intensity
    first = polish(model, Candidate(float(PARTICLES.radius[0]), PARTICLES.orientation[0], 4.0), RANGE)
    asked: list[tuple[object, ...]] = []

    def intensity(
        self: ForwardModel, radius: NDArray[np.float64], orientation: NDArray[np.float64], *beam: object
    ) -> NDArray[np.float32]:
        asked.extend((float(r), *q.tolist(), *beam) for r, q in zip(radius, orientation, strict=True))
        return through(self, radius, orientation, *beam)  # type: ignore[arg-type]

    monkeypatch.setattr(ForwardModel, "intensity", intensity)
    settle(model, [replace(first, misfit=0.1)], RANGE, 60)
    assert len(asked) > 20
    assert asked.count(asked[0]) == 1


def test_masked_pixels_have_no_influence_bit_for_bit() -> None:
    image = recorded(1, 0.6, 0.5)
    changed = np.where(WINDOW, image, 1e9 * np.random.default_rng(8).random(image.shape)).astype(np.float32)
    answers = [both(one, 1)[1] for one in (image, changed)]
    assert answers[0].candidate.radius == answers[1].candidate.radius
    np.testing.assert_array_equal(answers[0].candidate.orientation, answers[1].candidate.orientation)
    assert answers[0].candidate.blur == answers[1].candidate.blur


@pytest.mark.slow
def test_intervals_hold_as_many_errors_as_they_say_on_frames_of_a_detector() -> None:
    """68 % of 60, within three standard deviations; of what the residuals alone tell, 30 and 40 %."""
    count = 60
    particles = ParticleDistribution().draw(6, range(count))
    images, drawn = experiment()(
        torch.from_numpy(LARGE.intensity(particles)), torch.Generator().manual_seed(6)
    )
    valid = drawn.measured((128, 128), torch.from_numpy(missing_pixels(LARGE) == 0)).numpy()
    turns = np.radians(np.random.default_rng(6).normal(0, 0.4, (count, 3)))
    within = []
    for row in range(count):
        model = ForwardModel(images[row].numpy(), valid[row], LARGE, "icosahedron", reach=3.0)
        start = turned(particles.orientation[row : row + 1], turns[row : row + 1])[0]
        first = polish(model, Candidate(float(particles.radius[row]) + 0.2, start, 3.0), (25.0, 165.0))
        answer = settle(model, [first], (25.0, 165.0))[0]
        angle = np.radians(degrees_off(answer.candidate.orientation, particles.orientation[row]))
        error = abs(answer.candidate.radius - particles.radius[row])
        within.append((angle <= ANGLE * answer.orientation_sigma, error <= answer.radius_sigma))
    share = np.mean(within, axis=0)
    assert (abs(share - 0.68) < 0.18).all(), share
