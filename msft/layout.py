"""Dataset files being written: their groups and attributes, and patterns appended to them.

The layout is told in `msft.dataset`, which reads it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.compression import FILTERS, chunks
from msft.configuration import to_mapping
from msft.detector import Detector, EwaldDetector
from msft.helium.rules import labels_of
from msft.output import whole
from msft.particle import Particles
from msft.pattern import Simulation
from msft.units import NANOMETRE, photon_energy

CXI_VERSION = 160
MASK_MISSING = 0x200
Scale = Literal["linear", "log"]
DATA = "/entry_1/data_1/data"
SAMPLE = "/entry_1/sample_1"
OPTICS = "/entry_1/optics_1"
PROCESS = "/entry_1/process_1"

UNIT_OF: dict[str, float] = {"wavelength": NANOMETRE, "absorption_length": NANOMETRE}
"""Fields of the optics that files hold in metres."""


class PatternWriter:
    """Appends patterns to a file that `lay_out` has laid out, from row `filled` on."""

    def __init__(self, file: h5py.File, filled: int = 0) -> None:
        self._file = file
        self.filled = filled

    def append(
        self,
        patterns: NDArray[np.float32],
        particles: Particles,
        optics: Mapping[str, NDArray[np.float64]] | None = None,
        labels: NDArray[np.uint8] | None = None,
    ) -> None:
        """Write the next patterns (n, H, W), with all that they show as for `append_chunks`."""
        self.append_chunks(chunks(patterns), particles, optics, labels)

    def append_chunks(
        self,
        compressed: Sequence[bytes],
        particles: Particles,
        optics: Mapping[str, NDArray[np.float64]] | None = None,
        labels: NDArray[np.uint8] | None = None,
    ) -> None:
        """Write the next patterns as `msft.compression.chunks` gives them, with all that they show.

        Parameters
        ----------
        compressed, particles
            n patterns and their particles.
        optics
            Those fields of `msft.optics.Optics` that differ from pattern to pattern, each (n,).
        labels
            Of a labelled file, 0 or 1, shape (n, C); those of the droplets by default.
        """
        rows = slice(self.filled, self.filled + len(compressed))
        patterns = self._file[DATA].id
        for row, chunk in enumerate(compressed, start=self.filled):
            patterns.write_direct_chunk((row, 0, 0), chunk)
        sample = self._file[SAMPLE]
        sample["orientation"][rows] = particles.orientation
        sample["radius"][rows] = particles.radius * NANOMETRE
        sample["stretch"][rows] = particles.stretch
        names = np.char.encode(particles.bodies, "utf-8")
        sample["body"][rows] = names.astype(sample["body"].dtype)
        if "labels" in sample:
            sample["labels"][rows] = labels_of(particles) if labels is None else labels
        for name, values in (optics or {}).items():
            self._file[OPTICS][name][rows] = values * UNIT_OF.get(name, 1.0)
        self.filled = rows.stop

    def append_filtered(self, masks: NDArray[np.integer], steps: Sequence[str]) -> None:
        """Write the masks (n, H, W) and the filters' records of the patterns appended last."""
        rows = slice(self.filled - len(steps), self.filled)
        self._file["/entry_1/data_1/mask"][rows] = masks
        self._file[PROCESS]["filter"][rows] = steps


