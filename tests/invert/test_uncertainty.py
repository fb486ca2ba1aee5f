"""What a network says of its own errors, on patterns that neither taught nor calibrated it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from invert import checkpoint, uncertainty
from invert.data import PatternDataset, read_dataset
from invert.evaluate import Evaluation, evaluate
from invert.model import Model
from msft.particle import ParticleDistribution

from .conftest import SMALL, SMALL_PRESET


def fresh(count: int, seed: int) -> PatternDataset:
    particles = ParticleDistribution((40.0, 80.0)).draw(seed, range(count))
    return PatternDataset(torch.from_numpy(SMALL.intensity(particles)), particles, SMALL)


@pytest.fixture(scope="module")
def model(small_model: Path, small_dataset: Path) -> Model:
    loaded = checkpoint.load(small_model).model
    before = {name: value.clone() for name, value in loaded.state_dict().items()}
    uncertainty.learn(loaded, read_dataset(small_dataset), fresh(4000, 50), SMALL_PRESET.training)
    after = loaded.state_dict()
    same = [torch.equal(before[name], after[name]) for name in before if not name.startswith("uncertainty.")]
    assert all(same), "the answers were to stay as they are"
    return loaded


@pytest.fixture(scope="module")
def judged(model: Model) -> Evaluation:
    return evaluate(model, fresh(3000, 51), 1, SMALL_PRESET.training.filters)


def test_the_68_percent_interval_covers_68_percent_of_the_errors_on_new_patterns(judged: Evaluation) -> None:
    both = np.array([uncertainty.coverage(judged.cases[name], judged.answers[name]) for name in judged.cases])
    # filters drawn with equal chance: on the mixture, to three standard errors of 6000 and 4000 images
    assert both.mean(axis=0) == pytest.approx([uncertainty.LEVEL] * 2, abs=0.03)
    # and roughly on each, though 16 features tell this small network little of which it was
    assert both == pytest.approx(np.full((2, 2), uncertainty.LEVEL), abs=0.15)


def test_images_said_to_be_uncertain_have_larger_errors(judged: Evaluation) -> None:
    for name, case in judged.cases.items():
        answers = judged.answers[name]
        for sigma, error in (
            (answers.radius_sigma, case.radius),
            (answers.orientation_sigma, case.orientation),
        ):
            likeness = stats.spearmanr(sigma, error, alternative="greater")
            assert likeness.statistic > 0.05, name
            assert likeness.pvalue < 1e-3, name


def test_an_overfitted_network_is_not_overconfident_on_new_patterns(model: Model) -> None:
    """Taught by errors that are far too small, calibration still finds those of new patterns."""
    taught, new, other = fresh(40, 52), fresh(1000, 53), fresh(1000, 54)
    short = replace(SMALL_PRESET.training, images=640, filters=("identity",))
    # as if the network had learned these patterns by heart
    answers = evaluate(model, taught, cases=("identity",)).answers["identity"]
    nearly = replace(taught.particles, radius=answers.radius + 1e-3, orientation=answers.orientation)
    uncertainty.learn(model, replace(taught, particles=nearly), new, short)
    judged = evaluate(model, other, cases=("identity",))
    covered = uncertainty.coverage(judged.cases["identity"], judged.answers["identity"])
    assert covered == pytest.approx((uncertainty.LEVEL,) * 2, abs=0.06)


def test_the_angle_is_that_of_three_gaussian_components() -> None:
    assert pytest.approx(stats.chi(3).ppf(uncertainty.LEVEL), abs=1e-4) == uncertainty.ANGLE
    assert pytest.approx(stats.norm.cdf(1) - stats.norm.cdf(-1), abs=1e-4) == uncertainty.LEVEL


def test_the_pinball_loss_is_least_at_the_quantile() -> None:
    values = torch.randn(5001, generator=torch.Generator().manual_seed(1))
    losses = {
        level: float(uncertainty.pinball(values, values.quantile(level), 0.3)) for level in (0.2, 0.3, 0.4)
    }
    assert min(losses, key=lambda level: losses[level]) == 0.3
