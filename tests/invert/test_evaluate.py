"""Evaluation: the numbers of the report against independent ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binned_statistic

from invert import checkpoint, figures
from invert.data import read_dataset
from invert.evaluate import Evaluation, evaluate
from invert.model import Answers, Model, ModelConfiguration
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL, SMALL_PRESET

CASES = ("identity", "central_hole", "experiment")


@pytest.fixture(scope="module")
def judged(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    path = tmp_path_factory.mktemp("evaluated") / "test.h5"
    generate(path, 300, 5, ParticleDistribution((40.0, 80.0)), SMALL)
    return evaluate(checkpoint.load(small_model).model, read_dataset(path), 1, CASES)


def test_every_recording_is_judged_and_the_hard_ones_are_harder(judged: Evaluation) -> None:
    summaries = judged.as_dict()
    assert list(summaries) == [*CASES, "best_constant_guess"]
    clean, dirty = (summaries[name]["orientation_median_degrees"] for name in ("identity", "experiment"))
    assert clean < dirty
    assert len(judged.lines()) == 3 + len(CASES) + 1


def test_patterns_are_recorded_where_the_network_is_without_waiting(
    small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors of the device "meta" have no values: whatever would wait for those of a GPU fails."""
    dataset = read_dataset(small_dataset).part(slice(0, 20))
    model = Model(ModelConfiguration(SMALL_PRESET.network, radius_range=(40.0, 80.0), simulation=SMALL))
    true, seen = dataset.particles, []

    def invert(model: Any, images: torch.Tensor) -> Answers:
        seen.append(images.device.type)
        return Answers(true.radius, true.orientation, *np.zeros((3, len(images))))

    monkeypatch.setattr(Model, "invert", invert)
    found = evaluate(model.to("meta"), dataset, cases=CASES)
    assert seen == ["meta"] * len(CASES)
    assert found.cases["experiment"].radius.max() == 0


def test_coverage_counts_the_errors_within_the_interval(judged: Evaluation) -> None:
    answers, case = judged.answers["identity"], judged.cases["identity"]
    within = sum(error <= sigma for error, sigma in zip(case.radius, answers.radius_sigma, strict=True))
    assert judged.as_dict()["identity"]["radius_coverage"] == pytest.approx(within / 300)


def test_trends_are_medians_by_bins_and_count_every_pattern_once(judged: Evaluation) -> None:
    trend = judged.trends()["radius_nm"]
    expected, edges, _ = binned_statistic(
        judged.truth.radius, judged.cases["identity"].maximum, "median", bins=13
    )
    assert trend["edges"] == pytest.approx(edges)
    assert trend["median_maximum_error"] == pytest.approx(expected)
    assert [sum(values["patterns"]) for values in judged.trends().values()] == [300, 300]


def test_the_tail_of_the_papers_error_lies_at_the_surface_of_the_domain(judged: Evaluation) -> None:
    case = judged.cases["identity"]
    jumped = case.mean > case.symmetric.mean(axis=1) + 0.1
    assert 0 < jumped.sum() < 60
    assert np.median(judged.degrees_to_surface[jumped]) < np.median(judged.degrees_to_surface)


def test_the_figure_shows_every_pattern_and_every_recording(judged: Evaluation) -> None:
    figure = figures.evaluation(judged)
    _, over_radius, _, bars, *_ = figure.axes
    assert len(over_radius.collections[0].get_offsets()) == 300  # type: ignore[arg-type]
    assert [label.get_text() for label in bars.get_yticklabels()] == [
        "identity",
        "central hole",
        "experiment",
    ]


def test_particles_beyond_those_of_the_training_are_refused(small_model: Path, tmp_path: Path) -> None:
    generate(tmp_path / "large.h5", 5, 5, ParticleDistribution((85.0, 90.0)), SMALL)
    with pytest.raises(ParameterError, match=r"dataset\.radius"):
        evaluate(checkpoint.load(small_model).model, read_dataset(tmp_path / "large.h5"))
