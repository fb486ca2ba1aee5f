"""Predictions that others take the place of: forward fits, hours of work, are kept under another name."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from filecmp import cmp
from itertools import count
from pathlib import Path

import h5py

from invert.predict import PATTERNS
from invert.predictions import RESULT
from invert.reading.places import dataset_at
from msft.dataset import open_hdf5
from msft.errors import ParameterError
from msft.journal import JournaledFile
from msft.output import whole


@contextmanager
def replacing(path: Path) -> Iterator[list[str]]:
    """What writes the predictions; those of forward fitting that it replaces are kept.

    Yields lines for people, which say so. If nothing is replaced, nothing is kept either.
    """
    if not _fitted(path):
        yield []
        return
    # what an earlier run kept before it was killed is not kept twice
    earlier = next(name for name in _numbered(path) if not name.exists() or cmp(name, path))
    new = not earlier.exists()
    if new:
        _keep(path, earlier)
    try:
        yield [f"{path} held forward fits: they are kept as {earlier}"]
    finally:
        if new and path.exists() and cmp(path, earlier):
            earlier.unlink()  # nothing took its place


def keep_fits(partial: Path, target: Path) -> str:
    """Give forward fits that a killed run left, if there are any, a name of their own; returns words for it.

    Parameters
    ----------
    partial
        What grew there; nobody goes on with it.
    target
        What it was to become.
    """
    if not _fitted(partial):
        return ""
    earlier = next(name for name in _numbered(target) if not name.exists())
    with JournaledFile(partial, keep=True) as journaled:
        journaled.finish(earlier)
    return f"; the forward fits among them are kept as {earlier.name}"


def are_predictions(path: Path) -> bool:
    """Whether a file holds predictions, of any version."""
    return _found(path, lambda file: dataset_at(file, f"{RESULT}/radius") is not None)


def _numbered(path: Path) -> Iterator[Path]:
    return (path.with_suffix(f".{number}{path.suffix}") for number in count(1))


def _fitted(path: Path) -> bool:
    """Whether there are predictions, of any version, that simulated more patterns than a network's do."""

    def found(file: h5py.File) -> bool:
        used = dataset_at(file, f"{RESULT}/patterns_used")
        return used is not None and bool((used[()] > PATTERNS).any())

    return path.exists() and _found(path, found)


def _found(path: Path, looked_for: Callable[[h5py.File], bool]) -> bool:
    try:
        with open_hdf5(path, "predictions") as file:
            return looked_for(file)
    except (ParameterError, OSError, RuntimeError, TypeError, ValueError):
        return False


def _keep(path: Path, earlier: Path) -> None:
    """Give a file a second name, or copy it where the file system has no links."""
    try:
        os.link(path, earlier)
    except OSError:
        with whole(earlier) as copy:
            shutil.copy2(path, copy)
