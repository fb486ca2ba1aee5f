"""The HDF5 file of patterns, CXI-flavoured, read lazily; `msft.layout` writes it.

Layout, in SI units::

    /cxi_version                                 160
    /entry_1/data_1/data          (N, H, W) f4   |A|^2, relative units, chunked by pattern, compressed
    /entry_1/data_1/mask          (N, H, W) u4   of filtered patterns (scale "log"), CXI bits
    /entry_1/sample_1/orientation (N, 4)    f8   quaternion w, x, y, z; of an icosahedron
                                                 that is not stretched in the fundamental domain
    /entry_1/sample_1/radius      (N,)      f8   circumsphere radius in m
    /entry_1/sample_1/body        (N,)      str
    /entry_1/sample_1/stretch     (N,)      f8   factor along the body's z axis; without it, 1
    /entry_1/sample_1/labels      (N, C)    u1   optional: 0 or 1, with names in the attribute `names`
    /entry_1/optics_1/{wavelength, absorption_length, delta, beta} (N,) f8
                                                 what differs from pattern to pattern; m and 1
    /entry_1/instrument_1/source_1/{energy, wavelength}
    /entry_1/instrument_1/detector_1/{geometry, q_step | pixel_size and distance, mask}
    /entry_1/process_1            attributes: provenance; `first` is the number of the file's first pattern
                                  in the sequence of its seed; `complete` is set last
    /entry_1/process_1/filter     (N,)      str  of filtered patterns: what was drawn, JSON

The mask holds CXI bits: 0 good, 0x200 outside the Ewald sphere, where there is no signal.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.configuration import from_mapping, from_union
from msft.errors import ParameterError, one_line
from msft.layout import (
    CXI_VERSION,
    DATA,
    MASK_MISSING,
    OPTICS,
    PROCESS,
    SAMPLE,
    UNIT_OF,
    Scale,
    create,
    missing_pixels,
)
from msft.particle import Particles
from msft.pattern import Simulation
from msft.shots import Light, Population, Recipe, Shots
from msft.superblock import has_writer
from msft.units import NANOMETRE

__all__ = [
    "CXI_VERSION",
    "DATA",
    "MASK_MISSING",
    "MISREAD",
    "PatternFile",
    "Scale",
    "create",
    "missing_pixels",
    "open_hdf5",
    "open_patterns",
    "read_recipe",
]


MISREAD = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)
"""What comes of a file in which something else stands, or nothing, where this toolkit reads."""


@contextmanager
def open_hdf5(path: Path, field: str = "dataset", *, growing: bool = False) -> Iterator[h5py.File]:
    """An HDF5 file for reading; whatever HDF5 finds wrong with it becomes one line.

    Parameters
    ----------
    path, field
        The file, and what a message calls it.
    growing
        Whether it may be one that a single writer (SWMR) has open.

    Raises
    ------
    ParameterError
        If the file is missing, is not HDF5, or cannot be read to its end.
    """
    # registers the compression filters that beamlines use; this package's own files need none where it is not
    # installed, as on a machine that was lent for its GPU
    with suppress(ImportError):
        import hdf5plugin  # noqa: F401

    if not path.exists():
        raise ParameterError(field, path, "a file that exists")
    if path.is_dir():
        raise ParameterError(field, path, "an HDF5 file, not a folder")
    if not path.is_file():  # opening a pipe would wait for its writer
        raise ParameterError(field, path, "an HDF5 file, not a pipe or a device")
    try:
        file = h5py.File(path, "r")
    except (OSError, RuntimeError) as error:  # HDF5 2 calls a damaged superblock a RuntimeError
        try:
            if not (growing and has_writer(path)):  # else it is shorter than it should be
                raise error
            file = h5py.File(path, "r", swmr=True)
        except (OSError, RuntimeError, ValueError):
            raise _unreadable(field, path, error) from None
    with file:
        try:
            yield file
        except OSError as error:
            # what the caller does with other files in the meantime names the file, or fails on writing
            if error.filename is not None or error.errno not in (None, errno.EIO):
                raise
            raise _unreadable(field, path, error) from None


def _unreadable(field: str, path: Path, error: Exception) -> ParameterError:
    return ParameterError(field, path, f"a readable HDF5 file ({str(error).splitlines()[0]})")


class PatternFile:
    """A dataset of this toolkit's layout, open for reading; use `open_patterns`.

    Attributes
    ----------
    path
        Of the file.
    shards
        Of the files whose patterns it shows, if it was merged.
    simulation
        How its patterns were simulated.
    particles
        What they show.
    shots
        The particles, each with the optics of its pattern.
    labels, label_names
        What the patterns are labelled with, uint8 (N, C), and the C names; C is 0 where there are no labels.
    scale
        ``linear`` intensity or ``log`` grey values.
    provenance
        Attributes of ``process_1``.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._data = file[DATA]
        process = file[PROCESS].attrs
        if not process.get("complete", False):
            raise ParameterError("dataset", path, "a complete dataset; this one was interrupted")
        if self._data.ndim != 3 or self._data.shape[1] != self._data.shape[2]:
            raise ParameterError("dataset", f"{path} of shape {self._data.shape}", "patterns (N, n, n)")
        if self._data.dtype.kind not in "iuf":
            raise ParameterError("dataset", f"{path} of type {self._data.dtype}", "real numbers")
        self.simulation = _simulation_of(process)
        self.shards = _require_shards(path, file, self.simulation)
        if self.pixels != self.simulation.detector.pixels:
            allowed = f"{self.simulation.detector.pixels} pixels per side, as its simulation has"
            raise ParameterError("dataset", f"{path} of {self.pixels} pixels", allowed)
        self.particles = _read_particles(file[SAMPLE])
        if len(self.particles) != len(self._data):
            raise ParameterError("dataset", path, "as many particles as patterns")
        self.shots = Shots(self.particles, self.simulation, _read_optics(file, len(self._data)))
        self.labels, self.label_names = _read_labels(file[SAMPLE], len(self._data))
        self.scale: Scale = self._data.attrs.get("scale", "linear")
        if self.scale not in get_args(Scale):
            raise ParameterError("scale", self.scale, "linear or log, as the attribute of the patterns")
        self.provenance = {name: value for name, value in process.items() if name != "NX_class"}

    def __len__(self) -> int:
        """The number of patterns."""
        return len(self._data)

    @property
    def pixels(self) -> int:
        """Pixels per side."""
        return int(self._data.shape[1])

    def patterns(self, rows: slice | int) -> NDArray[np.float32]:
        """Intensities of some patterns, float32, shape (n, H, W) or (H, W)."""
        return np.asarray(self._data[rows], dtype=np.float32)