@contextmanager
def create(
    path: Path,
    count: int,
    simulation: Simulation,
    provenance: Mapping[str, Any],
    scale: Scale = "linear",
    *,
    varying: Sequence[str] = (),
    wavenumber: float | None = None,
    labels: Sequence[str] = (),
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
    varying, wavenumber, labels
        As for `lay_out`.
    """
    with whole(path) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        lay_out(
            file, count, simulation, provenance, scale, varying=varying, wavenumber=wavenumber, labels=labels
        )
        yield PatternWriter(file)
        file[PROCESS].attrs["complete"] = True
        # the file is closed, hence on disk as HDF5 sees it, before it gets its name


def _group(parent: h5py.Group, name: str, nexus_class: str) -> h5py.Group:
    group = parent.create_group(name)
    group.attrs["NX_class"] = nexus_class
    return group


def lay_out(
    file: h5py.File,
    count: int,
    simulation: Simulation,
    provenance: Mapping[str, Any],
    scale: Scale = "linear",
    *,
    varying: Sequence[str] = (),
    wavenumber: float | None = None,
    longest_name: int | None = None,
    labels: Sequence[str] = (),
    virtual: h5py.VirtualLayout | None = None,
) -> None:
    """Everything but the patterns and what they show.

    Parameters
    ----------
    file
        An empty file.
    count, simulation, provenance, scale
        As for `create`.
    varying
        Fields of `msft.optics.Optics` that differ from pattern to pattern.
    wavenumber
        The smallest one in nm^-1, if it differs: the mask names the pixels that one pattern or the other
        leaves dark.
    longest_name
        Bytes of the longest name of a body; without it, names are strings of variable length.
    labels
        Names of the labels that the particles have.
    virtual
        Where the patterns lie in other files, if they do.
    """
    pixels = simulation.detector.pixels
    file["cxi_version"] = CXI_VERSION
    file.attrs.update(NX_class="NXroot", default="entry_1")
    entry = _group(file, "entry_1", "NXentry")
    entry.attrs["default"] = "data_1"
    data = _group(entry, "data_1", "NXdata")
    data.attrs["signal"] = "data"
    if virtual is None:
        shape = (count, pixels, pixels)
        patterns = data.create_dataset("data", shape, "<f4", chunks=(1, pixels, pixels), **FILTERS)
    else:
        # a pattern whose shard is lost reads as NaN, not as darkness
        patterns = data.create_virtual_dataset("data", virtual, fillvalue=np.nan)
    patterns.attrs.update(scale=scale, interpretation="image")
    if scale == "log":
        data.create_dataset("mask", patterns.shape, "u4", chunks=patterns.chunks, **FILTERS)
    _lay_out_sample(_group(entry, "sample_1", "NXsample"), count, longest_name, labels)
    if varying:
        _lay_out_optics(_group(entry, "optics_1", "NXcollection"), count, varying)
    instrument = _group(entry, "instrument_1", "NXinstrument")
    _write_source(_group(instrument, "source_1", "NXsource"), simulation)
    detector = _group(instrument, "detector_1", "NXdetector")
    _write_detector(detector, simulation, wavenumber)
    # the same patterns where CXI has them, too
    detector["data"] = h5py.SoftLink(DATA)
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


def _lay_out_sample(sample: h5py.Group, count: int, longest_name: int | None, labels: Sequence[str]) -> None:
    sample.create_dataset("orientation", (count, 4), "f8")
    sample.create_dataset("radius", (count,), "f8").attrs["units"] = "m"
    sample.create_dataset("stretch", (count,), "f8")
    sample.create_dataset("body", (count,), h5py.string_dtype(length=longest_name))
    if labels:
        sample.create_dataset("labels", (count, len(labels)), "u1").attrs["names"] = list(labels)


def _lay_out_optics(group: h5py.Group, count: int, varying: Sequence[str]) -> None:
    for name in varying:
        values = group.create_dataset(name, (count,), "f8")
        if name in UNIT_OF:
            values.attrs["units"] = "m"


def _write_source(source: h5py.Group, simulation: Simulation) -> None:
    wavelength = simulation.optics.wavelength
    source["energy"] = photon_energy(wavelength)
    source["energy"].attrs["units"] = "J"
    source["wavelength"] = wavelength * NANOMETRE
    source["wavelength"].attrs["units"] = "m"


def _write_detector(group: h5py.Group, simulation: Simulation, wavenumber: float | None) -> None:
    detector = simulation.detector
    group["geometry"] = detector.geometry
    if isinstance(detector, EwaldDetector):
        group["q_step"] = detector.q_step / NANOMETRE
        group["q_step"].attrs["units"] = "1/m"
    else:
        for field in ("pixel_size", "distance"):
            group[field] = getattr(detector, field) * 1e-3
            group[field].attrs["units"] = "m"
    group.create_dataset("mask", data=missing_pixels(simulation, wavenumber))


def missing_pixels(simulation: Simulation, wavenumber: float | None = None) -> NDArray[np.uint32]:
    """CXI mask (H, W) of a simulation: 0 where light can arrive, `MASK_MISSING` elsewhere.

    The wavenumber is the simulation's own, or another one in nm^-1.
    """
    detector: Detector = simulation.detector
    mask = np.full(detector.pixels**2, MASK_MISSING, dtype=np.uint32)
    mask[detector.scattering_vectors(wavenumber or simulation.optics.wavenumber).pixel] = 0
    return mask.reshape(detector.pixels, detector.pixels)
