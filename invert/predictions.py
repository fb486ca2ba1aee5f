"""Inversions as HDF5, appended batch by batch and read back: estimates, images and provenance."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.estimate import Alternatives, Estimates, Inversion
from invert.frames import Frames
from invert.prediction_layout import COLUMNS, GREY_LEVELS, IMAGES, RESULT, TEXTS, check_layout, lay_out
from invert.reading.places import dataset_at
from invert.table import write_table
from msft.compression import portions
from msft.configuration import from_mapping
from msft.dataset import MISREAD, open_hdf5
from msft.detector import Detector
from msft.errors import ParameterError, one_line
from msft.layout import PROCESS
from msft.output import whole
from msft.particle import Particles
from msft.pattern import Simulation
from msft.turns import turn
from msft.units import NANOMETRE

__all__ = [
    "RESULT",
    "Predictions",
    "append",
    "complete",
    "compressed",
    "lay_out",
    "open_predictions",
    "truncate",
    "write_predictions",
    "write_table",
]

BLOCK = 256
"""Frames that are read back at a time."""

Compressed = Mapping[str, Iterable[list[bytes]]]
"""Chunks of the images, by name, a few at a time."""


def compressed(inversion: Inversion, threads: Executor | None = None) -> Compressed:
    """The images of some frames as `append` takes them; threads, if there are any, begin with all at once."""
    mask = (~inversion.valid).view(np.uint8)
    images = {"measured": inversion.measured, "resimulated": inversion.resimulated}
    return {
        **{name: portions(pictures, threads, GREY_LEVELS) for name, pictures in images.items()},
        "mask": portions(mask, threads),
    }


def append(file: h5py.File, estimates: Estimates, source: str, images: Compressed) -> None:
    """Add the estimates and the compressed images of some frames to a file that was laid out.

    Between two portions of the images whoever reads another file meanwhile has HDF5.
    """
    values = {
        "quaternion": estimates.particles.orientation,
        "radius": estimates.particles.radius * NANOMETRE,
        "radius_sigma": estimates.radius_sigma * NANOMETRE,
        "orientation_sigma": estimates.orientation_sigma,
        "agreement": estimates.agreement,
        "score": np.full(len(estimates), np.nan) if estimates.score is None else estimates.score,
        "flags": estimates.flags,
        "frame": estimates.frames,
        "patterns_used": estimates.patterns_used,
        "beam": estimates.beam,
        "alternative_1/quaternion": estimates.alternatives.orientation,
        "alternative_1/radius": estimates.alternatives.radius * NANOMETRE,
        "alternative_1/agreement": estimates.alternatives.agreement,
        "source": [source] * len(estimates),
        "body": estimates.particles.bodies.tolist(),
        "alternative_1/body": estimates.alternatives.bodies.tolist(),
    }
    with turn():
        result = file[RESULT]
        first = len(result["frame"])
        last = first + len(estimates)
        for name, column in values.items():
            data = result[name]  # looked up once: that takes half as long as writing it
            data.resize(last, axis=0)
            data[first:last] = column
    for name, chunks_of_parts in images.items():
        with turn():
            stack = result[name]
            stack.resize(last, axis=0)
        rows = count(first)
        for chunks in chunks_of_parts:
            with turn():
                for chunk, row in zip(chunks, rows, strict=False):
                    stack.id.write_direct_chunk((row, 0, 0), chunk)
    with turn():
        file[PROCESS].attrs.modify("written", last)


def truncate(file: h5py.File) -> int:
    """Drop what an append that was interrupted left; returns the number of frames that there are."""
    result, written = file[RESULT], int(file[PROCESS].attrs["written"])
    for name in (*COLUMNS, *TEXTS, *IMAGES):
        result[name].resize(written, axis=0)
    return written


def complete(file: h5py.File) -> None:
    """Say that all frames are there."""
    file[PROCESS].attrs["complete"] = True


def write_predictions(
    path: Path,
    inversion: Inversion,
    frames: Frames,
    provenance: Mapping[str, Any],
    sigma_means: str,
    simulation: Simulation | None = None,
) -> None:
    """Write estimates and images of all frames at once, whole or not at all; see `lay_out`."""
    with whole(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        size = inversion.measured.shape[1:]
        lay_out(file, (size[0], size[1]), simulation or frames.simulation, provenance, sigma_means)
        append(file, inversion.estimates, frames.source, compressed(inversion))
        complete(file)


class Predictions:
    """A file of predictions, open for reading; use `open_predictions`.

    Attributes
    ----------
    detector
        On which the frames were re-simulated; None if the file does not say.
    provenance
        Attributes of ``process_1``.
    complete
        False while more frames are to come: whoever wrote the file is at it, or was interrupted.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._result = file[RESULT]
        self.provenance = dict(file[PROCESS].attrs)
        self.detector: Detector | None = None
        if "simulation" in self.provenance:
            stated = json.loads(self.provenance["simulation"])
            self.detector = from_mapping(Simulation, stated, "simulation").detector
        check_layout(self._result)
        lengths = {len(self._result[name]) for name in (*COLUMNS, *TEXTS, *IMAGES)}
        self.complete = bool(self.provenance.get("complete", True))
        # what an append that was interrupted left is in some of the columns only
        self._count = min(lengths) if self.complete else int(self.provenance["written"])
        if not 0 <= self._count <= min(lengths) or (self.complete and len(lengths) > 1):
            raise ValueError("columns of several lengths")

    def __len__(self) -> int:
        """The number of frames."""
        return self._count

    @property
    def sources(self) -> list[str]:
        """Files and arrays that the frames came from, each once."""
        with _understood(self.path):
            return sorted(set(self._result["source"].asstr()[: len(self)]))

    def estimates(self, rows: slice = slice(None)) -> Estimates:
        """Some of the estimates.

        Raises
        ------
        ParameterError
            If they are no particles.
        """
        with _understood(self.path):
            return self._estimates(slice(*rows.indices(len(self))))

    def _estimates(self, rows: slice) -> Estimates:
        column = {name: self._result[name][rows] for name in COLUMNS}
        bodies, others = (
            self._result[name].asstr()[rows].astype(np.str_) for name in ("body", "alternative_1/body")
        )
        return Estimates(
            particles=Particles(column["radius"] / NANOMETRE, column["quaternion"], bodies),
            radius_sigma=column["radius_sigma"] / NANOMETRE,
            orientation_sigma=column["orientation_sigma"],
            agreement=column["agreement"],
            beam=column["beam"],
            alternatives=Alternatives(
                column["alternative_1/radius"] / NANOMETRE,
                column["alternative_1/quaternion"],
                column["alternative_1/agreement"],
                others,
            ),
            flags=column["flags"],
            patterns_used=column["patterns_used"],
            frames=column["frame"],
            score=column["score"],
        )

    def blocks(self) -> Iterator[Estimates]:
        """All estimates, in portions."""
        for first in range(0, len(self), BLOCK):
            yield self.estimates(slice(first, first + BLOCK))

    def images(
        self, rows: NDArray[np.int64] | slice
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
        """Measured and re-simulated images, float32 (n, H, W), and the compared pixels, bool."""
        if isinstance(rows, slice):
            rows = slice(*rows.indices(len(self)))
        measured, resimulated, mask = (self._result[name][rows] for name in IMAGES)
        return measured, resimulated, mask == 0


@contextmanager
def open_predictions(path: Path) -> Iterator[Predictions]:
    """Open a file that an inverter of this toolkit wrote.

    Raises
    ------
    ParameterError
        If it is missing, unreadable, or of another layout.
    """
    with open_hdf5(path, "predictions") as file:
        with _understood(path):
            if dataset_at(file, f"{RESULT}/quaternion") is None:
                raise KeyError("quaternion")
            predictions = Predictions(path, file)
            if not len(predictions):
                raise ValueError("no frames")
        yield predictions


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Reading of a file in which something else may stand."""
    try:
        yield
    except (*MISREAD, RuntimeError) as error:  # so HDF5 says of some damage
        allowed = f"a file that `invert predict` wrote ({one_line(error)})"
        raise ParameterError("predictions", path, allowed) from None