def _read_particles(sample: h5py.Group) -> Particles:
    radius = sample["radius"][:] / NANOMETRE
    return Particles(
        radius,
        sample["orientation"][:].reshape(-1, 4),
        sample["body"].asstr()[:].astype(np.str_) if len(radius) else "icosahedron",
        sample["stretch"][:] if "stretch" in sample else 1.0,
    )


def _read_labels(sample: h5py.Group, count: int) -> tuple[NDArray[np.uint8], tuple[str, ...]]:
    if "labels" not in sample:
        return np.zeros((count, 0), dtype=np.uint8), ()
    names = tuple(map(str, sample["labels"].attrs["names"]))
    if sample["labels"].shape != (count, len(names)):
        allowed = f"one column per name: ({count}, {len(names)})"
        raise ParameterError("labels", f"shape {sample['labels'].shape}", allowed)
    return sample["labels"][:].astype(np.uint8), names


def _read_optics(file: h5py.File, count: int) -> dict[str, NDArray[np.float64]]:
    if OPTICS not in file:
        return {}
    values = {name: column[:] / UNIT_OF.get(name, 1.0) for name, column in file[OPTICS].items()}
    for name, column in values.items():
        if column.shape != (count,):
            raise ParameterError(name, f"shape {column.shape}", f"one per pattern: ({count},)")
    return values


def _simulation_of(process: Mapping[str, Any]) -> Simulation:
    return from_mapping(Simulation, json.loads(process["simulation"]), "simulation")


def _require_shards(path: Path, file: h5py.File, simulation: Simulation) -> tuple[Path, ...]:
    """The shards of a merged file of that simulation, which still show what it says.

    HDF5 reads a shard that is not there as fill values, and another one in its place, without a word.
    """
    data, shards = file[DATA], []
    for source in data.virtual_sources() if data.is_virtual else ():
        name = source.file_name.replace("%%", "%")  # which HDF5 takes for a format
        shards.append(path.absolute().parent / name)
        if not shards[-1].exists():
            raise ParameterError("dataset", path, f"its shards beside it; {name} is not there")
        first, last = (bound[0] for bound in source.vspace.get_select_bounds())
        with open_hdf5(shards[-1]) as shard:
            if not _shows(shard, file[SAMPLE], slice(first, last + 1), simulation):
                allowed = f"its shards as they were merged; {name} shows other particles now"
                raise ParameterError("dataset", path, allowed)
    return tuple(shards)


def _shows(shard: h5py.File, merged: h5py.Group, rows: slice, simulation: Simulation) -> bool:
    """Whether a shard has those rows of the particles of a merged file, and its simulation."""
    # as it is read: a field that a version before did not have is not another simulation
    try:
        alike = _simulation_of(shard[PROCESS].attrs) == simulation
        return alike and all(
            np.array_equal(shard[SAMPLE][name][:], merged[name][rows]) for name in ("radius", "orientation")
        )
    except MISREAD:
        return False


def read_recipe(process: Mapping[str, Any]) -> Recipe:
    """What a generated dataset was made from, from the attributes of its ``process_1``.

    Raises
    ------
    KeyError
        If it was not generated.
    """
    return Recipe(
        int(process["seed"]),
        from_union(Population, json.loads(process["particles"]), "particles"),
        _simulation_of(process),
        from_union(Light, json.loads(process.get("uncertainty", "{}")), "uncertainty"),
    )


def digest(path: Path) -> str:
    """SHA-256 of a dataset: of its file, followed by the shards that it shows if it was merged.

    Raises
    ------
    ParameterError
        As `open_patterns`.
    """
    with open_patterns(path) as patterns:
        files = (path, *patterns.shards)
    content = hashlib.sha256()
    for name in files:
        with name.open("rb") as file:
            hashlib.file_digest(file, lambda: content)
    return content.hexdigest()


@contextmanager
def open_patterns(path: Path) -> Iterator[PatternFile]:
    """Open a dataset of this toolkit's layout.

    Raises
    ------
    ParameterError
        If it is missing, unreadable, incomplete or of another layout.
    """
    with open_hdf5(path) as file:
        if PROCESS not in file or DATA not in file:
            allowed = "a file of `msft generate`; measured frames are for `invert predict` and `fit`"
            raise ParameterError("dataset", path, allowed)
        try:
            patterns = PatternFile(path, file)
        except ParameterError:
            raise
        except MISREAD as error:
            allowed = f"a file of this toolkit's layout ({one_line(error)})"
            raise ParameterError("dataset", path, allowed) from None
        yield patterns
