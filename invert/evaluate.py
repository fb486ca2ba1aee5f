"""A model on a dataset with known particles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from augment.presets import recording
from invert.data import PatternDataset
from invert.metrics import Errors, Summary, best_constant_guess, errors, summarise
from invert.model import Model
from msft.errors import ParameterError
from msft.particle import Particles

CASES = ("identity", "experiment")
"""Recordings of the patterns that are judged: clean ones, and as a detector would see them."""

_CHUNK = 256


@dataclass(frozen=True)
class Evaluation:
    """Errors of a model on a dataset.

    Attributes
    ----------
    cases
        Errors of every pattern for each recording in `CASES`.
    constant
        The best constant guess on the same patterns.
    """

    cases: dict[str, Errors]
    constant: Summary

    def as_dict(self) -> dict[str, Any]:
        """Summaries for JSON."""
        summaries: dict[str, Any] = {name: summarise(case).as_dict() for name, case in self.cases.items()}
        return {**summaries, "best_constant_guess": self.constant.as_dict()}

    def lines(self) -> list[str]:
        """A table for people."""
        rows = [(name, summarise(case)) for name, case in self.cases.items()]
        rows.append(("best constant guess", self.constant))
        titles = ("", "rel. error, mean / max", "orientation, median / 90 %", "radius, median / 90 %")
        head = "{:20} {:>22} {:>27} {:>25}".format(*titles)
        return [f"{self.constant.patterns} held-out patterns", head] + [
            f"{name:20} {100 * row.mean_relative_error:12.2f} / {100 * row.mean_maximum_error:5.2f} % "
            f"{row.orientation_median_degrees:15.2f} / {row.orientation_90_degrees:5.2f} deg "
            f"{row.radius_median_nm:13.2f} / {row.radius_90_nm:5.2f} nm"
            for name, row in rows
        ]


def evaluate(model: Model, dataset: PatternDataset, seed: int = 0) -> Evaluation:
    """Errors of a model on a dataset, for each recording in `CASES`.

    Parameters
    ----------
    model
        To be judged.
    dataset
        Patterns with known particles.
    seed
        Of the recordings.

    Raises
    ------
    ParameterError
        If the dataset has another body, optics or detector than the model was trained on.
    """
    configuration = model.configuration
    trained = configuration.simulation
    for field, given, allowed in (
        ("body", dataset.particles.body, configuration.body),
        ("optics", dataset.simulation.optics, trained.optics),
        ("detector", dataset.simulation.detector, trained.detector),
    ):
        if given != allowed:
            raise ParameterError(f"dataset.{field}", given, f"{allowed}, as the model's")
    cases = {}
    for name in CASES:
        chosen = recording(name, configuration.floor_decades)
        generator = torch.Generator().manual_seed(seed)
        images = torch.empty_like(dataset.intensity)
        for start in range(0, len(dataset), _CHUNK):
            rows = slice(start, start + _CHUNK)
            images[rows] = chosen(dataset.intensity[rows], generator)[0]
        estimate = Particles(*model.invert(images), configuration.body)
        cases[name] = errors(estimate, dataset.particles, configuration.radius_range)
    return Evaluation(cases, best_constant_guess(dataset.particles, configuration.radius_range))
