"""Whether a file is a dataset of the layout of `msft.dataset`, and its patterns those of its particles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.dataset import MISREAD, PatternFile, open_hdf5, read_recipe
from msft.errors import ParameterError, one_line
from msft.helium.labels import NAMES, broken_rules
from msft.helium.rules import labels_of
from msft.layout import CXI_VERSION, DATA, SAMPLE
from msft.particle import SMALLEST_RADIUS
from msft.seeding import check_seed
from msft.shots import Shots
from msft.symmetry import to_fundamental_domain
from msft.units import NANOMETRE, photon_energy

TOLERANCE = 1e-4
"""Relative L2 error of a magnitude that is simulated again; back ends and precisions differ by less."""

_CLASSES = {
    "/": "NXroot",
    "/entry_1": "NXentry",
    "/entry_1/data_1": "NXdata",
    "/entry_1/sample_1": "NXsample",
    "/entry_1/instrument_1": "NXinstrument",
    "/entry_1/instrument_1/source_1": "NXsource",
    "/entry_1/instrument_1/detector_1": "NXdetector",
    "/entry_1/process_1": "NXprocess",
}


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes
    ----------
    check
        What was looked at.
    fault
        What is wrong with it; empty if nothing is.
    """

    check: str
    fault: str = ""


def validate(
    path: Path,
    sample: int = 16,
    seed: int = 0,
    *,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Finding]:
    """Check a file against the layout, and simulate some of its patterns again.

    Parameters
    ----------
    path
        Of the file.
    sample
        Patterns that are read and simulated again, chosen at random; all, if there are fewer.
    seed
        Of that choice.
    progress
        Called with 0 when the first is read, then with the number of patterns done.

    Returns
    -------
    What every check found, in the order in which they were made. A file that cannot be opened as a dataset
    is not simulated.

    Raises
    ------
    ParameterError
        If the file is missing or is no HDF5 file, or `sample` or the seed is below 0.
    """
    if sample < 0:
        raise ParameterError("sample", sample, "0 or more patterns")
    check_seed(seed)
    with open_hdf5(path) as file:
        findings = [*_layout(file)]
        try:
            patterns = PatternFile(path, file)
        except MISREAD as error:
            return [*findings, Finding("opens as a dataset", one_line(error))]
        findings += [Finding("opens as a dataset"), *_particles(patterns, file)]
        count = min(sample, len(patterns))
        chosen = np.sort(np.random.default_rng(seed).choice(len(patterns), count, replace=False))
        progress(0)
        faults = {"patterns finite and not negative": ""}
        if patterns.scale == "linear":  # what a filter has changed is not simulated
            faults["patterns simulated again"] = ""
        for index in chosen:
            for check, fault in _pattern(patterns, int(index)):
                faults[check] = faults[check] or fault
            progress(1)
        name = f"{count} of {len(patterns)} "
        findings += [Finding(name + check, fault) for check, fault in faults.items()]
        if "seed" in patterns.provenance and "first" in patterns.provenance:
            check = name + "particles drawn again"
            findings.append(_finding(check, lambda: _drawn(patterns, chosen)))
    return findings


def _finding(check: str, look: Callable[[], str]) -> Finding:
    """What `look` found; where it meets something else than what it looks for, that is the fault."""
    try:
        return Finding(check, look())
    except MISREAD as error:
        return Finding(check, one_line(error))


def _layout(file: h5py.File) -> Iterator[Finding]:
    for place, wanted in _CLASSES.items():
        found = file[place].attrs.get("NX_class") if place in file else "nothing"
        yield Finding(f"{place} is {wanted}", "" if found == wanted else f"it is {found}")
    yield _finding(f"cxi_version {CXI_VERSION}", lambda: _version(file))
    yield _finding("viewers find the patterns", lambda: _default(file))
    data = file.get(DATA)
    if not isinstance(data, h5py.Dataset):
        yield Finding(f"{DATA} is there", "it is not")
        return
    good = data.ndim == 3 and data.dtype == np.float32
    yield Finding(f"{DATA} (N, H, W) f4", "" if good else f"shape {data.shape}, {data.dtype}")
    if good and not data.is_virtual:
        chunked = data.chunks == (1, *data.shape[1:]) and data.compression is not None
        fault = "" if chunked else f"chunks {data.chunks}, compression {data.compression}"
        yield Finding("chunked by pattern, compressed", fault)
        if data.chunks is not None:
            there = data.id.get_num_chunks()
            yield Finding(
                "every pattern was written", "" if there == len(data) else f"{there} of {len(data)}"
            )
    for name, shape, kind in (("orientation", (len(data), 4), "f8"), ("radius", (len(data),), "f8")):
        column = file.get(f"{SAMPLE}/{name}")
        found = (column.shape, column.dtype.str[1:]) if isinstance(column, h5py.Dataset) else "missing"
        yield Finding(f"{SAMPLE}/{name} {kind}", "" if found == (shape, kind) else f"{found}")
    yield _finding("energy is that of the wavelength", lambda: _energy(file))


