"""Estimates that are a little wrong become right, within a budget of patterns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from invert.estimate import FLAGS, Alternatives, Estimates, Inversion
from invert.fitting.beam import locate_beams
from invert.fitting.forward import ForwardModel
from invert.fitting.polish import turned
from invert.fitting.refine import Refinement, refine
from invert.frames import Frames
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.errors import ParameterError
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation

from .conftest import SMALL, Counter, degrees_off, frames_of, photons

RANGE = (30.0, 90.0)
PARTICLES = ParticleDistribution((35.0, 85.0)).draw(21, range(8))
LARGE = Simulation(detector=EwaldDetector(52, 2 * PAPER_Q_STEP))
Y, X = np.indices((32, 32)) - 16


def near(
    truth: Particles, degrees: float = 1.5, nanometres: float = 1.0, seed: int = 0, used: int = 1
) -> Estimates:
    """Estimates of a network that is wrong by about so much."""
    count = len(truth)
    generator = np.random.default_rng(seed)
    spread = generator.normal(size=(count, 3)) * np.radians(degrees)
    radius = truth.radius + generator.normal(size=count) * nanometres
    return Estimates(
        Particles(radius, turned(truth.orientation, spread)),
        np.full(count, nanometres),
        np.full(count, np.radians(degrees)),
        np.full(count, 0.9),
        np.zeros((count, 2)),
        Alternatives.none(count),
        np.zeros(count, dtype=np.uint32),
        np.full(count, used, dtype=np.int64),
        np.arange(count, dtype=np.int64),
    )


def cut(particles: Particles, row: int, column: int) -> NDArray[np.float32]:
    """Patterns whose beam is so many pixels below and right of the centre."""
    return LARGE.intensity(particles)[:, 10 - row : 42 - row, 10 - column : 42 - column]


def found(inversion: Inversion) -> tuple[Any, ...]:
    estimates = inversion.estimates
    return (
        *(estimates.particles.radius, estimates.particles.orientation, estimates.radius_sigma),
        *(estimates.orientation_sigma, estimates.agreement, estimates.beam, estimates.flags),
        *(estimates.patterns_used, inversion.resimulated, inversion.valid),
    )


def assert_same(first: Inversion, second: Inversion, rows: slice = slice(None)) -> None:
    for a, b in zip(found(first), found(second), strict=True):
        assert np.array_equal(a, b[rows], equal_nan=True)


def test_clean_patterns_reach_the_target_within_200_patterns() -> None:
    inversion = refine(near(PARTICLES), frames_of(SMALL.intensity(PARTICLES)), SMALL, Refinement(RANGE))
    estimates = inversion.estimates
    assert degrees_off(estimates.particles.orientation, PARTICLES.orientation).max() <= 0.05
    assert abs(estimates.particles.radius - PARTICLES.radius).max() <= 0.05
    assert (estimates.agreement > 0.9999).all()
    assert (estimates.patterns_used <= 200).all()
    assert (estimates.flags == 0).all()
    assert abs(estimates.beam).max() < 0.01


@pytest.mark.slow
def test_every_radius_of_the_paper_reaches_the_target_within_200_patterns() -> None:
    whole = Simulation()
    truth = Particles(np.linspace(30, 160, 14), ParticleDistribution().draw(5, range(14)).orientation)
    start = near(truth, 1.5, 1.5)
    estimates = refine(start, frames_of(whole.intensity(truth)), whole, Refinement((25.0, 165.0))).estimates
    assert degrees_off(estimates.particles.orientation, truth.orientation).max() <= 0.05
    assert abs(estimates.particles.radius - truth.radius).max() <= 0.05
    assert (estimates.patterns_used <= 200).all()


def test_noise_leaves_errors_far_below_the_estimates() -> None:
    noisy = photons(SMALL.intensity(PARTICLES), 1e6, np.random.default_rng(0))
    start = near(PARTICLES)
    after = refine(start, frames_of(noisy), SMALL, Refinement(RANGE)).estimates.particles
    before = degrees_off(start.particles.orientation, PARTICLES.orientation)
    assert np.median(degrees_off(after.orientation, PARTICLES.orientation)) < np.median(before) / 5
    off = np.median(abs(after.radius - PARTICLES.radius))
    assert off < np.median(abs(start.particles.radius - PARTICLES.radius)) / 5


@pytest.mark.parametrize("offset", [(7, -4), (-9, 9), (0, 6)])
def test_the_beam_of_shifted_frames_is_found(offset: tuple[int, int]) -> None:
    truth = PARTICLES[:3]
    inversion = refine(near(truth), frames_of(cut(truth, *offset)), SMALL, Refinement(RANGE))
    estimates = inversion.estimates
    assert inversion.resimulated == pytest.approx(inversion.measured, abs=5e-3)
    assert estimates.beam == pytest.approx(np.tile(offset, (3, 1)), abs=0.02)
    assert degrees_off(estimates.particles.orientation, truth.orientation).max() < 0.05
    assert abs(estimates.particles.radius - truth.radius).max() < 0.05


def test_radii_across_the_range_lead_away_from_no_good_estimate() -> None:
    """Off the middle, a small particle without fringes agrees better with a frame than the right one."""
    for seed, offset in enumerate([(2, -2), (-3, 1)]):
        truth = ParticleDistribution((35.0, 85.0)).draw(30 + seed, range(8))
        frames = frames_of(photons(cut(truth, *offset), 3e4, np.random.default_rng(seed)))
        estimates = refine(near(truth, 0.5, 0.3), frames, SMALL, Refinement(RANGE)).estimates
        assert abs(estimates.particles.radius - truth.radius).max() < 0.6
        assert estimates.beam == pytest.approx(np.tile(offset, (8, 1)), abs=0.3)


def spread(truth: Particles, seed: int) -> Frames:
    """Frames of which a window is measured, their light spread as far as a detector may spread it."""
    images = gaussian_filter(cut(truth, 1, 2), (0, 1.2, 1.2))
    window = (abs(X - 1) < 9) & (abs(Y - 2) < 9)
    return frames_of(photons(images, 1e6, np.random.default_rng(seed)), valid=window)


@pytest.mark.parametrize("free_beam", [False, True])
def test_spread_light_leads_to_no_small_particle(free_beam: bool) -> None:
    """Its pattern without fringes is more like one whose fringes are washed out than the right one is."""
    truth = ParticleDistribution((76.0, 88.0)).draw(60, range(8))
    frames = spread(truth, 0)
    if not free_beam:
        frames = replace(frames, images=np.roll(frames.images, (-1, -2), (1, 2)))
        frames = replace(frames, valid=np.roll(frames.valid, (-1, -2), (1, 2)))
    refinement = Refinement(RANGE, free_beam=free_beam)
    estimates = refine(near(truth, 0.5, 1.0), frames, SMALL, refinement).estimates
    assert abs(estimates.particles.radius - truth.radius).max() < 3
    assert degrees_off(estimates.particles.orientation, truth.orientation).max() < 3


def test_radii_across_the_range_find_the_right_one_in_place_of_a_wrong_estimate() -> None:
    truth = PARTICLES[:4]
    wrong = near(replace(truth, radius=truth.radius + 14), 0.5, 0.3)
    frames = frames_of(cut(truth, 1, -1))
    found, alone = (
        refine(wrong, frames, SMALL, Refinement(RANGE, radii=radii)).estimates.particles.radius
        for radii in (20, 0)
    )
    assert abs(found - truth.radius).max() < 0.05 < 3 < abs(alone - truth.radius).max()


def test_a_fixed_beam_stays_in_the_centre() -> None:
    truth = PARTICLES[:2]
    fixed = Refinement(RANGE, free_beam=False)
    estimates = refine(near(truth), frames_of(cut(truth, 2, 1)), SMALL, fixed).estimates
    assert (estimates.beam == 0).all()
    free = refine(near(truth), frames_of(cut(truth, 2, 1)), SMALL, Refinement(RANGE)).estimates
    assert (free.agreement > estimates.agreement).all()


def test_the_beam_is_located_with_a_particle_that_is_nearly_right() -> None:
    truth = PARTICLES[:4]
    for row, image in enumerate(frames_of(cut(truth, -6, 5)).grey(5.0).numpy()):
        valid = Y**2 + (X - 3) ** 2 > 4**2
        model = ForwardModel(np.where(valid, image, np.float32(1e6)), valid, SMALL, "icosahedron")
        found = locate_beams(model, near(truth).particles, 12)
        assert found.beams[row].tolist() == [-6, 5]
        assert found.agreement[row] == found.agreement.max() > 0.9
        assert abs(locate_beams(model, truth[row : row + 1], 4).beams).max() <= 4
        # from where the beam is given, to fractions of a pixel
        model.beam = (-4.3, 3.2)
        assert locate_beams(model, truth[row : row + 1], 3).beams[0] == pytest.approx([-6.3, 5.2])
        assert abs(locate_beams(model, truth[row : row + 1], 1).beams - model.beam).max() == pytest.approx(1)


def test_the_beam_is_located_where_few_pixels_see_light() -> None:
    """Less than a quarter of the valid ones: the others lie beyond 90 degrees."""
    wide = Simulation(detector=EwaldDetector(64, 8 * PAPER_Q_STEP))
    truth = PARTICLES[:2]
    for row, image in enumerate(frames_of(wide.intensity(truth)).grey(5.0).numpy()):
        valid = np.ones(image.shape, dtype=bool)
        found = locate_beams(ForwardModel(image, valid, wide, "icosahedron"), truth, 3)
        assert found.beams[row].tolist() == [0, 0]
        assert found.agreement[row] > 0.99


@pytest.mark.parametrize("free_beam", [False, True])
@pytest.mark.parametrize("value", [np.nan, 1e30, -1.0, 3e5])
def test_masked_pixels_have_no_influence(free_beam: bool, value: float) -> None:
    truth = PARTICLES[:2]
    valid = np.broadcast_to((Y**2 + X**2 > 2**2) & (abs(X - 6) > 0), (2, 32, 32))
    images = cut(truth, 1, -1)
    refinement = Refinement(RANGE, patterns=80, free_beam=free_beam)
    expected = refine(near(truth), frames_of(images, valid=valid), SMALL, refinement)
    spoilt = frames_of(np.where(valid, images, np.float32(value)), valid=valid)
    assert_same(refine(near(truth), spoilt, SMALL, refinement), expected)


@pytest.mark.parametrize("free_beam", [False, True])
@pytest.mark.parametrize("starts", [1, 3])
@pytest.mark.parametrize("patterns", [60, 200])
def test_every_pattern_is_counted_and_the_budget_is_kept(
    counter: Counter, free_beam: bool, starts: int, patterns: int
) -> None:
    truth = PARTICLES[:2]
    noisy = frames_of(photons(SMALL.intensity(truth), 1e5, np.random.default_rng(1)))
    start = near(truth, 3.0, 3.0, used=5)
    counter.reset()
    used = refine(start, noisy, SMALL, Refinement(RANGE, patterns, starts, free_beam)).estimates.patterns_used
    assert used.sum() == counter.patterns + start.patterns_used.sum()
    assert (used <= patterns).all()
    assert (used > 20).all()


@pytest.mark.parametrize(("free_beam", "starts"), [(False, 1), (True, 3)])
def test_small_budgets_are_kept_to_the_last_pattern(counter: Counter, free_beam: bool, starts: int) -> None:
    truth = PARTICLES[:1]
    frames = frames_of(photons(SMALL.intensity(truth), 1e5, np.random.default_rng(1)))
    spent = []
    for patterns in range(20, 34):
        counter.reset()
        refinement = Refinement(RANGE, patterns, starts, free_beam)
        (used,) = refine(near(truth, 3.0, 3.0), frames, SMALL, refinement).estimates.patterns_used
        assert used == counter.patterns + 1
        spent.append(patterns - used)
    assert min(spent) == 0


def test_starts_around_the_estimate_find_what_it_misses() -> None:
    """Radii 14 nm off lead into side minima; more starts, spread as far, find more."""
    start = near(PARTICLES, 0.0, 14.0, seed=2)
    frames = frames_of(SMALL.intensity(PARTICLES))
    hits = []
    for count in (1, 12):
        refinement = Refinement((20.0, 120.0), 600, count, free_beam=False)
        particles = refine(start, frames, SMALL, refinement).estimates.particles
        hits.append(int((degrees_off(particles.orientation, PARTICLES.orientation) < 0.1).sum()))
    assert hits[0] <= 4
    assert hits[1] >= 7


def test_the_first_start_is_the_estimate_however_uncertain() -> None:
    truth = PARTICLES[:2]
    start = near(truth)
    wild = replace(start, radius_sigma=np.full(2, 40.0), orientation_sigma=np.full(2, 1.0))
    estimates = refine(wild, frames_of(SMALL.intensity(truth)), SMALL, Refinement(RANGE, starts=1)).estimates
    assert degrees_off(estimates.particles.orientation, truth.orientation).max() < 0.05


def test_an_estimate_without_uncertainty_is_its_own_only_start() -> None:
    truth = PARTICLES[:2]
    start = near(truth)
    nothing = replace(start, radius_sigma=np.full(2, np.nan), orientation_sigma=np.full(2, np.nan))
    estimates = refine(nothing, frames_of(SMALL.intensity(truth)), SMALL, Refinement(RANGE)).estimates
    assert degrees_off(estimates.particles.orientation, truth.orientation).max() < 0.05


def test_a_frame_without_a_pattern_is_flagged_and_the_others_stay() -> None:
    truth = PARTICLES[:3]
    images = SMALL.intensity(truth)
    expected = refine(near(truth), frames_of(images), SMALL, Refinement(RANGE))
    spoilt = images.copy()
    spoilt[1] = 7.0
    done: list[int] = []
    inversion = refine(near(truth), frames_of(spoilt), SMALL, Refinement(RANGE), progress=done.append)
    assert done == [1, 1, 1]
    assert inversion.estimates.flags[1] == FLAGS["no_signal"] | FLAGS["poor_agreement"]
    assert inversion.estimates.agreement[1] == 0
    for row in (0, 2):
        for a, b in zip(found(inversion), found(expected), strict=True):
            assert np.array_equal(a[row], b[row])


def test_the_same_seed_gives_the_same_and_a_frame_is_its_own() -> None:
    images = photons(SMALL.intensity(PARTICLES[:3]), 1e5, np.random.default_rng(1))
    start, refinement = near(PARTICLES[:3], 3.0, 3.0), Refinement(RANGE)
    first, again = (refine(start, frames_of(images), SMALL, refinement, 4) for _ in range(2))
    assert_same(again, first)
    # where the patterns suffice, how many it takes depends on where the further starts are
    ample = replace(refinement, patterns=2000)
    used = [refine(start, frames_of(images), SMALL, ample, seed).estimates.patterns_used for seed in (4, 5)]
    assert not np.array_equal(used[0], used[1])
    alone = Estimates(
        start.particles[2:],
        start.radius_sigma[2:],
        start.orientation_sigma[2:],
        start.agreement[2:],
        start.beam[2:],
        Alternatives.none(1),
        start.flags[2:],
        start.patterns_used[2:],
        start.frames[2:],
    )
    last = frames_of(images[2:], numbers=np.array([2], dtype=np.int64))
    assert_same(refine(alone, last, SMALL, refinement, 4), first, slice(2, 3))


def test_a_radius_range_without_the_solution_is_flagged() -> None:
    truth = Particles(60.0, PARTICLES.orientation[0])
    frames = frames_of(SMALL.intensity(truth))
    for low, high, bound in ((40.0, 58.5, 58.5), (61.5, 80.0, 61.5)):
        refinement = Refinement((low, high), free_beam=False)
        estimates = refine(near(truth, 0.5, 0.5), frames, SMALL, refinement).estimates
        assert estimates.flags[0] & FLAGS["radius_on_bound"]
        assert estimates.particles.radius[0] == pytest.approx(bound)


def test_a_free_beam_with_another_solver_is_refused() -> None:
    truth = PARTICLES[:1]
    other = Simulation(detector=SMALL.detector, solver="chebyshev")
    frames = frames_of(SMALL.intensity(truth))
    with pytest.raises(ParameterError) as caught:
        refine(near(truth), frames, other, Refinement(RANGE))
    assert caught.value.field == "solver"
    fixed = Refinement(RANGE, patterns=30, starts=1, free_beam=False)
    estimates = refine(near(truth, 0.3, 0.3), frames, other, fixed).estimates
    assert estimates.agreement[0] > 0.98


@pytest.mark.parametrize(
    ("field", "value"), [("patterns", 19), ("patterns", 200_000), ("starts", 0), ("shift", -1)]
)
def test_refinements_that_are_none(field: str, value: int) -> None:
    with pytest.raises(ParameterError) as caught:
        Refinement(**{field: value})  # type: ignore[arg-type]
    assert caught.value.field == field
