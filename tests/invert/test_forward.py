"""What a frame is compared with: correlation over valid pixels, whatever the contrast and the offset."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import expm

from invert.fitting.forward import (
    COUNTS,
    FEWEST_PIXELS,
    MARGIN,
    SATURATED_PIXELS,
    Beam,
    Candidate,
    ForwardModel,
    log_above_floor,
    standardised,
)
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.errors import ParameterError
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

from .conftest import SMALL, Counter

PIXELS = 32
PARTICLES = ParticleDistribution((40.0, 80.0)).draw(7, range(5))
HEMISPHERE = Simulation(detector=EwaldDetector(PIXELS, 5 * PAPER_Q_STEP))
"""The corners of its detector see no light."""


@pytest.fixture(scope="module")
def grey() -> NDArray[np.float32]:
    """The first particle's pattern, logarithms in [0, 1]."""
    image = np.log1p(1e4 * SMALL.intensity(PARTICLES[:1])[0] / SMALL.intensity(PARTICLES[:1]).max())
    return np.asarray(image / image.max(), dtype=np.float32)


@pytest.fixture(scope="module")
def valid() -> NDArray[np.bool_]:
    """A hole, a gap and a bad pixel."""
    y, x = np.indices((PIXELS, PIXELS)) - PIXELS // 2
    good = (y**2 + x**2 > 9) & (abs(y + 5) > 1)
    good[3, 28] = False
    return good


def misfits(model: ForwardModel, floors: tuple[float, ...] = (4.0,)) -> tuple[NDArray[Any], NDArray[Any]]:
    return model.misfit(PARTICLES.radius, PARTICLES.orientation, floors)


@pytest.mark.parametrize("decades", [1.0, 4.0])
def test_the_misfit_is_one_minus_the_correlation_of_the_logarithms(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], decades: float
) -> None:
    found, floors = misfits(ForwardModel(grey, valid, SMALL, "icosahedron"), (decades,))
    for misfit, intensity in zip(found, SMALL.intensity(PARTICLES).astype(np.float64), strict=True):
        light = intensity[valid]
        logarithm = np.log(light + light.max() * 10**-decades)
        assert misfit == pytest.approx(1 - np.corrcoef(grey[valid], logarithm)[0, 1], abs=1e-5)
    assert (floors == decades).all()


def test_the_best_floor_is_taken(grey: NDArray[np.float32]) -> None:
    model = ForwardModel(grey, np.ones_like(grey, dtype=bool), SMALL, "icosahedron")
    several = (1.0, 2.5, 4.0, 6.0)
    each = np.array([misfits(model, (floor,))[0] for floor in several])
    best, floors = misfits(model, several)
    assert np.array_equal(best, each.min(axis=0))
    assert np.array_equal(floors, np.array(several)[each.argmin(axis=0)])
    assert floors[0] == 4.0  # how the frame was made
    assert best[0] < 1e-5
    assert (best[1:] > 0.05).all()


@pytest.mark.parametrize(("contrast", "offset"), [(0.3, 0.0), (1.0, 0.4), (0.05, 0.9), (17.0, -400.0)])
def test_contrast_and_offset_are_free(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], contrast: float, offset: float
) -> None:
    expected, _ = misfits(ForwardModel(grey, valid, SMALL, "icosahedron"))
    found, _ = misfits(ForwardModel(contrast * grey + offset, valid, SMALL, "icosahedron"))
    assert found == pytest.approx(expected, abs=2e-5)


def test_a_negative_is_no_match(grey: NDArray[np.float32]) -> None:
    found, _ = misfits(ForwardModel(-grey, np.ones_like(grey, dtype=bool), SMALL, "icosahedron"))
    assert found[0] == pytest.approx(2.0, abs=1e-3)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30, -1.0, 0.5])
def test_invalid_pixels_do_not_enter(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], value: float
) -> None:
    expected = ForwardModel(grey, valid, SMALL, "icosahedron")
    spoilt = np.where(valid, grey, np.float32(value))
    model = ForwardModel(spoilt, valid, SMALL, "icosahedron")
    assert np.array_equal(model.measured, expected.measured)
    assert np.array_equal(misfits(model)[0], misfits(expected)[0])