def _version(file: h5py.File) -> str:
    version = file["cxi_version"][()] if "cxi_version" in file else "missing"
    return "" if version == CXI_VERSION else f"it is {version}"


def _default(file: h5py.File) -> str:
    default = file.attrs.get("default"), file["/entry_1"].attrs.get("default") if "/entry_1" in file else None
    return "" if default == ("entry_1", "data_1") else f"default {default}"


def _energy(file: h5py.File) -> str:
    source = file.get("/entry_1/instrument_1/source_1", {})
    if not {"energy", "wavelength"} <= set(source):
        return "they are not both there"
    energy, wavelength = source["energy"][()], source["wavelength"][()]
    agree = np.isclose(energy, photon_energy(wavelength / NANOMETRE), rtol=1e-6)
    return "" if agree else f"{energy} J at {wavelength} m"


def _particles(patterns: PatternFile, file: h5py.File) -> Iterator[Finding]:
    particles = patterns.particles
    small = particles.radius[particles.radius < SMALLEST_RADIUS]
    yield Finding("radii in m", "" if not small.size else f"one is {small[0] * NANOMETRE:g} m")
    # as it stands in the file: what the reader makes of it is always a unit quaternion
    stored = file[SAMPLE]["orientation"][:].reshape(-1, 4)
    norm = np.linalg.norm(stored, axis=-1)
    good = bool((np.abs(norm - 1) < 1e-9).all() and (stored[:, 0] >= 0).all())
    yield Finding("orientations are unit quaternions, w >= 0", "" if good else "some are not")
    if patterns.label_names == NAMES:
        yield Finding("labels follow from the particles, by the rules", _labels(patterns))
    domain = (particles.bodies == "icosahedron") & (particles.stretch == 1.0)
    if not domain.any():
        return
    gap = np.abs(to_fundamental_domain(stored[domain]) - stored[domain]).max()
    yield Finding("icosahedra in the fundamental domain", "" if gap < 1e-9 else "some are not")


def _labels(patterns: PatternFile) -> str:
    """What is wrong with the labels, or differs from those that the particles have."""
    try:
        broken = [rule for rule, count in broken_rules(patterns.labels).items() if count]
        wrong = (labels_of(patterns.particles) != patterns.labels).any(axis=1)
    except ParameterError as error:  # no labels, or of other particles than droplets
        return str(error)
    if broken:
        return f"not in all patterns: {broken[0]}"
    return f"those of pattern {np.argmax(wrong)} are others" if wrong.any() else ""


def _pattern(patterns: PatternFile, index: int) -> Iterator[tuple[str, str]]:
    try:
        stored = patterns.patterns(index)
    except OSError as error:
        yield "patterns finite and not negative", f"pattern {index} cannot be read: {error}"
        return
    if not (np.isfinite(stored).all() and (stored >= 0).all()):
        yield "patterns finite and not negative", f"pattern {index} has negative or infinite values"
        return
    if patterns.scale != "linear":
        return
    try:
        simulation = replace(patterns.shots.simulation_of(index), backend="auto")
        again = Shots(patterns.particles[index : index + 1], simulation).intensity()[0]
    except ParameterError as error:  # of optics or particles that cannot be
        yield "patterns simulated again", f"pattern {index} cannot be: {error}"
        return
    # of magnitudes: the intensity at large angles is far below the tolerance beside the forward peak
    one, other = np.sqrt(stored.astype(np.float64)), np.sqrt(again.astype(np.float64))
    gap = float(np.linalg.norm(one - other) / (np.linalg.norm(other) or 1.0))
    if gap > TOLERANCE:
        yield "patterns simulated again", f"the magnitude of pattern {index} is off by {100 * gap:.2g} %"


def _drawn(patterns: PatternFile, chosen: NDArray[np.int64]) -> str:
    """What differs from the particles that the seed gives."""
    again = read_recipe(patterns.provenance).shots(chosen + int(patterns.provenance["first"]))
    stored = patterns.particles[chosen]
    pairs = {
        name: (getattr(again.particles, name), getattr(stored, name))
        for name in ("radius", "orientation", "stretch")
    }
    pairs |= {name: (values, patterns.shots.optics[name][chosen]) for name, values in again.optics.items()}
    for name, (one, other) in pairs.items():
        close = np.isclose(one, other, rtol=1e-12, atol=1e-12)
        wrong = ~close.all(axis=tuple(range(1, close.ndim)))
        if wrong.any():
            return f"the {name} of pattern {chosen[wrong][0]} is another"
    wrong = again.particles.bodies != stored.bodies
    return f"the body of pattern {chosen[wrong][0]} is another" if wrong.any() else ""
