"""Files that a command may replace without being told to: those that it could have written itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from invert.labelling.classify import Labelling

OF_TRAINING = ("curves", "errors", "scores")
"""Pictures that `invert train` leaves beside the weights."""


def is_figure(path: Path) -> bool:
    """Whether a PNG was drawn by matplotlib, which says so first, and not for a model."""
    from invert.checkpoint import WEIGHTS

    with path.open("rb") as file:
        drawn = b"Matplotlib" in file.read(1024)
    return drawn and not (path.stem in OF_TRAINING and (path.parent / WEIGHTS).exists())


def is_evaluation(path: Path) -> bool:
    """Whether a JSON file holds what `invert evaluate` writes."""
    try:
        written = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(written, dict) and "weights_sha256" in written


def are_classes(path: Path) -> bool:
    """Whether an HDF5 file holds labels."""
    return _labelling(path) is not None


def about_other(classes: Path, frames: Path) -> str | None:
    """Which other file than these frames a file of labels is about."""
    labelling = _labelling(classes) if classes.exists() else None
    if labelling is None or labelling.source.startswith(f"{frames.name}:"):
        return None
    return labelling.source.partition(":")[0] or None


def _labelling(path: Path) -> Labelling | None:
    from invert.labelling.classify import read_labelling
    from msft.errors import ParameterError

    try:
        return read_labelling(path)
    except ParameterError:
        return None
