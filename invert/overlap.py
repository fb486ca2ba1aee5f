"""Whether a network has learned from patterns of a dataset that is to judge it.

Which particle a pattern shows depends on its seed, its number and the distribution alone: two datasets of one
seed begin alike, however long they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from msft.configuration import to_mapping
from msft.dataset import digest, open_hdf5
from msft.layout import PROCESS
from msft.particle import ParticleDistribution

RECIPE = ("seed", "particles", "first", "count")
"""Attributes of ``process_1`` that say which particles a dataset shows."""

UNRECORDED: Mapping[str, Mapping[str, Any]] = {
    "e6ac729ef28141c3b042ec00d73735cdcccb87f242954272e77fe1f833e89a55": {
        "seed": 1,
        "particles": json.dumps(to_mapping(ParticleDistribution())),
        "first": 0,
        "count": 25_058,
    },
}
"""Of datasets by their SHA-256: that of the weights that ship, whose training did not record it yet."""


def source_of(dataset: Path, patterns: int) -> dict[str, Any]:
    """What a training records of a dataset with so many patterns."""
    with open_hdf5(dataset) as file:
        recipe = recipe_among(file[PROCESS].attrs)
    return {"file": dataset.name, "sha256": digest(dataset), "patterns": patterns, "recipe": recipe}


def learned(training: Mapping[str, Any], provenance: Mapping[str, Any], dataset: Path) -> int:
    """How many patterns of a dataset weights have learned from, they or those that they began with.

    Parameters
    ----------
    training, provenance
        Of the weights, see `invert.checkpoint.Checkpoint`.
    dataset
        Of `msft generate`, merged or not; of any other one it is known only whether it is the very same.

    Raises
    ------
    ParameterError
        As `msft.dataset.open_patterns`.
    """
    own = source_of(dataset, 0)
    return max((shared(source, own) for source in _sources(training, provenance)), default=0)


def _sources(training: Mapping[str, Any], provenance: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Datasets whose patterns were learned from: a training on new patterns only takes their recipe."""
    while provenance:
        if not training.get("online"):
            yield provenance.get("dataset", {})
        provenance = provenance.get("start", {})
        training = provenance.get("training", {})


def shared(source: Mapping[str, Any], own: Mapping[str, Any]) -> int:
    """How many patterns of a dataset are those of another one, both as trainings record them."""
    if source.get("sha256") == own["sha256"]:
        return int(source.get("patterns", 1))
    one, other = source.get("recipe") or UNRECORDED.get(str(source.get("sha256")), {}), own["recipe"]
    if not (one and other) or any(one[name] != other[name] for name in ("seed", "particles")):
        return 0
    first = max(int(one["first"]), int(other["first"]))
    last = min(int(part["first"] + part["count"]) for part in (one, other))
    return max(0, last - first)


def recipe_among(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """What of a dataset's attributes says which particles it shows; None if it was made by other means."""
    if any(name not in attributes for name in RECIPE):
        return None
    return {name: np.asarray(attributes[name]).item() for name in RECIPE}
