"""How good predicted labels are: per label and over all labels, and the rules that they break.

What is 0 / 0 is undefined, NaN here and null in JSON: never 0 or 1.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msft.errors import ParameterError
from msft.helium import labels as helium

FloatArray = NDArray[np.float64]
Flags = NDArray[np.bool_]

THRESHOLD = 0.5
"""Probability from which on a label is predicted."""

MEASURES = ("accuracy", "precision", "recall", "f1", "average_precision")


@dataclass(frozen=True)
class Scores:
    """Measures of predicted labels (Zimmermann et al. 2019, section 3.2) for C labels of N images.

    A label that no image has says nothing of how it is found: but for the accuracy its measures are
    undefined, whatever was predicted.

    Attributes
    ----------
    names
        Of the labels.
    positives
        Images that have each label, int64, shape (C,).
    accuracy, precision, recall, f1, average_precision
        Of each label, shape (C,), NaN where undefined.
    overall
        Accuracy, precision and recall over all labels of all images together, as the paper has them; F1 of
        these; and the mean of the average precisions that are defined.
    broken_rules
        Images whose predictions break each rule of the helium labels; empty for other labels.
    images
        N.
    """

    names: tuple[str, ...]
    positives: NDArray[np.int64]
    accuracy: FloatArray
    precision: FloatArray
    recall: FloatArray
    f1: FloatArray
    average_precision: FloatArray
    overall: dict[str, float]
    broken_rules: dict[str, int]
    images: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with null for what is undefined."""
        labels = {
            name: {
                "positives": int(self.positives[column]),
                **{measure: _or_null(getattr(self, measure)[column]) for measure in MEASURES},
            }
            for column, name in enumerate(self.names)
        }
        overall = {name: _or_null(value) for name, value in self.overall.items()}
        return {
            "images": self.images,
            "overall": overall,
            "labels": labels,
            "broken_rules": self.broken_rules,
        }

    def lines(self) -> list[str]:
        """A table for people."""
        head = f"{'':14} {'images':>7}" + "".join(f"{name.replace('_', ' '):>18}" for name in MEASURES)
        rows = [
            f"{name:14} {self.positives[column]:7d}"
            + "".join(_cell(getattr(self, measure)[column]) for measure in MEASURES)
            for column, name in enumerate(self.names)
        ]
        last = f"{'all labels':14} {self.images:7d}" + "".join(
            _cell(self.overall[name]) for name in (*MEASURES[:-1], "mean_average_precision")
        )
        broken = sum(self.broken_rules.values())
        rules = [f"{broken} broken rules: " + _counted(self.broken_rules)] if broken else []
        return [head, *rows, last, *rules]


def score(labels: ArrayLike, probabilities: ArrayLike, names: Sequence[str]) -> Scores:
    """Judge probabilities by the true labels; from `THRESHOLD` on a label counts as predicted.

    Parameters
    ----------
    labels
        What is true, 0 or 1, shape (N, C).
    probabilities
        What was predicted, shape (N, C).
    names
        Of the C labels.

    Raises
    ------
    ParameterError
        If the shapes do not agree, or there is no image.
    """
    true, chance = np.asarray(labels).astype(np.bool_), np.asarray(probabilities, dtype=np.float64)
    if true.ndim != 2 or true.shape[1] != len(names) or not len(true):
        raise ParameterError("labels", f"shape {true.shape}", f"(N, {len(names)}) with N of 1 or more")
    if chance.shape != true.shape:
        raise ParameterError("probabilities", f"shape {chance.shape}", f"{true.shape}, as the labels")
    found = chance >= THRESHOLD
    hits, positives, predicted = (np.count_nonzero(f, axis=0) for f in (true & found, true, found))
    known = positives > 0
    average = np.array([average_precision(*columns) for columns in zip(true.T, chance.T, strict=True)])
    everything = (hits.sum(), positives.sum(), predicted.sum())
    return Scores(
        names=tuple(names),
        positives=positives.astype(np.int64),
        accuracy=np.mean(true == found, axis=0),
        precision=np.where(known, _ratio(hits, predicted), np.nan),
        recall=_ratio(hits, positives),
        f1=np.where(known, _ratio(2 * hits, positives + predicted), np.nan),
        average_precision=average,
        overall={
            "accuracy": float(np.mean(true == found)),
            "precision": float(_ratio(everything[0], everything[2])),
            "recall": float(_ratio(everything[0], everything[1])),
            "f1": float(_ratio(2 * everything[0], everything[1] + everything[2])),
            "mean_average_precision": float(average[known].mean()) if known.any() else math.nan,
        },
        broken_rules=helium.broken_rules(found) if tuple(names) == helium.NAMES else {},
        images=len(true),
    )


def average_precision(true: Flags, chance: FloatArray) -> float:
    """Mean precision over the images that have a label, ranked by its probability; NaN where none has it.

    The area under the steps of precision over recall; images of equal probability count as one step.

    Parameters
    ----------
    true, chance
        Whether each of N images has the label, and the probability predicted for it, shapes (N,).
    """
    if not true.any():
        return math.nan
    order = np.argsort(-chance, kind="stable")
    ranked = chance[order]
    last_of_step = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(true[order])[last_of_step]
    return float(np.sum(np.diff(hits, prepend=0) * hits / (last_of_step + 1)) / hits[-1])


def _ratio(part: Any, whole: Any) -> FloatArray:
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    result = np.full(part.shape, np.nan)
    np.divide(part, whole, out=result, where=whole > 0)
    return result


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _cell(value: float) -> str:
    return f"{'-' if math.isnan(value) else format(value, '.3f'):>18}"


def _counted(rules: dict[str, int]) -> str:
    return ", ".join(f"{rule} ({count})" for rule, count in rules.items() if count)
