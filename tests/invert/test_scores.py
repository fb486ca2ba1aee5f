"""Measures of labels: against scikit-learn, the paper's two examples, and what is undefined."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from invert.labelling.scores import MEASURES, score
from msft.errors import ParameterError
from msft.helium.labels import COUNTS, IMAGES, NAMES

metrics = pytest.importorskip("sklearn.metrics")


@pytest.fixture(scope="module")
def released() -> NDArray[np.uint8]:
    """Labels with the counts of the released ones; which image has which does not matter here."""
    labels = np.zeros((IMAGES, len(NAMES)), dtype=np.uint8)
    for column, count in enumerate(COUNTS.values()):
        labels[:count, column] = 1
    return labels


def test_the_papers_example_of_calling_everything_oblate(released: NDArray[np.uint8]) -> None:
    everything = np.zeros(released.shape)
    everything[:, NAMES.index("oblate")] = 1
    overall = score(released, everything, NAMES).overall
    # the paper prints 0.767, which its own counts do not give: 6589 right ones, and all negatives elsewhere
    assert overall["accuracy"] == pytest.approx((6589 + 10 * 7264 - (15_565 - 6589)) / 79_904)
    assert overall["precision"] == pytest.approx(0.907, abs=5e-4)
    assert overall["recall"] == pytest.approx(0.423, abs=5e-4)


def test_the_papers_example_of_no_label_at_all(released: NDArray[np.uint8]) -> None:
    scores = score(released, np.zeros(released.shape), NAMES)
    # "out of 79 904 possible labels 64 339 are negative"; its precision of 0 is 0 / 0
    assert released.size == 79_904
    assert scores.overall["accuracy"] == pytest.approx(64_339 / 79_904)
    assert scores.overall["recall"] == 0
    assert math.isnan(scores.overall["precision"])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 4), st.sampled_from([3, 1000]))
def test_measures_are_those_of_scikit_learn(seed: int, images: int, count: int, levels: int) -> None:
    generator = np.random.default_rng(seed)
    true = generator.random((images, count)) < 0.4
    chance = generator.integers(0, levels, (images, count)) / levels  # with ties where there are few levels
    found = chance >= 0.5
    scores = score(true, chance, [f"label{column}" for column in range(count)])
    for column in range(count):
        arguments = (true[:, column], found[:, column])
        assert scores.accuracy[column] == pytest.approx(metrics.accuracy_score(*arguments))
        if not true[:, column].any():
            undefined = [getattr(scores, measure)[column] for measure in MEASURES[1:]]
            assert np.isnan(undefined).all()
            continue
        assert scores.recall[column] == pytest.approx(metrics.recall_score(*arguments))
        assert scores.f1[column] == pytest.approx(metrics.f1_score(*arguments))
        assert scores.average_precision[column] == pytest.approx(
            metrics.average_precision_score(true[:, column], chance[:, column])
        )
        if found[:, column].any():
            assert scores.precision[column] == pytest.approx(metrics.precision_score(*arguments))
        else:
            assert math.isnan(scores.precision[column])
    if true.any() and found.any():
        flat = (true.ravel(), found.ravel())
        assert scores.overall["f1"] == pytest.approx(metrics.f1_score(*flat))
        assert scores.overall["precision"] == pytest.approx(metrics.precision_score(*flat))


def test_what_is_undefined_is_null_in_json_and_a_dash_for_people() -> None:
    scores = score([[1, 0], [0, 0]], [[0.9, 0.8], [0.1, 0.2]], ["here", "nowhere"])
    assert scores.positives.tolist() == [1, 0]
    written = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert written["labels"]["nowhere"] == {
        "positives": 0,
        "accuracy": 0.5,
        "precision": None,
        "recall": None,
        "f1": None,
        "average_precision": None,
    }
    assert written["overall"]["mean_average_precision"] == 1.0
    assert next(line for line in scores.lines() if "nowhere" in line).split()[3:] == ["-"] * 4


def test_predictions_that_break_rules_are_counted() -> None:
    true = np.zeros((3, len(NAMES)))
    true[:, 0] = 1
    predicted = true.copy()
    predicted[0, NAMES.index("prolate")] = 1
    predicted[1, NAMES.index("empty")] = 0.49  # below the threshold
    broken = score(true, predicted, NAMES).broken_rules
    assert broken == {**dict.fromkeys(broken, 0), "oblate and prolate exclude each other": 1}
    assert score(true, predicted, [f"other{n}" for n in range(len(NAMES))]).broken_rules == {}


@pytest.mark.parametrize(
    ("labels", "chance"), [(np.zeros((4, 3)), np.zeros((4, 2))), (np.zeros((4, 2)), np.zeros((3, 2)))]
)
def test_shapes_that_do_not_agree_are_refused(labels: NDArray[Any], chance: NDArray[Any]) -> None:
    with pytest.raises(ParameterError):
        score(labels, chance, ["a", "b"])