def test_only_compared_pixels_are_simulated(grey: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
    model = ForwardModel(grey, valid, SMALL, "icosahedron")
    intensity = model.intensity(PARTICLES.radius, PARTICLES.orientation)
    whole = SMALL.intensity(PARTICLES)[:, valid]
    assert intensity.shape == (5, valid.sum()) == (5, model.measured.size)
    assert np.allclose(intensity, whole, rtol=1e-5)
    back = model.on_detector(intensity.astype(np.float64))
    assert back.shape == (5, PIXELS, PIXELS)
    assert np.array_equal(back[:, valid], intensity)
    assert (back[:, ~valid] == 0).all()


@pytest.mark.parametrize("simulation", [SMALL, HEMISPHERE], ids=["lit", "dark corners"])
def test_light_is_spread_from_pixels_that_are_not_compared(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], simulation: Simulation
) -> None:
    model = ForwardModel(grey, valid, simulation, "icosahedron", margin=MARGIN)
    found = model.spread(model.intensity(PARTICLES.radius, PARTICLES.orientation), 0.5)
    # the discrete Gaussian is what diffusion makes of a point on a lattice
    diffusion = expm(0.25 * (np.eye(PIXELS, k=1) + np.eye(PIXELS, k=-1) - 2 * np.eye(PIXELS)))
    whole = simulation.intensity(PARTICLES)
    images = model.on_detector(found.astype(np.float64))
    compared = images[0] > 0
    assert compared.sum() == model.measured.size
    for image, pattern in zip(images, whole, strict=True):
        spread = diffusion @ pattern @ diffusion
        np.testing.assert_allclose(image[compared], spread[compared], atol=1e-4 * pattern.max())


def test_a_beam_off_the_centre_is_a_shifted_pattern() -> None:
    shape = (PIXELS, PIXELS)
    ramp = np.arange(PIXELS**2, dtype=np.float32).reshape(shape)
    model = ForwardModel(ramp, np.ones(shape, dtype=bool), SMALL, "icosahedron", reach=4.0)

    def on_detector(model: ForwardModel, beam: Beam | None = None) -> NDArray[np.float64]:
        intensity = model.intensity(PARTICLES.radius, PARTICLES.orientation, beam)
        return model.on_detector(intensity.astype(np.float64))

    centred = on_detector(model)
    shifted = on_detector(model, (3.0, -2.0))
    # what was at pixel (r, c) is seen at (r + 3, c - 2)
    assert np.allclose(shifted[:, 3:, :-2], centred[:, :-3, 2:], rtol=1e-5)
    assert not np.allclose(shifted, centred, rtol=1e-2)


def test_every_pattern_counts(grey: NDArray[np.float32], valid: NDArray[np.bool_], counter: Counter) -> None:
    model = ForwardModel(grey, valid, SMALL, "icosahedron", reach=1.0)
    misfits(model, (1.0, 2.0, 3.0))
    model.intensity(PARTICLES.radius[:2], PARTICLES.orientation[:2], (0.5, 0.0))
    assert model.patterns == counter.patterns == 7
    assert model.around((1.0, 1.0), 2.0).patterns == 0


def test_pixels_that_may_lose_the_light_are_not_compared() -> None:
    shape = (PIXELS, PIXELS)
    ramp = np.arange(PIXELS**2, dtype=np.float32).reshape(shape)
    everywhere = np.ones(shape, dtype=bool)
    model = ForwardModel(ramp, everywhere, HEMISPHERE, "icosahedron")
    around = model.around((2.0, -1.0), 3.0)
    k = HEMISPHERE.optics.wavenumber / (5 * PAPER_Q_STEP)  # in pixels
    y, x = np.indices(shape) - PIXELS // 2
    for tested, centre, reach in ((model, (0, 0), 0), (around, (2, -1), 3)):
        far = np.hypot(abs(y - centre[0]) + reach, abs(x - centre[1]) + reach)
        compared = tested.on_detector(np.ones((1, tested.measured.size)))[0] > 0
        assert np.array_equal(compared, far < k)
    assert around.beam == (2.0, -1.0)
    assert around.reach == 3.0
    # however the beam moves within reach, the same pixels are simulated
    for beam in ((5.0, 2.0), (-1.0, -4.0), (0.3, 1.7)):
        light = around.intensity(PARTICLES.radius, PARTICLES.orientation, beam)
        assert light.shape == (5, around.measured.size)
        assert (light > 0).all()


def compared(grey: NDArray[np.float32]) -> NDArray[np.bool_]:
    model = ForwardModel(grey, np.ones_like(grey, dtype=bool), SMALL, "icosahedron")
    return np.asarray(model.on_detector(np.ones((1, model.measured.size)))[0] > 0)


