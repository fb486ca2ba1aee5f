"""The HDF5 file of patterns, CXI-flavoured: written batch by batch, read lazily.

Layout, in SI units::

    /cxi_version                                 160
    /entry_1/data_1/data          (N, H, W) f4   |A|^2, relative units, chunked by pattern, compressed
    /entry_1/data_1/mask          (N, H, W) u4   of filtered patterns (scale "log"), CXI bits
    /entry_1/sample_1/orientation (N, 4)    f8   quaternion w, x, y, z in the fundamental domain
    /entry_1/sample_1/radius      (N,)      f8   circumsphere radius in m
    /entry_1/sample_1/body        (N,)      str
    /entry_1/instrument_1/source_1/{energy, wavelength}
    /entry_1/instrument_1/detector_1/{geometry, q_step | pixel_size and distance, mask}
    /entry_1/process_1            attributes: provenance; `complete` is set last
    /entry_1/process_1/filter     (N,)      str  of filtered patterns: what was drawn, JSON

The mask holds CXI bits: 0 good, 0x200 outside the Ewald sphere, where there is no signal.
"""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.configuration import from_mapping, to_mapping
from msft.detector import Detector, EwaldDetector
from msft.errors import ParameterError
from msft.output import whole
from msft.particle import Particles
from msft.pattern import Simulation
from msft.units import NANOMETRE, photon_energy

CXI_VERSION = 160
MASK_MISSING = 0x200
Scale = Literal["linear", "log"]
DATA = "/entry_1/data_1/data"


@contextmanager
def open_hdf5(path: Path, field: str = "dataset") -> Iterator[h5py.File]:
    """An HDF5 file for reading; whatever HDF5 finds wrong with it becomes one line.

    Raises
    ------
    ParameterError
        If the file is missing, is not HDF5, or cannot be read to its end.
    """
    import hdf5plugin  # noqa: F401  registers the compression filters that beamlines use

    if not path.exists():
        raise ParameterError(field, path, "a file that exists")
    if path.is_dir():
        raise ParameterError(field, path, "an HDF5 file, not a folder")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise _unreadable(field, path, error) from None
    with file:
        try:
            yield file
        except OSError as error:
            # what the caller does with other files in the meantime names the file, or fails on writing
            if error.filename is not None or error.errno not in (None, errno.EIO):
                raise
            raise _unreadable(field, path, error) from None


def _unreadable(field: str, path: Path, error: OSError) -> ParameterError:
    return ParameterError(field, path, f"a readable HDF5 file ({str(error).splitlines()[0]})")


class PatternWriter:
    """Appends patterns to a file that `create` has laid out."""

    def __init__(self, file: h5py.File) -> None:
        self._file = file
        self._filled = 0

    def append(self, patterns: NDArray[np.float32], particles: Particles) -> None:
        """Write the next patterns (n, H, W) and the particles that they show."""
        rows = slice(self._filled, self._filled + len(patterns))
        self._file[DATA][rows] = patterns
        sample = self._file["/entry_1/sample_1"]
        sample["orientation"][rows] = particles.orientation
        sample["radius"][rows] = particles.radius * NANOMETRE
        sample["body"][rows] = particles.body
        self._filled = rows.stop

    def append_filtered(self, masks: NDArray[np.integer], steps: Sequence[str]) -> None:
        """Write the masks (n, H, W) and the filters' records of the patterns appended last."""
        rows = slice(self._filled - len(steps), self._filled)
        self._file["/entry_1/data_1/mask"][rows] = masks
        self._file["/entry_1/process_1/filter"][rows] = steps


