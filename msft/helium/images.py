"""Labelled images from HDF5, one batch at a time: the released ones, and those of `msft generate`.

The released file, `helium_nanodroplets_with_labels_zimmermann.cxi` (CXIDB 94, Zimmermann et al. 2019), has an
entry for each image::

    /entry_N/instrument_1/detector_1/data          the image, 1035 x 1035
    /entry_N/note_1/data                           its labels, eleven numbers 0 or 1
    /entry_N/instrument_1/source_1/energy          photon energy in J
    /entry_N/experimental_identifier               of the shot
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.dataset import PatternFile, open_hdf5, open_patterns
from msft.errors import ParameterError
from msft.helium.labels import NAMES, as_flags
from msft.layout import SAMPLE
from msft.units import ELECTRONVOLT, joules, photon_energy

PIXELS = 224
"""Per side, to which the authors rescaled the images."""

IMAGE, LABELS = "instrument_1/detector_1/data", "note_1/data"
ENERGY, IDENTIFIER = "instrument_1/source_1/energy", "experimental_identifier"

_ENTRY = re.compile(r"entry_(\d+)")


class LabelledImages(ABC):
    """Labelled images in an open file; use `open_labelled`.

    Attributes
    ----------
    path
        Of the file.
    names
        Of the C labels.
    labels
        0 or 1, uint8, shape (N, C).
    energy
        Photon energies in eV, float64, shape (N,); NaN where the file has none.
    identifiers
        What the file calls each image.
    """

    path: Path
    names: tuple[str, ...]
    labels: NDArray[np.uint8]
    energy: NDArray[np.float64]
    identifiers: list[str]

    def __len__(self) -> int:
        """The number of images."""
        return len(self.labels)

    def images(self, rows: slice | NDArray[np.integer], pixels: int = PIXELS) -> NDArray[np.float32]:
        """Some images, rescaled.

        Parameters
        ----------
        rows
            Which.
        pixels
            Pixels per side that they are rescaled to; see `rescaled`.

        Returns
        -------
        Linear intensity, float32, shape (n, pixels, pixels).

        Raises
        ------
        ParameterError
            If an image is not square, or there are no pixels.
        """
        chosen = np.arange(len(self))[rows]
        images = np.empty((len(chosen), pixels, pixels), dtype=np.float32)
        for image, row in zip(images, chosen.tolist(), strict=True):
            image[:] = rescaled(self._image(row), pixels)
        return images

    def batches(self, size: int, pixels: int = PIXELS) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """All images in order, so many at a time: their rows, and they themselves as `images` gives them."""
        for start in range(0, len(self), size):
            rows = slice(start, min(start + size, len(self)))
            yield rows, self.images(rows, pixels)

    @abstractmethod
    def _image(self, row: int) -> NDArray[np.float32]:
        """One image as it is in the file."""


class _Released(LabelledImages):
    """The layout of the released file."""

    names = NAMES

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        numbers = sorted(int(found[1]) for name in file if (found := _ENTRY.fullmatch(name)))
        self._entries = [file[f"entry_{number}"] for number in numbers]
        if not self._entries:
            allowed = "labelled images: entries with note_1/data, or sample_1/labels of `msft generate`"
            raise ParameterError("dataset", path, allowed)
        self.labels = np.array([self._labels(entry) for entry in self._entries])
        self.energy = np.array([_energy(entry) for entry in self._entries])
        self.identifiers = [_text(entry) for entry in self._entries]

    def _labels(self, entry: h5py.Group) -> NDArray[np.uint8]:
        values = np.asarray(self._part(entry, LABELS)[()]).reshape(1, -1)
        try:
            return np.asarray(as_flags(values)[0], dtype=np.uint8)
        except ParameterError as error:
            where = f"{self.path}:{entry.name}/{LABELS} of {error.value}"
            raise ParameterError("labels", where, error.allowed) from None

    def _image(self, row: int) -> NDArray[np.float32]:
        data = self._part(self._entries[row], IMAGE)
        image = np.asarray(data[()], dtype=np.float32)
        return image.reshape(image.shape[-2:]) if image.ndim > 2 and image.size == data[0].size else image

    def _part(self, entry: h5py.Group, name: str) -> h5py.Dataset:
        found = entry.get(name)
        if not isinstance(found, h5py.Dataset) or found.dtype.kind not in "iufb":
            allowed = f"an entry with numbers in {name}, or a dataset with {SAMPLE}/labels"
            raise ParameterError("dataset", f"{self.path}:{entry.name}", allowed)
        return found


class _Simulated(LabelledImages):
    """A dataset of `msft generate` with labels."""

    def __init__(self, patterns: PatternFile) -> None:
        self.path, self._patterns = patterns.path, patterns
        self.names, self.labels = patterns.label_names, patterns.labels
        wavelength = patterns.simulation.optics.wavelength
        wavelengths = patterns.shots.optics.get("wavelength", np.full(len(self), wavelength))
        self.energy = np.array([photon_energy(float(value)) for value in wavelengths]) / ELECTRONVOLT
        first = int(patterns.provenance.get("first", 0))
        self.identifiers = [str(first + row) for row in range(len(self))]

    def _image(self, row: int) -> NDArray[np.float32]:
        return self._patterns.patterns(row)


@contextmanager
def open_labelled(path: Path) -> Iterator[LabelledImages]:
    """Open labelled images of either layout.

    Raises
    ------
    ParameterError
        If the file is missing, unreadable or of another layout, or its labels are not 0 and 1 for each of
        the names.
    """
    with open_hdf5(path) as file:
        if f"{SAMPLE}/labels" not in file:
            yield _Released(path, file)
            return
    with open_patterns(path) as patterns:
        yield _Simulated(patterns)


def rescaled(image: NDArray[np.floating], pixels: int) -> NDArray[np.float32]:
    """A square image with so many pixels per side: each the mean over the area that it covers.

    Parameters
    ----------
    image
        Shape (n, n).
    pixels
        Per side, above 0; more than n repeat pixels rather than interpolate.

    Returns
    -------
    Float32, shape (pixels, pixels); its mean is that of the image.

    Raises
    ------
    ParameterError
        If the image is not square, or there are no pixels.
    """
    if image.ndim != 2 or image.shape[0] != image.shape[1]:
        raise ParameterError("dataset", f"an image of shape {image.shape}", "square images (n, n)")
    if pixels < 1:
        raise ParameterError("pixels", pixels, "1 or more per side")
    if image.shape[0] == pixels:
        return np.asarray(image, dtype=np.float32)
    weights = overlaps(image.shape[0], pixels)
    return np.asarray(weights @ image.astype(np.float32) @ weights.T, dtype=np.float32)


@lru_cache(maxsize=8)
def overlaps(before: int, after: int) -> NDArray[np.float32]:
    """Shares of the pixels of a row in those of another one over the same length, (after, before).

    Float32; each of the `after` rows sums to 1.
    """
    edges, wanted = np.arange(before + 1) / before, np.arange(after + 1) / after
    low = np.maximum(wanted[:-1, None], edges[None, :-1])
    high = np.minimum(wanted[1:, None], edges[None, 1:])
    return np.asarray(np.maximum(high - low, 0.0) * after, dtype=np.float32)


def _energy(entry: h5py.Group) -> float:
    """Photon energy of an entry in eV, or NaN."""
    found = entry.get(ENERGY)
    if not isinstance(found, h5py.Dataset) or found.size != 1 or found.dtype.kind not in "iuf":
        return math.nan
    return joules(float(np.ravel(found[()])[0])) / ELECTRONVOLT


def _text(entry: h5py.Group) -> str:
    """What the file calls an entry; without a name of its own, its place."""
    found = entry.get(IDENTIFIER)
    value: Any = np.ravel(found[()])[0] if isinstance(found, h5py.Dataset) and found.size == 1 else entry.name
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
