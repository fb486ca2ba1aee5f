"""A model on a dataset with known particles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from augment.filter import Filter
from augment.presets import EXPERIMENT, recording_named
from invert.data import PatternDataset
from invert.metrics import Errors, Summary, best_constant_guess, errors, summarise
from invert.model import Answers, Model, ModelConfiguration
from invert.quality import outside
from invert.uncertainty import coverage
from msft.errors import ParameterError
from msft.particle import Particles
from msft.seeding import check_seed
from msft.symmetry import distance_to_surface

CLEAN = "identity"
CASES = (CLEAN, EXPERIMENT)
"""Recordings that training reports on: clean patterns, and as a detector would see them."""

_CHUNK = 256


@dataclass(frozen=True)
class Evaluation:
    """Errors of a model on a dataset.

    Attributes
    ----------
    cases
        Errors of every pattern for each recording.
    answers
        What the model said, for each recording.
    truth
        The particles.
    constant
        The best constant guess on the same patterns.
    """

    cases: dict[str, Errors]
    answers: dict[str, Answers]
    truth: Particles
    constant: Summary

    def as_dict(self) -> dict[str, Any]:
        """Summaries for JSON; `coverage` is the fraction of the errors within the stated 68 % interval."""
        result: dict[str, Any] = {}
        for name, case in self.cases.items():
            radius, orientation = coverage(case, self.answers[name])
            covered = {"radius_coverage": radius, "orientation_coverage": orientation}
            result[name] = {**summarise(case).as_dict(), **covered}
        return {**result, "best_constant_guess": self.constant.as_dict()}

    def trends(self) -> dict[str, Any]:
        """How the errors on the first recording go with the radius and with the distance to the surface.

        For each, the quantity's values at the edges of the bins, and by bins the number of patterns and the
        medians of the papers' mean and maximum errors; bins without patterns have no median.
        """
        case = next(iter(self.cases.values()))
        result = {}
        for name, values in (
            ("radius_nm", self.truth.radius),
            ("degrees_to_surface", self.degrees_to_surface),
        ):
            edges = np.linspace(values.min(), values.max(), min(13, 1 + len(values) // 20) + 1)
            place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
            chosen = [place == number for number in range(len(edges) - 1)]
            result[name] = {
                "edges": edges.tolist(),
                "patterns": [int(rows.sum()) for rows in chosen],
                "median_mean_error": [_median(case.mean[rows]) for rows in chosen],
                "median_maximum_error": [_median(case.maximum[rows]) for rows in chosen],
                "median_orientation_degrees": [_median(case.orientation[rows]) for rows in chosen],
            }
        return result

    @property
    def degrees_to_surface(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """How far each orientation is from the fundamental domain's surface, in degrees, shape (N,)."""
        return np.degrees(distance_to_surface(self.truth.orientation))

    def lines(self) -> list[str]:
        """A table for people."""
        rows = [
            (name, summarise(case), coverage(case, self.answers[name])) for name, case in self.cases.items()
        ]
        quantiles = "median    90 %    99 %"
        head = [
            f"{'':20} {'rel. error/%':>23} {'orientation/deg':>24} {'radius/nm':>24} {'68 % covers/%':>14}",
            f"{'':20} {'mean symmetric   max':>23} {quantiles:>24} {quantiles:>24} {'radius angle':>14}",
        ]
        table = [
            f"{name:20} {_relative(row)} {_quantiles(row)} {100 * radius:7.0f} {100 * angle:6.0f}"
            for name, row, (radius, angle) in rows
        ]
        guess = f"{'best constant guess':20} {_relative(self.constant)} {_quantiles(self.constant)}"
        return [f"errors on {self.constant.patterns} patterns", *head, *table, guess]


def evaluate(
    model: Model,
    dataset: PatternDataset,
    seed: int = 0,
    cases: Sequence[str] | Mapping[str, Filter] = CASES,
    progress: Callable[[int], None] = lambda done: None,
) -> Evaluation:
    """Errors of a model on a dataset, for some recordings.

    Parameters
    ----------
    model
        To be judged.
    dataset
        Patterns with known particles.
    seed
        Of the recordings.
    cases
        Names of the recordings, `augment.presets.RECORDINGS`; or others, from linear intensity, by any name.
    progress
        Called with 0 when work begins, then with the number of images of each batch.

    Raises
    ------
    ParameterError
        If the dataset has another body, optics or detector than the model was trained on, or larger or
        smaller particles, or the seed is below 0.
    """
    configuration = model.configuration
    check_seed(seed)
    _check(dataset, configuration)
    if not isinstance(cases, Mapping):
        cases = {name: recording_named(name, configuration.floor_decades) for name in cases}
    progress(0)
    # patterns are recorded where the network is
    device = next(model.parameters()).device
    answers, judged = {}, {}
    for name, chosen in cases.items():
        generator = torch.Generator().manual_seed(seed)
        parts = []
        for start in range(0, len(dataset), _CHUNK):
            patterns = dataset.intensity[start : start + _CHUNK].to(device, non_blocking=True)
            images, _ = chosen(patterns, generator)
            parts.append(model.invert(images))
            progress(len(images))
        answers[name] = Answers(*(np.concatenate(values) for values in zip(*parts, strict=True)))
        estimate = Particles(answers[name].radius, answers[name].orientation, configuration.body)
        judged[name] = errors(estimate, dataset.particles, configuration.radius_range)
    constant = best_constant_guess(dataset.particles, configuration.radius_range)
    return Evaluation(judged, answers, dataset.particles, constant)


def _check(dataset: PatternDataset, configuration: ModelConfiguration) -> None:
    trained = configuration.simulation
    for field, given, allowed in (
        ("body", dataset.particles.body, configuration.body),
        ("optics", dataset.simulation.optics, trained.optics),
        ("detector", dataset.simulation.detector, trained.detector),
    ):
        if given != allowed:
            raise ParameterError(f"dataset.{field}", given, f"{allowed}, as the model's")
    if outside(dataset.particles, configuration.radius_range).any():
        low, high = configuration.radius_range
        radius = dataset.particles.radius
        given = f"{radius.min():.4g} to {radius.max():.4g} nm"
        raise ParameterError("dataset.radius", given, f"{low:.4g} to {high:.4g} nm, as the model's")


def _median(values: np.ndarray[Any, np.dtype[np.float64]]) -> float | None:
    return float(np.median(values)) if len(values) else None


def _relative(row: Summary) -> str:
    numbers = (row.mean_relative_error, row.mean_symmetric_error, row.mean_maximum_error)
    return "{:8.2f} {:7.2f} {:6.2f}".format(*(100 * number for number in numbers))


def _quantiles(row: Summary) -> str:
    angles = (row.orientation_median_degrees, row.orientation_90_degrees, row.orientation_99_degrees)
    radii = (row.radius_median_nm, row.radius_90_nm, row.radius_99_nm)
    return " ".join(f"{values[0]:9.2f} {values[1]:7.2f} {values[2]:6.2f}" for values in (angles, radii))
