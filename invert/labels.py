"""Images with labels, from files: what a classifier is trained on and judged by."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from invert.frames import Frames, read_frames
from invert.inputs import InputConfiguration, inputs
from msft.dataset import open_hdf5
from msft.errors import ParameterError
from msft.helium import labels as helium
from msft.layout import PROCESS

LABELS = "/entry_1/sample_1/labels"

Labels = NDArray[np.uint8]


@dataclass(frozen=True)
class LabelledFrames:
    """Frames and the labels that someone, or a rule, gave them.

    Attributes
    ----------
    frames
        The N frames.
    labels
        0 or 1, uint8, shape (N, C).
    names
        Of the C labels.
    """

    frames: Frames
    labels: Labels
    names: tuple[str, ...]

    def examples(self, configuration: InputConfiguration) -> Examples:
        """Images and labels as a classifier learns from them."""
        return Examples(inputs(self.frames, configuration), torch.from_numpy(self.labels).float())


@dataclass(frozen=True)
class Examples:
    """Images (N, H, W) as a classifier sees them, and their labels (N, C), both float32."""

    images: torch.Tensor
    labels: torch.Tensor

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def __getitems__(self, indices: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (B, H, W) and labels (B, C)."""
        return self.images[indices], self.labels[indices]

    def part(self, rows: NDArray[np.intp]) -> Examples:
        """Some of the examples."""
        return Examples(self.images[rows], self.labels[rows])


def are_in(path: Path) -> bool:
    """Whether a file has labels.

    Raises
    ------
    ParameterError
        If it is missing or cannot be read.
    """
    with open_hdf5(path) as file:
        return isinstance(file.get(LABELS), h5py.Dataset)


def read_labelled(path: Path) -> LabelledFrames:
    """Read frames and their labels.

    Parameters
    ----------
    path
        HDF5 with frames, and labels (N, C) of 0 and 1 in ``/entry_1/sample_1/labels``, whose attribute
        ``names`` names the C columns; 11 columns without names are those of the helium images.

    Raises
    ------
    ParameterError
        If there are no labels, or they do not fit their names or the frames.
    """
    with open_hdf5(path) as file:
        if not isinstance(file.get(LABELS), h5py.Dataset):
            raise ParameterError("labels", f"none in {path.name}", f"0 and 1, shape (N, C), in {LABELS}")
        if PROCESS in file and not file[PROCESS].attrs.get("complete", True):
            raise ParameterError("dataset", path, "a complete dataset; this one was interrupted")
        stored = file[LABELS][()]
        given = file[LABELS].attrs.get("names")
    names = helium.NAMES if given is None else _names(given)
    labels = np.asarray(stored)
    if labels.ndim != 2 or labels.shape[1] != len(names):
        allowed = f"(N, {len(names)}): " + ", ".join(names)
        raise ParameterError("labels", f"shape {labels.shape} in {path.name}", allowed)
    if labels.dtype.kind not in "biuf" or not np.isin(labels, (0, 1)).all():
        raise ParameterError("labels", f"other values in {path.name}", "0 and 1")
    frames = read_frames(path)
    if len(frames.images) != len(labels):
        raise ParameterError("labels", f"{len(labels)} in {path.name}", f"{len(frames.images)}, one a frame")
    return LabelledFrames(frames, labels.astype(np.uint8), names)


def _names(given: object) -> tuple[str, ...]:
    names = tuple(str(name) for name in np.atleast_1d(np.asarray(given, dtype=object)))
    if len(set(names)) != len(names) or not all(names):
        raise ParameterError("labels.names", ", ".join(names), "a different name for every column")
    return names
