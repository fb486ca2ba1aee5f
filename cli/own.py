"""Files that a command may replace without being told to: those that it could have written itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

OF_TRAINING = ("curves", "errors", "scores")
"""Pictures that `invert train` leaves beside the weights."""


def is_figure(path: Path) -> bool:
    """Whether a PNG was drawn by matplotlib, which says so first, and not for a model."""
    from invert.checkpoint import WEIGHTS

    with path.open("rb") as file:
        drawn = b"Matplotlib" in file.read(1024)
    return drawn and not (path.stem in OF_TRAINING and (path.parent / WEIGHTS).exists())


def is_page(path: Path) -> bool:
    """Whether an HTML page says that `invert report` wrote it."""
    with path.open("rb") as file:
        return b'<meta name="generator" content="msft-invert">' in file.read(1024)


def is_evaluation(path: Path) -> bool:
    """Whether a JSON file holds what `invert evaluate` writes."""
    try:
        written = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(written, dict) and "weights_sha256" in written


def check_classes(path: Path, frames: Path | None) -> None:
    """Refuse to replace what holds no labels or, if some frames are given, labels of another file.

    Raises
    ------
    ParameterError
        If that is what is there.
    """
    from invert.labelling.classify import read_labelling
    from msft.errors import ParameterError
    from msft.output import check_own

    sources: list[str] = []

    def are_classes(path: Path) -> bool:
        try:
            sources.append(read_labelling(path).source)
        except ParameterError:
            return False
        return True

    check_own(path, are_classes)
    if frames is not None and (about := other_file(sources, frames)):
        raise ParameterError("out", path, f"--out with a new name: it holds labels of {about}")


def other_file(sources: Iterable[str], frames: Path) -> str:
    """The first file among sources ``FILE:ARRAY`` that is not that of some frames; empty if all are its."""
    others = (source for source in sources if not source.startswith(f"{frames.name}:"))
    return next(others, "").partition(":")[0]
