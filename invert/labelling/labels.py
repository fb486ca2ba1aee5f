"""Images with labels, from files: what a classifier is trained on and judged by."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from invert.frames import Frames, read_frames
from invert.labelling.inputs import CHUNK, InputConfiguration, inputs
from invert.overlap import recipe_among
from msft.dataset import open_hdf5, read_recipe
from msft.errors import ParameterError
from msft.helium import labels as helium
from msft.helium.images import PIXELS, open_labelled
from msft.layout import PROCESS

LABELS = "/entry_1/sample_1/labels"
RELEASED = "/entry_1/note_1/data"
"""Where the first image of the released helium file has its labels; see `msft.helium.images`."""

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
    unseen
        How many more frames there were, without a valid pixel, of which nobody can learn anything.
    recipe
        Which particles they show, if the file was generated; see `invert.overlap`.
    wavelengths
        Shortest and longest in nm, if the file says.
    """

    frames: Frames
    labels: Labels
    names: tuple[str, ...]
    unseen: int = 0
    recipe: Mapping[str, Any] | None = None
    wavelengths: tuple[float, float] | None = None

    @property
    def source(self) -> dict[str, Any]:
        """What a training records of them."""
        return {
            "frames": self.frames.source,
            "sha256": self.digest(),
            "patterns": len(self.labels),
            "recipe": self.recipe,
            "wavelengths": self.wavelengths,
        }

    def examples(self, configuration: InputConfiguration) -> Examples:
        """Images and labels as a classifier learns from them."""
        return Examples(inputs(self.frames, configuration), torch.from_numpy(self.labels).float())

    def digest(self) -> str:
        """SHA-256 of images, masks and labels, hexadecimal."""
        digest = hashlib.sha256("\n".join([*self.names, self.frames.scale]).encode())
        for array in (self.frames.images, self.frames.valid, self.labels):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


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
        return any(isinstance(file.get(place), h5py.Dataset) for place in (LABELS, RELEASED))


def read_labelled(path: Path, pixels: int = PIXELS) -> LabelledFrames:
    """Read frames and their labels, but for those without a valid pixel.

    Parameters
    ----------
    path
        HDF5 with frames, and labels (N, C) of 0 and 1 in ``/entry_1/sample_1/labels``, whose attribute
        ``names`` names the C columns; 11 columns without names are those of the helium images. Or the
        released file of helium images, or one in its layout.
    pixels
        To which images of the released layout are rescaled while they are read: all of them as they are
        would not fit into memory.

    Raises
    ------
    ParameterError
        If there are no labels, they do not fit their names or the frames, or no frame has a valid pixel.
    """
    labelled = _all_labelled(path, pixels)
    seen = np.flatnonzero(labelled.frames.seen)
    if not len(seen):
        raise ParameterError("dataset", path, "frames with a valid pixel")
    unseen = len(labelled.labels) - len(seen)
    if not unseen:
        return labelled
    frames, labels = labelled.frames.part(seen), labelled.labels[seen]
    return replace(labelled, frames=frames, labels=labels, unseen=unseen)


def _all_labelled(path: Path, pixels: int) -> LabelledFrames:
    with open_hdf5(path) as file:
        if isinstance(file.get(RELEASED), h5py.Dataset):
            return _released(path, pixels)
        if not isinstance(file.get(LABELS), h5py.Dataset):
            raise ParameterError("labels", f"none in {path.name}", f"0 and 1, shape (N, C), in {LABELS}")
        if PROCESS in file and not file[PROCESS].attrs.get("complete", True):
            raise ParameterError("dataset", path, "a complete dataset; this one was interrupted")
        process = dict(file[PROCESS].attrs) if PROCESS in file else {}
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
    return LabelledFrames(
        frames,
        labels.astype(np.uint8),
        names,
        recipe=recipe_among(process),
        wavelengths=_wavelengths(process, frames),
    )


def _wavelengths(process: Mapping[str, Any], frames: Frames) -> tuple[float, float] | None:
    try:
        recipe = read_recipe(process)
    except (KeyError, ParameterError):  # made by other means
        return None if frames.wavelength is None else (frames.wavelength, frames.wavelength)
    drawn = [optics.wavelength for optics in recipe.uncertainty.extremes(recipe.simulation.optics)]
    return min(drawn), max(drawn)


def _released(path: Path, pixels: int) -> LabelledFrames:
    with open_labelled(path) as labelled:
        images = np.empty((len(labelled), pixels, pixels), dtype=np.float32)
        for rows, batch in labelled.batches(CHUNK, pixels):
            images[rows] = batch
        numbers = np.arange(len(images), dtype=np.int64)
        frames = Frames(
            images, np.isfinite(images), "linear", numbers, f"{path.name}:{RELEASED}", None, None, None, None
        )
        return LabelledFrames(frames, labelled.labels, labelled.names)


def _names(given: object) -> tuple[str, ...]:
    names = tuple(str(name) for name in np.atleast_1d(np.asarray(given, dtype=object)))
    if len(set(names)) != len(names) or not all(names):
        raise ParameterError("labels.names", ", ".join(names), "a different name for every column")
    return names
