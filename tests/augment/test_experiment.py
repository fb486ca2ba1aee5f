"""The steps of the preset `experiment`: each against what its docstring says, and all of them together."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from augment import (
    EightBit,
    FullWell,
    Gaps,
    LogScale,
    PhotonStatistics,
    ReadoutNoise,
    Recording,
    Shift,
    Window,
    any_window,
    experiment,
    fields,
    log_scale,
    paper,
    recording_named,
    replay,
)
from augment.eight_bit import BARKE
from augment.fields import NORMAL_FROM, poisson_pixels
from augment.presets import one_of
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

torch.set_num_threads(1)


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def patterns() -> torch.Tensor:
    """Sixteen simulated patterns of the default detector."""
    return torch.from_numpy(Simulation().intensity(ParticleDistribution().draw(0, range(16))))


@pytest.mark.parametrize("rate", [0.0, 1e-3, 0.05, 0.7, 3.3, 9.97, NORMAL_FROM, 14.2, 300.0, 1e5])
def test_photons_have_the_poisson_distribution(rate: float) -> None:
    counts = poisson_pixels(torch.arange(8), torch.full((8, 250, 250), rate)).numpy().ravel()
    assert (counts == np.round(counts)).all()
    at = np.unique(np.concatenate([counts, counts - 1]))
    found = np.searchsorted(np.sort(counts), at, side="right") / counts.size
    # Kolmogorov-Smirnov at 1 % for as many values, and the accuracy of the quantile function
    assert np.abs(found - stats.poisson(rate).cdf(at)).max() < 1.63 / math.sqrt(counts.size) + 4e-4
    assert abs(counts.mean(dtype=float) - rate) <= 4 * math.sqrt(rate / counts.size) + 3e-4 * math.sqrt(rate)
    if rate > 0.01:
        assert counts.var(dtype=float) == pytest.approx(rate, rel=0.015 + 4e-4 / rate)


@pytest.mark.parametrize("rate", [0.004, 0.05, 0.4, 1.01, 5.01, 9.99, NORMAL_FROM, 11.3, 40.0])
def test_the_poisson_quantile_is_as_exact_as_it_says(rate: float) -> None:
    # instead of random words, 2^22 that are equally far from one another
    words = (torch.arange(2**22) * 2**10 + 2**9 - 2**31).int().reshape(1, 2048, 2048)
    counts = fields._poisson_of(words, torch.full(words.shape, rate)).numpy().ravel()
    at = np.arange(counts.max() + 2)
    found = np.searchsorted(np.sort(counts), at, side="right") / counts.size
    assert np.abs(found - stats.poisson(rate).cdf(at)).max() < 4e-4


def test_no_count_is_negative_or_broken() -> None:
    rates = torch.cat([torch.linspace(0.0, 60.0, 40_000), torch.logspace(1.0, 12.0, 10_000)])
    counts = poisson_pixels(torch.arange(20), rates.reshape(1, 200, 250).repeat(20, 1, 1))
    assert float(counts.min()) == 0.0
    assert torch.equal(counts, counts.floor())
    few = counts[:, rates.reshape(200, 250) < 60.0]
    assert float(few.max()) < 60.0 + 5 * math.sqrt(60.0)


def test_photons_of_neighbours_are_independent() -> None:
    counts = poisson_pixels(torch.arange(2), torch.full((2, 300, 300), 2.3)).double()
    for one, other in ((counts[0], counts[1]), (counts[0, 1:], counts[0, :-1])):
        pairs = torch.stack([one.flatten(), other.flatten()])
        assert abs(float(torch.corrcoef(pairs)[0, 1])) < 4 / 300


@pytest.mark.parametrize("unit", [1e-30, 1.0, 1e33])
def test_the_photon_number_is_that_of_the_whole_pattern(patterns: torch.Tensor, unit: float) -> None:
    intensity = patterns / patterns.amax() * unit
    counts, record = PhotonStatistics((1e4, 1e7), stray=(0.0, 0.0))(intensity, generator())
    for image, expected in zip(counts.double(), record.parameters["photons"].tolist(), strict=True):
        # the sum of Poisson numbers is one
        assert abs(float(image.sum()) - expected) < 4 * math.sqrt(expected) + 1e-3 * expected
    logarithms = PhotonStatistics().sample(4000, (2, 2), generator())["photons"].log10()
    assert stats.kstest(logarithms.numpy(), stats.uniform(5, 3).cdf).pvalue > 0.01


def test_stray_light_comes_on_top_everywhere() -> None:
    counts, record = PhotonStatistics(stray=(0.5, 3.0))(torch.zeros(3, 200, 200), generator())
    for image, stray in zip(counts, record.parameters["stray"].tolist(), strict=True):
        assert float(image.mean()) == pytest.approx(stray, abs=5 * math.sqrt(stray) / 200)


def test_readout_noise_is_gaussian_of_its_sigma() -> None:
    counts = torch.full((3, 200, 200), 7.0)
    noisy, record = ReadoutNoise((0.5, 3.0))(counts, generator())
    for image, sigma in zip(noisy, record.parameters["sigma"].tolist(), strict=True):
        assert stats.kstest(image.flatten().numpy(), stats.norm(7.0, sigma).cdf).pvalue > 0.01
    assert abs(float(torch.corrcoef(noisy[:2].reshape(2, -1))[0, 1])) < 4 / 200


def test_the_full_well_is_what_the_brightest_pixel_beyond_the_halo_holds(patterns: torch.Tensor) -> None:
    clipped, record = FullWell((0.0, 14.0))(patterns, generator())
    y, x = torch.meshgrid(torch.arange(128) - 64, torch.arange(128) - 64, indexing="ij")
    for before, after, radius in zip(patterns, clipped, record.parameters["halo"].tolist(), strict=True):
        outside = torch.hypot(y.double(), x.double()) > radius
        assert torch.equal(after[outside], before[outside])
        assert torch.equal(after, before.clamp(max=float(before[outside].max())))


def test_gaps_hide_whole_strips_and_keep_the_rest() -> None:
    images = torch.rand((300, 50, 60), generator=generator(3)).clamp_min_(0.1)
    cut, record = Gaps(probability=0.5, width=(1.0, 4.0), distance=(0.0, 0.2))(images, generator())
    row_gaps = (cut == 0).all(dim=2)
    column_gaps = (cut == 0).all(dim=1)
    hidden = row_gaps[:, :, None] | column_gaps[:, None, :]
    assert torch.equal(cut, images.where(~hidden, 0.0))
    assert set(row_gaps.sum(dim=1).tolist()) == set(column_gaps.sum(dim=1).tolist()) == {0, 1, 2, 3, 4}
    assert 0.4 < float(row_gaps.any(dim=1).float().mean()) < 0.6
    # they lie on both sides of the beam, at most 0.2 of the image and half their width away
    places = row_gaps.nonzero()[:, 1] - 25
    assert places.min() < 0 < places.max()
    assert int(places.abs().max()) <= 10 + 3
    assert torch.equal(~hidden, record.measured((50, 60)))


@pytest.mark.parametrize("off_middle", [(0.0, 0.0), (0.2, 0.5)])
@pytest.mark.parametrize("corner", [0.7, 3.0])
def test_the_window_keeps_its_rectangle_without_corners_bit_for_bit(
    corner: float, off_middle: tuple[float, float]
) -> None:
    images = torch.rand((5, 64, 81), generator=generator(3)).clamp_min_(0.1)
    window = Window((8.0, 20.0), (10.0, 30.0), (corner, corner), off_middle)
    seen, record = window(images, generator())
    y, x = torch.meshgrid(torch.arange(64) - 32, torch.arange(81) - 40, indexing="ij")
    middles = []
    for before, after, index in zip(images, seen, range(5), strict=True):
        half_height, half_width, row, column = (
            record[index].values[name] for name in ("half_height", "half_width", "row", "column")
        )
        radius = corner * math.hypot(half_height, half_width)
        inside = ((y - row).abs() <= half_height) & ((x - column).abs() <= half_width)
        inside &= torch.hypot(y.double(), x.double()) <= radius
        assert torch.equal(after, before.where(inside, 0.0))
        if not any(off_middle):
            assert bool(inside[32 - int(half_height), 40 - int(half_width)]) == (corner > 1)
        middles += [row / half_height, column / half_width]
    rounding = 0.5 / 8.0
    assert min(map(abs, middles)) >= off_middle[0] - rounding
    assert max(map(abs, middles)) <= off_middle[1] + rounding
    assert (min(middles) < 0 < max(middles)) == any(off_middle)


def test_eight_bits_leave_256_values_near_the_original() -> None:
    grey = torch.linspace(0.0, 1.0, 5000).reshape(1, 50, 100)
    shown, _ = EightBit()(grey, generator())
    values = np.unique(shown.numpy())
    assert len(values) == 256
    output, logarithm = np.array(BARKE).T
    assert values == pytest.approx(np.interp(np.arange(256) / 255, output, logarithm), abs=1e-6)
    steepest = max(np.diff(logarithm) / np.diff(output))
    assert float((shown - grey).abs().max()) <= 0.5001 * steepest / 255


def test_the_log_scale_knows_hidden_pixels_and_its_own_decades() -> None:
    intensity = 10 ** (4 * torch.rand((4, 20, 20), generator=generator(3)))
    hidden = intensity.clone()
    hidden[:, 5:9, 7] = math.nan
    part = LogScale((1.0, 5.0))
    parameters = part.sample(4, (20, 20), generator())
    grey = part._apply(hidden, parameters)
    for image, before, decades in zip(grey, intensity, parameters["decades"].tolist(), strict=True):
        valid = torch.ones(20, 20, dtype=torch.bool)
        valid[5:9, 7] = False
        assert torch.allclose(image, log_scale(before[None], decades, valid)[0], atol=1e-6)
    assert len(set(parameters["decades"].tolist())) == 4


@pytest.mark.parametrize("name", ["identity", "gaussian_blur", "fixed_order"])
def test_a_recording_is_the_filter_after_the_log_scale(patterns: torch.Tensor, name: str) -> None:
    images, record = recording_named(name, 4.0)(patterns, generator())
    own = {key.removeprefix("1."): value for key, value in record.parameters.items() if key.startswith("1.")}
    assert torch.equal(images, paper(4.0)[name].apply(log_scale(patterns, 4.0), own))


def test_only_what_the_detector_sees_is_recorded(patterns: torch.Tensor) -> None:
    everything, record = Recording((LogScale(), Shift(3)))(patterns, generator())
    part, cut = Recording((LogScale(), Shift(3)), half_height=20, half_width=30)(patterns, generator())
    assert torch.equal(record.parameters["1.dy"], cut.parameters["1.dy"])
    y, x = torch.meshgrid(torch.arange(128) - 64, torch.arange(128) - 64, indexing="ij")
    seen = (y.abs() <= 20) & (x.abs() <= 30)
    assert bool((part[:, ~seen] == 0).all())
    assert not cut.measured((128, 128))[:, ~seen].any()
    inner = (y.abs() <= 17) & (x.abs() <= 27)
    # the same light, up to the brightest pixel, which is in the middle
    assert torch.equal(part[:, inner], everything[:, inner])


def test_the_experiment_goes_in_the_order_in_which_it_happens() -> None:
    _, record = experiment(eight_bit=True)(torch.ones(1, 64, 64), generator())
    assert [step.name for step in record[0].steps] == [
        "photon_statistics",
        "shift",
        "gaussian_blur",
        "uneven_sensitivity",
        "full_well",
        "gaps",
        "central_hole",
        "window",
        "readout_noise",
        "log_scale",
        "eight_bit",
    ]


def test_the_experiment_looks_like_the_measured_patterns(patterns: torch.Tensor) -> None:
    images, record = experiment()(patterns.repeat(8, 1, 1), generator())
    measured = record.measured((128, 128))
    assert bool((images[~measured] == 0).all())
    assert bool((images.amax(dim=(1, 2)) == 1.0).all())
    rows, columns = measured.any(dim=2).sum(dim=1), measured.any(dim=1).sum(dim=1)
    # the window of 60 x 72 pixels and the hole of 2.5 to 6 pixels are among those drawn
    assert rows.min() < 60 < rows.max()
    assert columns.min() < 72 < columns.max()
    assert not measured[:, 62:67, 64].any()
    holes = torch.tensor([values(record[k])["central_hole"]["radius"] for k in range(len(record))])
    assert holes.min() < 2.5
    assert holes.max() > 6.0
    # a saturated halo, spread by the noise of the read-out: many pixels of some images are nearly white
    bright = (images > 0.95).sum(dim=(1, 2))
    assert bright.max() > 200


def test_any_window_shows_detectors_of_other_shapes_and_no_dark_rim(patterns: torch.Tensor) -> None:
    images, record = any_window()(patterns.repeat(16, 1, 1), generator())
    measured = record.measured((128, 128))
    assert bool((images[~measured] == 0).all())
    rows, columns = measured.any(dim=2), measured.any(dim=1)
    assert rows.sum(dim=1).min() < 50
    assert rows.sum(dim=1).max() == columns.sum(dim=1).max() == 128
    # of one window the far sides are up to 0.3 of the half further away than the near ones
    above, below = (rows[:, part].sum(dim=1) for part in (slice(64), slice(64, None)))
    assert bool(((above - below).abs() > 10).any())
    # a beam two pixels off brings in light from outside, where the detector ends with the image
    shift = Shift(2, hides=False)
    bright = torch.ones(50, 30, 40)
    moved, drawn = shift(bright, generator())
    assert torch.equal(moved, bright)
    assert set(drawn.parameters["dy"].tolist()) == {-2, -1, 0, 1, 2}
    assert bool(drawn.measured((30, 40)).all())


def test_a_name_that_stands_twice_is_drawn_twice_as_often() -> None:
    both = one_of(["identity", "experiment", "experiment"])
    assert [part.name for part in both.filters] == ["identity", "experiment"]
    drawn = both.sample(6000, (4, 4), generator())["order"]
    assert float((drawn == 1).double().mean()) == pytest.approx(2 / 3, abs=0.025)


def test_more_photons_less_noise(patterns: torch.Tensor) -> None:
    def noise(photons: float) -> float:
        counted, _ = PhotonStatistics((photons, photons), stray=(0.0, 0.0))(patterns, generator())
        clean = patterns / patterns.sum(dim=(1, 2), keepdim=True) * photons
        return float(((counted - clean) / photons).square().sum().sqrt())

    # the relative noise falls as one over the root of the photons
    assert noise(1e4) / noise(1e6) == pytest.approx(10, rel=0.05)


def test_the_record_of_a_recording_is_replayed_from_its_plain_values(patterns: torch.Tensor) -> None:
    chosen = experiment()
    images, record = chosen(patterns, generator())
    steps = [values(record[k]) for k in range(len(record))]
    again: dict[str, Any] = {"order": record.parameters["order"]}
    for k, part in enumerate(chosen.filters):
        for name in steps[0][part.name]:
            drawn = record.parameters[f"{k}.{name}"]
            again[f"{k}.{name}"] = torch.tensor([step[part.name][name] for step in steps], dtype=drawn.dtype)
    assert torch.equal(chosen.apply(patterns, again), images)
    assert torch.equal(replay(patterns[3:5], record[3:5]), images[3:5])


def values(step: Any) -> dict[str, dict[str, Any]]:
    """Parameters of each step by its name."""
    return {part.name: part.values for part in step.steps}
