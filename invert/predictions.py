"""Inversions as HDF5, appended batch by batch and read back: estimates, images and provenance.

Layout, in SI units; N frames::

    /entry_1/result_1/quaternion (N, 4) w, x, y, z | radius, radius_sigma (N,) m | orientation_sigma (N,) rad
                      agreement, score (N,) | flags (N,) u4, bits by the attribute `names` | frame (N,)
                      patterns_used (N,) | beam (N, 2) px | source, body (N,) str
                      alternative_1/{quaternion, radius, agreement}
                      measured, resimulated (N, H, W) f4, log grey values in [0, 1]
                      mask (N, H, W) u1, 0 where the two were compared
    /entry_1/process_1 attributes: provenance; `simulation` as JSON
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import msft
from invert.estimate import FLAGS, Alternatives, Estimates, Inversion
from invert.frames import Frames
from invert.reading.places import dataset_at
from invert.table import write_table
from msft.compression import FILTERS, chunks
from msft.configuration import from_mapping, to_mapping
from msft.dataset import CXI_VERSION, open_hdf5
from msft.detector import Detector
from msft.errors import ParameterError
from msft.layout import PROCESS
from msft.output import whole
from msft.particle import Particles
from msft.pattern import Simulation
from msft.units import NANOMETRE

__all__ = [
    "RESULT",
    "Predictions",
    "append",
    "complete",
    "lay_out",
    "open_predictions",
    "truncate",
    "write_predictions",
    "write_table",
]

RESULT = "/entry_1/result_1"

BLOCK = 256
"""Frames that are read back at a time."""

_COLUMNS: dict[str, tuple[str, int]] = {
    "quaternion": ("f8", 4),
    "radius": ("f8", 0),
    "radius_sigma": ("f8", 0),
    "orientation_sigma": ("f8", 0),
    "agreement": ("f8", 0),
    "score": ("f8", 0),
    "flags": ("u4", 0),
    "frame": ("i8", 0),
    "patterns_used": ("i8", 0),
    "beam": ("f8", 2),
    "alternative_1/quaternion": ("f8", 4),
    "alternative_1/radius": ("f8", 0),
    "alternative_1/agreement": ("f8", 0),
}
"""Type and width of the columns of numbers; 0 for one number a frame."""

_TEXTS = ("source", "body")
_IMAGES = ("measured", "resimulated", "mask")

_UNITS = {
    "radius": "m",
    "radius_sigma": "m",
    "orientation_sigma": "rad",
    "alternative_1/radius": "m",
    "beam": "pixel",
}
_MEANINGS = {
    "beam": "row and column in pixels from the detector's centre [n/2, n/2]",
    "alternative_1": "a different particle that explains the frame almost as well; or NaN",
    "score": "0 to 1, how likely a particle explains the frame at all; NaN where no network was asked",
    "agreement": "correlation of the measured and the re-simulated log pattern over the compared pixels",
}


def lay_out(
    file: h5py.File,
    size: tuple[int, int],
    simulation: Simulation | None,
    provenance: Mapping[str, Any],
    sigma_means: str,
) -> None:
    """Groups and empty columns of a new file.

    Parameters
    ----------
    file
        Open for writing, and empty.
    size
        Rows and columns of a frame.
    simulation
        By which the frames were re-simulated, if it is known.
    provenance
        Attributes of ``process_1``, `program` among them.
    sigma_means
        What the uncertainties are.
    """
    file["cxi_version"] = CXI_VERSION
    file.attrs["default"] = "entry_1"
    entry = file.create_group("entry_1")
    entry.attrs.update(NX_class="NXentry", default="result_1")
    result = entry.create_group("result_1")
    result.attrs.update(NX_class="NXdata", signal="measured")
    for name, (kind, width) in _COLUMNS.items():
        shape = (width,) if width else ()
        result.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(1024, *shape))
    for name in _TEXTS:
        result.create_dataset(name, (0,), h5py.string_dtype(), maxshape=(None,), chunks=(1024,))
    for name in ("measured", "resimulated"):
        images = result.create_dataset(
            name, (0, *size), "<f4", maxshape=(None, *size), chunks=(1, *size), **FILTERS
        )
        images.attrs["scale"] = "log"
    result.create_dataset(
        "mask",
        (0, *size),
        "u1",
        maxshape=(None, *size),
        chunks=(1, *size),
        compression="gzip",
        compression_opts=1,
    )
    for name, unit in _UNITS.items():
        result[name].attrs["units"] = unit
    for name, meaning in _MEANINGS.items():
        result[name].attrs["meaning"] = meaning
    for name in ("orientation_sigma", "radius_sigma"):
        result[name].attrs["meaning"] = sigma_means
    result["flags"].attrs["names"] = json.dumps(FLAGS)
    process = entry.create_group("process_1")
    process.attrs.update(NX_class="NXprocess", version=msft.__version__, written=0, complete=False)
    if simulation is not None:
        process.attrs["simulation"] = json.dumps(to_mapping(simulation))
    process.attrs.update(provenance)


def append(file: h5py.File, inversion: Inversion, source: str) -> None:
    """Add the estimates and images of some frames to a file that was laid out."""
    result, estimates = file[RESULT], inversion.estimates
    first = len(result["frame"])
    last = first + len(estimates)
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
        "mask": ~inversion.valid,
    }
    for name, column in values.items():
        result[name].resize(last, axis=0)
        result[name][first:last] = column
    for name, images in (("measured", inversion.measured), ("resimulated", inversion.resimulated)):
        result[name].resize(last, axis=0)
        for row, chunk in enumerate(chunks(images), first):
            result[name].id.write_direct_chunk((row, 0, 0), chunk)
    file[PROCESS].attrs.modify("written", last)


def truncate(file: h5py.File) -> int:
    """Drop what an append that was interrupted left; returns the number of frames that there are."""
    result, written = file[RESULT], int(file[PROCESS].attrs["written"])
    for name in (*_COLUMNS, *_TEXTS, *_IMAGES):
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
        append(file, inversion, frames.source)
        complete(file)


class Predictions:
    """A file of predictions, open for reading; use `open_predictions`.

    Attributes
    ----------
    detector
        On which the frames were re-simulated; None if the file does not say.
    provenance
        Attributes of ``process_1``.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._result = file[RESULT]
        self.provenance = dict(file[PROCESS].attrs)
        self.detector: Detector | None = None
        if "simulation" in self.provenance:
            stated = json.loads(self.provenance["simulation"])
            self.detector = from_mapping(Simulation, stated, "simulation").detector
        if len({len(self._result[name]) for name in (*_COLUMNS, *_TEXTS, *_IMAGES)}) != 1:
            raise ValueError("columns of several lengths")

    def __len__(self) -> int:
        """The number of frames."""
        return len(self._result["frame"])

    @property
    def sources(self) -> list[str]:
        """Files and arrays that the frames came from, each once."""
        return sorted(set(self._result["source"].asstr()[:]))

    def estimates(self, rows: slice = slice(None)) -> Estimates:
        """Some of the estimates."""
        column = {name: self._result[name][rows] for name in _COLUMNS}
        bodies = self._result["body"].asstr()[rows].astype(np.str_)
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
        measured, resimulated, mask = (self._result[name][rows] for name in _IMAGES)
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
        try:
            if dataset_at(file, f"{RESULT}/quaternion") is None:
                raise KeyError("quaternion")
            predictions = Predictions(path, file)
            if not len(predictions):
                raise ValueError("no frames")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise ParameterError(
                "predictions", path, f"a file that `invert predict` wrote ({reason})"
            ) from None
        yield predictions