@contextmanager
def create(
    path: Path, count: int, simulation: Simulation, provenance: Mapping[str, Any], scale: Scale = "linear"
) -> Iterator[PatternWriter]:
    """A new file for `count` patterns, which appears whole when the block ends without an exception.

    Parameters
    ----------
    path
        Where the file appears; what is there is replaced.
    count
        Number of patterns that will be appended.
    simulation
        How they are simulated; its parts are stored.
    provenance
        Further attributes of ``process_1``.
    scale
        ``linear`` intensity, or ``log``: grey values in [0, 1] as `augment.scaling.log_scale` gives them.
    """
    with whole(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        _lay_out(file, count, simulation, provenance, scale)
        yield PatternWriter(file)
        file["/entry_1/process_1"].attrs["complete"] = True
        # the file is closed, hence on disk as HDF5 sees it, before it gets its name


def _group(parent: h5py.Group, name: str, nexus_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus_class
    return group


def _lay_out(
    file: h5py.File, count: int, simulation: Simulation, provenance: Mapping[str, Any], scale: Scale
) -> None:
    pixels = simulation.detector.pixels
    file["cxi_version"] = CXI_VERSION
    file.attrs["default"] = "entry_1"
    entry = _group(file, "entry_1", "NXentry")
    entry.attrs["default"] = "data_1"
    data = _group(entry, "data_1", "NXdata")
    data.attrs["signal"] = "data"
    patterns = data.create_dataset(
        "data",
        (count, pixels, pixels),
        "f4",
        chunks=(1, pixels, pixels),
        # gzip: read by everything that reads HDF5
        compression="gzip",
        compression_opts=1,
        shuffle=True,
    )
    patterns.attrs["scale"] = scale
    if scale == "log":
        data.create_dataset(
            "mask", patterns.shape, "u4", chunks=patterns.chunks, compression="gzip", compression_opts=1
        )
    sample = _group(entry, "sample_1", "NXsample")
    sample.create_dataset("orientation", (count, 4), "f8")
    sample.create_dataset("radius", (count,), "f8").attrs["units"] = "m"
    sample.create_dataset("body", (count,), h5py.string_dtype())
    instrument = _group(entry, "instrument_1", "NXinstrument")
    _write_source(_group(instrument, "source_1", "NXsource"), simulation)
    _write_detector(_group(instrument, "detector_1", "NXdetector"), simulation)
    process = _group(entry, "process_1", "NXprocess")
    process.attrs.update(provenance)
    process.attrs.update(
        solver=simulation.solver,
        absorption=simulation.optics.absorption,
        absorption_length=simulation.optics.absorption_length * NANOMETRE,
        simulation=json.dumps(to_mapping(simulation)),
        complete=False,
    )
    if scale == "log":
        process.create_dataset("filter", (count,), h5py.string_dtype())


def _write_source(source: h5py.Group, simulation: Simulation) -> None:
    wavelength = simulation.optics.wavelength
    source["energy"] = photon_energy(wavelength)
    source["energy"].attrs["units"] = "J"
    source["wavelength"] = wavelength * NANOMETRE
    source["wavelength"].attrs["units"] = "m"


def _write_detector(group: h5py.Group, simulation: Simulation) -> None:
    detector = simulation.detector
    group["geometry"] = detector.geometry
    if isinstance(detector, EwaldDetector):
        group["q_step"] = detector.q_step / NANOMETRE
        group["q_step"].attrs["units"] = "1/m"
    else:
        for field in ("pixel_size", "distance"):
            group[field] = getattr(detector, field) * 1e-3
            group[field].attrs["units"] = "m"
    group.create_dataset("mask", data=missing_pixels(simulation))


def missing_pixels(simulation: Simulation) -> NDArray[np.uint32]:
    """CXI mask (H, W) of a simulation: 0 where light can arrive, `MASK_MISSING` elsewhere."""
    detector: Detector = simulation.detector
    mask = np.full(detector.pixels**2, MASK_MISSING, dtype=np.uint32)
    mask[detector.scattering_vectors(simulation.optics.wavenumber).pixel] = 0
    return mask.reshape(detector.pixels, detector.pixels)


class PatternFile:
    """A dataset of this toolkit's layout, open for reading; use `open_patterns`.

    Attributes
    ----------
    path
        Of the file.
    simulation
        How its patterns were simulated.
    particles
        What they show.
    scale
        ``linear`` intensity or ``log`` grey values.
    provenance
        Attributes of ``process_1``.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self.path = path
        self._data = file[DATA]
        process = file["/entry_1/process_1"].attrs
        if not process.get("complete", False):
            raise ParameterError("dataset", path, "a complete dataset; this one was interrupted")
        if self._data.ndim != 3 or self._data.shape[1] != self._data.shape[2]:
            raise ParameterError("dataset", f"{path} of shape {self._data.shape}", "patterns (N, n, n)")
        if self._data.dtype.kind not in "iuf":
            raise ParameterError("dataset", f"{path} of type {self._data.dtype}", "real numbers")
        self.simulation = from_mapping(Simulation, json.loads(process["simulation"]), "simulation")
        sample = file["/entry_1/sample_1"]
        bodies = set(sample["body"].asstr()[:]) if len(self._data) else {"icosahedron"}
        if len(bodies) != 1:
            raise ParameterError("dataset", f"{path} with {len(bodies)} bodies", "patterns of one body")
        self.particles = Particles(
            sample["radius"][:] / NANOMETRE, sample["orientation"][:].reshape(-1, 4), bodies.pop()
        )
        if len(self.particles) != len(self._data):
            raise ParameterError("dataset", path, "as many particles as patterns")
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


@contextmanager
def open_patterns(path: Path) -> Iterator[PatternFile]:
    """Open a dataset of this toolkit's layout.

    Raises
    ------
    ParameterError
        If it is missing, unreadable, incomplete or of another layout.
    """
    with open_hdf5(path) as file:
        try:
            patterns = PatternFile(path, file)
        except ParameterError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise ParameterError("dataset", path, f"a file of this toolkit's layout ({reason})") from None
        yield patterns
