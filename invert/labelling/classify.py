"""Frames to labels with a classifier, and their file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.frames import Frames, FrameSource
from invert.labelling.classifier import Classifier, check_size
from invert.labelling.inputs import inputs
from invert.labelling.scores import THRESHOLD
from invert.prediction_layout import RESULT, result_group
from invert.reading.opening import require_readable
from invert.reading.options import chosen
from msft.dataset import open_hdf5
from msft.errors import ParameterError
from msft.helium import labels as helium
from msft.layout import PROCESS
from msft.output import beside, whole

STATE = "source_bytes_and_changed_ns"
CHUNK = 256


@dataclass(frozen=True)
class Labelling:
    """Which labels N frames have, by a classifier.

    Attributes
    ----------
    names
        Of the C labels.
    probabilities
        Float32, shape (N, C); NaN for frames that their file did not give, or that have no valid pixel.
    frames
        Number of each frame in its source, int64, shape (N,).
    source
        The file and the array in it.
    threshold
        Probability from which on a frame has a label.
    state
        Bytes and time of the last change, in ns, of the file when it was looked at; None if nobody knows.
    """

    names: tuple[str, ...]
    probabilities: NDArray[np.float32]
    frames: NDArray[np.int64]
    source: str
    threshold: float = THRESHOLD
    state: tuple[int, int] | None = None

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.frames)

    @property
    def labels(self) -> NDArray[np.uint8]:
        """0 or 1, shape (N, C)."""
        return np.asarray(self.probabilities >= self.threshold, dtype=np.uint8)

    def names_of(self, row: int) -> list[str]:
        """The labels of one frame."""
        return [name for name, has in zip(self.names, self.labels[row], strict=True) if has]

    def by_frame(self) -> dict[int, str]:
        """The labels of each frame in one line, by the number of the frame."""
        return {int(frame): ", ".join(self.names_of(row)) for row, frame in enumerate(self.frames)}

    def broken_rules(self) -> dict[str, int]:
        """Frames that break each rule of the helium labels; empty for other labels."""
        return helium.broken_rules(self.labels) if self.names == helium.NAMES else {}

    def lines(self) -> list[str]:
        """How many frames have each label, for people."""
        counts = self.labels.sum(axis=0)
        rows = [f"{name:14} {count:6d} frames" for name, count in zip(self.names, counts, strict=True)]
        broken = [f"{count} frames break: {rule}" for rule, count in self.broken_rules().items() if count]
        unseen = int(np.isnan(self.probabilities).all(axis=1).sum())
        return [*rows, *broken, *([f"{unseen} frames without a valid pixel: no labels"] if unseen else [])]


def classes_of(frames: Path) -> Path:
    """The file that `invert classify` writes about frames, unless it is told another one."""
    return beside(frames, ".classes.h5", "frames")


def classify(
    classifier: Classifier,
    frames: Frames,
    threshold: float = THRESHOLD,
    progress: Callable[[int], None] = lambda done: None,
) -> Labelling:
    """Label frames.

    Parameters
    ----------
    classifier
        The network.
    frames
        Of any size that the network can see.
    threshold
        Probability from which on a frame has a label, in (0, 1).
    progress
        Called with 0 once the frames are found good, then with the number of frames of each batch.

    Raises
    ------
    ParameterError
        If the frames are too small or the threshold is none.
    """
    if not 0 < threshold < 1:
        raise ParameterError("threshold", threshold, "a probability between 0 and 1")
    configuration = classifier.configuration
    check_size(min(frames.images.shape[1:]), configuration.network, "frames")
    images = inputs(frames, configuration.input)
    probabilities = np.empty((len(images), len(configuration.labels)), dtype=np.float32)
    progress(0)
    for start in range(0, len(images), CHUNK):
        rows = slice(start, start + CHUNK)
        probabilities[rows] = classifier.probabilities(images[rows]).numpy()
        progress(len(images[rows]))
    probabilities[~frames.seen] = np.nan
    return Labelling(configuration.labels, probabilities, frames.numbers, frames.source, threshold)


def classify_stream(
    classifier: Classifier,
    source: FrameSource,
    rows: slice = slice(None),
    threshold: float = THRESHOLD,
    progress: Callable[[int], None] = lambda done: None,
) -> Labelling:
    """Label the frames of an open file batch by batch; see `classify`.

    Raises
    ------
    ParameterError
        If no frame is chosen, or none can be read; and see `classify`.
    """
    chosen(rows, len(source))
    state = source.state
    parts, readable = [], []
    for frames in map(source.take, source.portions(rows)):
        parts.append(classify(classifier, frames, threshold, progress))
        readable.append(np.ones(len(frames.images), bool) if frames.readable is None else frames.readable)
    require_readable(source.path, np.concatenate(readable))
    return replace(
        parts[0],
        probabilities=np.concatenate([part.probabilities for part in parts]),
        frames=np.concatenate([part.frames for part in parts]),
        state=state,
    )


def write_labelling(path: Path, labelling: Labelling, provenance: dict[str, Any]) -> None:
    """Write labels and probabilities as HDF5, whole or not at all; `provenance` becomes attributes."""
    with whole(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        state = {} if labelling.state is None else {STATE: labelling.state}
        result = result_group(file, "probabilities", {**provenance, **state})
        result.attrs["threshold"] = labelling.threshold
        for name in ("labels", "probabilities"):
            result[name] = getattr(labelling, name)
            result[name].attrs["names"] = list(labelling.names)
        result["frame"] = labelling.frames
        result.create_dataset("source", data=[labelling.source] * len(labelling), dtype=h5py.string_dtype())


def write_table(path: Path, labelling: Labelling) -> None:
    """Write probabilities as CSV, a row per frame with the names of its labels, whole or not at all."""
    with whole(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["frame", "labels", *labelling.names])
        for row, frame in enumerate(labelling.frames):
            probabilities = (f"{value:.4f}" for value in labelling.probabilities[row])
            writer.writerow([frame, "; ".join(labelling.names_of(row)), *probabilities])


def read_labelling(path: Path) -> Labelling:
    """Read what `write_labelling` wrote.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    with open_hdf5(path, "classes") as file:
        try:
            result = file[RESULT]
            probabilities = np.asarray(result["probabilities"][()], dtype=np.float32)
            labelling = Labelling(
                tuple(map(str, result["probabilities"].attrs["names"])),
                probabilities,
                np.asarray(result["frame"][()], dtype=np.int64),
                str(result["source"].asstr()[0]) if len(probabilities) else "",
                float(result.attrs["threshold"]),
            )
            if STATE in file[PROCESS].attrs:
                size, changed = map(int, file[PROCESS].attrs[STATE])
                labelling = replace(labelling, state=(size, changed))
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ParameterError("classes", path, "a file that `invert classify` wrote") from None
    if probabilities.shape != (len(labelling), len(labelling.names)):
        raise ParameterError("classes", path, "a row of probabilities for every frame")
    return labelling
