"""Candidates roll back to the particle that made the frame, and say how far off they may still be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.spatial.transform import Rotation

from augment.scaling import FLOOR_DECADES
from invert.fitting import polish as polishing
from invert.fitting.forward import Beam, Candidate, ForwardModel
from invert.fitting.polish import FLOORS, polish, turned
from msft.detector import PAPER_Q_STEP, EwaldDetector, ScatteringVectors
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation

from .conftest import SMALL, Counter, degrees_off, frames_of, photons

RANGE = (30.0, 90.0)
PARTICLES = ParticleDistribution((40.0, 80.0)).draw(3, range(30))
EVERYWHERE = np.ones((32, 32), dtype=bool)


def model_of(image: NDArray[Any], reach: float = 0.0, valid: NDArray[np.bool_] = EVERYWHERE) -> ForwardModel:
    grey = frames_of(image[None], valid=valid[None]).grey(FLOOR_DECADES).numpy()[0]
    return ForwardModel(grey, valid, SMALL, "icosahedron", reach=reach)


def beside(row: int, degrees: tuple[float, float, float], nanometres: float, floor: float = 3.0) -> Candidate:
    """A particle of `PARTICLES`, turned about each axis of the lab and grown."""
    orientation = turned(PARTICLES.orientation[row : row + 1], np.radians([degrees]))[0]
    return Candidate(float(PARTICLES.radius[row]) + nanometres, orientation, floor)


@pytest.mark.parametrize("degrees", [0.0, 1e-4, 3.0, 100.0, 180.0])
def test_turning_is_a_rotation_about_an_axis_of_the_lab(degrees: float) -> None:
    axes = np.random.default_rng(1).normal(size=(20, 3))
    rotations = np.radians(degrees) * axes / np.linalg.norm(axes, axis=1, keepdims=True)
    orientation = PARTICLES.orientation[:20]
    found = turned(orientation, rotations)
    first = Rotation.from_quat(orientation[:, [1, 2, 3, 0]])
    expected = (Rotation.from_rotvec(rotations) * first).as_matrix()
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(20))
    assert np.allclose(Rotation.from_quat(found[:, [1, 2, 3, 0]]).as_matrix(), expected, atol=1e-12)


def test_clean_patterns_are_found_back_to_the_target_from_a_wrong_start() -> None:
    intensity = SMALL.intensity(PARTICLES[:12])
    for row in range(12):
        model = model_of(intensity[row])
        start = beside(row, (1.5, -1.0, 0.8), 1.5)
        before = model.misfit(np.array([start.radius]), start.orientation[None], (start.floor,))[0][0]
        result = polish(model, start, RANGE)
        assert degrees_off(result.candidate.orientation, PARTICLES.orientation[row]) < 0.05
        assert abs(result.candidate.radius - PARTICLES.radius[row]) < 0.05
        assert result.candidate.floor == pytest.approx(FLOOR_DECADES, abs=0.05)
        assert 0 <= result.misfit < 1e-5 < before
        assert result.candidate.beam == (0.0, 0.0)
        assert model.patterns <= 200


def test_the_misfit_belongs_to_the_candidate_and_is_not_above_the_starts() -> None:
    noisy = photons(SMALL.intensity(PARTICLES[:6]), 1e4, np.random.default_rng(5))
    for row in range(6):
        model = model_of(noisy[row])
        start = beside(row, (8.0, 4.0, -6.0), -4.0, 2.0)
        result = polish(model, start, RANGE)
        found, first = (
            model.misfit(np.array([c.radius]), c.orientation[None], (c.floor,))[0][0]
            for c in (result.candidate, start)
        )
        assert result.misfit == pytest.approx(found, abs=1e-6)
        assert found < first


def test_no_step_leads_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """With derivatives of the wrong sign every step fails: shorter ones are tried, then the start is kept."""
    noisy = photons(SMALL.intensity(PARTICLES[:1]), 1e4, np.random.default_rng(6))[0]
    start = beside(0, (2.0, 1.0, -1.0), 2.0)
    right = polishing._slopes
    monkeypatch.setattr(polishing, "_slopes", lambda *given: -right(*given))
    model = model_of(noisy)
    first = model.misfit(np.array([start.radius]), start.orientation[None], (start.floor,))[0][0]
    result = polish(model, start, RANGE, 2000, 1000)
    assert result.candidate is start
    assert result.misfit == pytest.approx(first, abs=1e-6)
    assert model.patterns < 30


@pytest.mark.parametrize("offset", [(2, -1), (-2, 0), (0, 2)])
def test_a_shifted_frame_gives_the_beam_and_the_same_particle(offset: tuple[int, int]) -> None:
    # cut from a larger pattern: nothing of the shift is computed by what is tested
    large = Simulation(detector=EwaldDetector(40, 2 * PAPER_Q_STEP)).intensity(PARTICLES[:3])
    row, column = 4 - offset[0], 4 - offset[1]
    for index, image in enumerate(large[:, row : row + 32, column : column + 32]):
        result = polish(model_of(image, reach=3.0), beside(index, (0.4, 0.3, -0.4), 0.5), RANGE)
        assert result.candidate.beam == pytest.approx(offset, abs=0.01)
        assert degrees_off(result.candidate.orientation, PARTICLES.orientation[index]) < 0.05
        assert abs(result.candidate.radius - PARTICLES.radius[index]) < 0.05


def test_fractions_of_a_pixel_are_found() -> None:
    beam: Beam = (0.37, -0.81)
    vectors = SMALL.scattering_vectors(beam)
    image = SMALL.intensity_at(PARTICLES[:1], vectors).reshape(32, 32)
    result = polish(model_of(image, reach=2.0), beside(0, (0.3, 0.0, 0.3), 0.5), RANGE)
    assert result.candidate.beam == pytest.approx(beam, abs=0.01)


def test_the_beam_keeps_within_reach() -> None:
    large = Simulation(detector=EwaldDetector(40, 2 * PAPER_Q_STEP)).intensity(PARTICLES[:1])[0]
    image = large[1:33, 6:38]  # the beam is 3 px below and 2 px left of the centre
    beam = polish(model_of(image, reach=1.0), beside(0, (0, 0, 0), 0), RANGE).candidate.beam
    assert abs(np.array(beam)).max() <= 1.0
    assert beam[0] > 0.5  # and went there as far as it may
    fixed = polish(model_of(image), beside(0, (0, 0, 0), 0), RANGE)
    assert fixed.candidate.beam == (0.0, 0.0)


def test_the_radius_keeps_within_its_range() -> None:
    model = model_of(SMALL.intensity(PARTICLES[:1])[0])
    true = float(PARTICLES.radius[0])
    for low, high in ((true + 1, true + 10), (true - 10, true - 1)):
        middle = (low + high) / 2
        result = polish(model, beside(0, (0.5, 0, 0), middle - true), (low, high))
        assert low <= result.candidate.radius <= high
        assert abs(result.candidate.radius - true) == pytest.approx(1.0, abs=0.3)


def test_the_floor_keeps_within_its_range() -> None:
    light = SMALL.intensity(PARTICLES[:1])
    # a frame in linear scale: a floor so high that the logarithm is a line
    grey = frames_of(light / light.max(), "log").grey(FLOOR_DECADES).numpy()[0]
    model = ForwardModel(grey, EVERYWHERE, SMALL, "icosahedron")
    result = polish(model, beside(0, (1, -1, 1), 1, 0.7), RANGE)
    assert result.candidate.floor == FLOORS[0]
    assert degrees_off(result.candidate.orientation, PARTICLES.orientation[0]) < 1


@pytest.mark.parametrize("reach", [0.0, 2.0])
@pytest.mark.parametrize("patterns", [15, 30, 60])
def test_no_more_patterns_than_allowed(counter: Counter, reach: float, patterns: int) -> None:
    model = model_of(SMALL.intensity(PARTICLES[:1])[0], reach)
    counter.reset()
    polish(model, beside(0, (6.0, -5.0, 4.0), 6.0), RANGE, patterns)
    assert model.patterns == counter.patterns
    assert patterns // 2 < counter.patterns <= patterns


def test_without_iterations_the_start_stays_and_has_an_uncertainty() -> None:
    noisy = photons(SMALL.intensity(PARTICLES[:1]), 1e5, np.random.default_rng(2))[0]
    start = beside(0, (0.2, 0.1, 0.0), 0.1)
    result = polish(model_of(noisy), start, RANGE, iterations=0)
    assert result.candidate is start
    assert 0 < result.radius_sigma < 1
    assert 0 < result.orientation_sigma < 0.1


@pytest.fixture(scope="module")
def errors_and_sigmas() -> dict[float, NDArray[np.float64]]:
    """By photons an image: errors and uncertainties of 30 polished frames, shape (4, 30).

    Errors of the radius in nm, and of the orientation in rad about each axis (a third of its square); then
    the uncertainties of both.
    """
    found = {}
    for count in (1e5, 1e6, 1e7):
        generator = np.random.default_rng(0)
        noisy = photons(SMALL.intensity(PARTICLES), count, generator)
        rows = []
        for row, image in enumerate(noisy):
            result = polish(model_of(image), beside(row, (0.3, -0.3, 0.3), 0.3), RANGE)
            angle = np.radians(degrees_off(result.candidate.orientation, PARTICLES.orientation[row]))
            error = abs(result.candidate.radius - PARTICLES.radius[row])
            rows.append([error, angle / np.sqrt(3), result.radius_sigma, result.orientation_sigma])
        found[count] = np.array(rows).T
    return found


@pytest.mark.parametrize("count", [1e5, 1e6, 1e7])
def test_uncertainties_are_as_large_as_the_errors(
    errors_and_sigmas: dict[float, NDArray[np.float64]], count: float
) -> None:
    """The root mean square of error / sigma, 1 for perfect uncertainties.

    From 30 frames it is known to 13 %. A logarithm of few photons is neither linear nor of equal noise in
    all pixels, which the sigma, linear, takes in part only: half as much again is granted for that. The
    median, 0.67 for normal errors and 0.89 for the three of an orientation, sees what a few outliers hide.
    """
    radius, orientation, radius_sigma, orientation_sigma = errors_and_sigmas[count]
    for ratio in (radius / radius_sigma, orientation / orientation_sigma):
        assert 0.8 < np.sqrt(np.mean(ratio**2)) < 1.8
        assert 0.3 < np.median(ratio) < 1.4


def test_noise_that_is_alike_in_neighbours_makes_them_larger() -> None:
    """Noise blurred over pixels, as speckle: 900 pixels are no longer 900 measurements."""
    generator = np.random.default_rng(8)
    clean = frames_of(SMALL.intensity(PARTICLES)).grey(FLOOR_DECADES).numpy()
    ratios = []
    for row, grey in enumerate(clean):
        noise = gaussian_filter(generator.normal(size=grey.shape), 1.5, mode="wrap")
        model = ForwardModel(
            (grey + 0.03 * noise / noise.std()).astype(np.float32), EVERYWHERE, SMALL, "icosahedron"
        )
        result = polish(model, beside(row, (0.3, -0.3, 0.3), 0.3), RANGE)
        angle = np.radians(degrees_off(result.candidate.orientation, PARTICLES.orientation[row]))
        error = abs(result.candidate.radius - PARTICLES.radius[row])
        ratios.append([error / result.radius_sigma, angle / np.sqrt(3) / result.orientation_sigma])
    rms = np.sqrt(np.mean(np.square(ratios), axis=0))
    assert ((rms > 0.6) & (rms < 2.0)).all(), rms


def test_uncertainties_shrink_with_the_root_of_the_photons(
    errors_and_sigmas: dict[float, NDArray[np.float64]],
) -> None:
    # ten times the light: sqrt(10) = 3.2, once most pixels have photons to count
    few, many = errors_and_sigmas[1e6], errors_and_sigmas[1e7]
    for row in (2, 3):
        assert np.median(few[row] / many[row]) == pytest.approx(np.sqrt(10), rel=0.3)
        assert (errors_and_sigmas[1e5][row] > few[row]).all()


class Turnless(Simulation):
    """Simulates every particle upright: no orientation can be told from it."""

    def intensity_at(self, particles: Particles, vectors: ScatteringVectors) -> NDArray[np.float32]:
        upright = np.tile([1.0, 0, 0, 0], (len(particles), 1))
        return super().intensity_at(Particles(particles.radius, upright), vectors)


def test_what_the_misfit_does_not_depend_on_is_infinitely_uncertain() -> None:
    simulation = Turnless(detector=SMALL.detector)
    image = model_of(SMALL.intensity(Particles(60.0, [1.0, 0, 0, 0]))[0]).grey
    model = ForwardModel(image, EVERYWHERE, simulation, "icosahedron")
    result = polish(model, Candidate(61.0, PARTICLES.orientation[0], 4.0), RANGE)
    assert result.orientation_sigma == np.inf
    assert result.candidate.radius == pytest.approx(60.0, abs=0.05)