def test_saturated_pixels_are_left_out(grey: NDArray[np.float32]) -> None:
    level = np.sort(grey.ravel())[-20]
    assert np.array_equal(compared(np.minimum(grey, level)), grey < level)
    assert compared(grey).all()
    for count, kept in ((SATURATED_PIXELS - 1, True), (SATURATED_PIXELS, False)):
        few = np.sort(grey.ravel())[-count]
        assert compared(np.minimum(grey, few)).all() == kept


def test_few_photons_are_not_saturation() -> None:
    for values, kept in ((COUNTS, True), (COUNTS + 1, False)):
        image = np.sort(np.arange(PIXELS**2, dtype=np.float32) % values).reshape(PIXELS, PIXELS)
        assert compared(image).all() == kept


def test_saturation_is_looked_for_among_valid_pixels(grey: NDArray[np.float32]) -> None:
    valid = np.ones_like(grey, dtype=bool)
    valid[14:19, 14:19] = False
    level = np.sort(grey[valid])[-20]
    clipped = np.where(valid, np.minimum(grey, level), 5.0).astype(np.float32)
    model = ForwardModel(clipped, valid, SMALL, "icosahedron")
    assert np.array_equal(model.valid, valid & (grey < level))


def test_too_little_to_compare_is_refused(grey: NDArray[np.float32]) -> None:
    valid = np.zeros(grey.size, dtype=bool)
    for count in (0, 1, FEWEST_PIXELS - 1):
        valid[:count] = True
        with pytest.raises(ParameterError, match="valid pixels") as caught:
            ForwardModel(grey, valid.reshape(grey.shape), SMALL, "icosahedron")
        assert caught.value.field == "frame"
    valid[:FEWEST_PIXELS] = True
    ForwardModel(grey, valid.reshape(grey.shape), SMALL, "icosahedron")


@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_a_constant_frame_is_refused(value: float) -> None:
    image = np.full((PIXELS, PIXELS), value, dtype=np.float32)
    image[0, 0] = 0.7
    valid = image != np.float32(0.7)
    with pytest.raises(ParameterError, match="every valid pixel") as caught:
        ForwardModel(image, valid, SMALL, "icosahedron")
    assert caught.value.field == "frame"


@pytest.mark.parametrize(("beam", "reach"), [((0.0, 1.0), 0.0), ((-1.0, 0.0), 0.0), ((0.0, 0.0), 3.0)])
def test_only_the_exact_solver_moves_the_beam(
    grey: NDArray[np.float32], beam: tuple[float, float], reach: float
) -> None:
    other = Simulation(detector=SMALL.detector, solver="chebyshev")
    everywhere = np.ones_like(grey, dtype=bool)
    with pytest.raises(ParameterError) as caught:
        ForwardModel(grey, everywhere, other, "icosahedron", beam, reach)
    assert caught.value.field == "solver"
    model = ForwardModel(grey, everywhere, other, "icosahedron")
    exact = ForwardModel(grey, everywhere, SMALL, "icosahedron")
    assert misfits(model)[0] == pytest.approx(misfits(exact)[0], abs=1e-3)


def test_the_logarithm_has_its_floor_below_the_maximum_of_each_image() -> None:
    images = np.array([[0.0, 1.0, 100.0], [0.0, 3.0, 3.0], [0.0, 0.0, 0.0]], dtype=np.float32)
    found = log_above_floor(images, 2.0)
    assert found[0] == pytest.approx(np.log([1.0, 2.0, 101.0]), rel=1e-5)
    assert found[1] == pytest.approx(np.log([1.0, 101.0, 101.0]), rel=1e-5)
    assert (found[2] == 0).all()


def test_standardised_images_have_mean_0_and_norm_1() -> None:
    images = np.random.default_rng(1).uniform(3, 4, (6, 50)).astype(np.float32)
    images[2] = 3.5
    result = standardised(images)
    assert result.mean(axis=1) == pytest.approx(np.zeros(6), abs=1e-6)
    assert np.linalg.norm(result, axis=1) == pytest.approx([1, 1, 0, 1, 1, 1], abs=1e-5)


def test_a_candidate_starts_with_the_beam_in_the_centre() -> None:
    assert Candidate(50.0, np.array([1.0, 0, 0, 0]), 3.0).beam == (0.0, 0.0)
