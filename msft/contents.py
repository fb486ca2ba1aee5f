"""What is in an HDF5 file, ours or anyone's, on one screen."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from msft.configuration import to_mapping
from msft.dataset import MISREAD, PatternFile, open_hdf5
from msft.layout import PROCESS
from msft.units import ELECTRONVOLT, joules, wavelength_of_energy

LINES = 40
"""Lines of a screen."""

MOST_BODIES = 8
"""Of which each is told by its full name."""

_NUMBER = re.compile(r"\d+$")
_CXI_UNITS = {
    "wavelength": "m",
    "distance": "m",
    "pixel_size": "m",
    "x_pixel_size": "m",
    "y_pixel_size": "m",
    "q_step": "1/m",
}
"""Which hold where a file states none."""

_FACTS = {"energy", "geometry", *_CXI_UNITS}
"""Single values that are told."""

_OUR_UNITS = {
    "wavelength": "nm",
    "absorption_length": "nm",
    "q_step": "nm^-1",
    "pixel_size": "mm",
    "distance": "mm",
}
"""Of the fields of a simulation."""


def contents(path: Path) -> dict[str, Any]:
    """What is in a file: of this toolkit's datasets what they hold, of any other HDF5 file its datasets.

    Parameters
    ----------
    path
        Of the file.

    Returns
    -------
    Names and values that JSON knows.

    Raises
    ------
    ParameterError
        If the file is missing or cannot be read.
    """
    with open_hdf5(path) as file:
        if PROCESS in file and file[PROCESS].attrs.get("simulation") is not None:
            try:
                return _of_ours(PatternFile(path, file))
            except MISREAD:
                pass  # of another version, or unfinished: its datasets are there all the same
        return _of_any(path, file)


def _of_ours(patterns: PatternFile) -> dict[str, Any]:
    particles, provenance = patterns.particles, patterns.provenance
    result: dict[str, Any] = {
        "file": str(patterns.path),
        "patterns": len(patterns),
        "pixels": f"{patterns.pixels} x {patterns.pixels}",
        "scale": patterns.scale,
        "body": _bodies(particles.bodies),
        "radius_nm": _span(particles.radius),
        "stretch": _span(particles.stretch),
        **_labels(patterns),
        **{f"optics.{name}": _span(values) for name, values in patterns.shots.optics.items()},
        "simulation": to_mapping(patterns.simulation),
    }
    for name in ("program", "version", "command", "seed", "shards"):
        if name in provenance:
            result[name] = _plain(provenance[name])
    return result


def _bodies(bodies: NDArray[np.str_]) -> dict[str, int]:
    """How many there are of each body; of each kind, if many have proportions of their own."""
    names, counts = np.unique(bodies, return_counts=True)
    if len(names) > MOST_BODIES:
        kinds = np.array([name.partition("(")[0] for name in bodies.tolist()])
        names, counts = np.unique(kinds, return_counts=True)
    return {str(name): int(count) for name, count in zip(names, counts, strict=True)}


def _labels(patterns: PatternFile) -> dict[str, dict[str, int]]:
    if not patterns.label_names:
        return {}
    counts = patterns.labels.sum(axis=0, dtype=np.int64).tolist()
    return {"labels": dict(zip(patterns.label_names, counts, strict=True))}


def _span(values: Any) -> list[float]:
    return [float(values.min()), float(values.max())] if len(values) else []


def _of_any(path: Path, file: h5py.File) -> dict[str, Any]:
    datasets: dict[str, str] = {}
    facts: dict[str, str] = {}
    alike: dict[str, int] = {}
    _walk(file, datasets, facts, alike)
    result: dict[str, Any] = {"file": str(path), "size_MB": round(path.stat().st_size / 1e6, 3)}
    if "cxi_version" in file:
        result["cxi_version"] = _plain(file["cxi_version"][()])
    if PROCESS in file and not file[PROCESS].attrs.get("complete", True):
        written = file[PROCESS].attrs.get("written", "some")
        result["unfinished"] = f"{_plain(written)} patterns; the command that began it goes on with it"
    return result | {f"{name} and alike": count for name, count in alike.items()} | facts | datasets


def _walk(group: h5py.Group, datasets: dict[str, str], facts: dict[str, str], alike: dict[str, int]) -> None:
    """Every dataset below a group; of siblings that differ in a number at their end, the first one."""
    seen: dict[str, str] = {}
    for name in group:
        kind = _NUMBER.sub("", name)
        if kind != name and kind in seen:
            alike[seen[kind]] = alike.get(seen[kind], 1) + 1
            continue
        link = group.get(name, getlink=True)
        if not isinstance(link, h5py.HardLink):
            datasets[f"{group.name.rstrip('/')}/{name}"] = f"-> {getattr(link, 'path', '')}"
            continue
        item = group[name]
        seen[kind] = item.name
        if isinstance(item, h5py.Group):
            _walk(item, datasets, facts, alike)
        elif isinstance(item, h5py.Dataset):
            datasets[item.name] = _shape(item)
            if name in _FACTS and item.size == 1:
                facts[name] = _fact(name, item)


def _shape(dataset: h5py.Dataset) -> str:
    shape = " x ".join(map(str, dataset.shape or ())) or "one value"
    filters = {"32008": "bitshuffle", "32001": "blosc", "32026": "blosc2", "32015": "zstd", "32004": "lz4"}
    used = [dataset.compression] if dataset.compression else []
    used += [filters[number] for number in dataset._filters if number in filters]
    kind = "text" if h5py.check_string_dtype(dataset.dtype) else str(dataset.dtype)
    virtual = "virtual" if dataset.is_virtual else ""
    scale = dataset.attrs.get("scale")
    scaled = f"scale {scale}" if isinstance(scale, str) else ""
    return ", ".join(filter(None, [shape, kind, *used, virtual, scaled]))


def _fact(name: str, dataset: h5py.Dataset) -> str:
    value = _plain(np.asarray(dataset[()]).ravel()[0])
    unit = _plain(dataset.attrs.get("units", _CXI_UNITS.get(name, "")))
    text = f"{value} {unit}".strip()
    if name == "energy" and isinstance(value, float) and value > 0:
        energy = joules(value)
        text += f" ({energy / ELECTRONVOLT:.6g} eV, {wavelength_of_energy(energy):.4g} nm)"
    return text


def _plain(value: Any) -> Any:
    """A value as JSON knows it."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return value.item() if isinstance(value, np.generic) else value


def lines(found: dict[str, Any]) -> list[str]:
    """`contents` for people: one line each, and no more than a screen."""
    shown: dict[str, str] = {}
    for name, value in found.items():
        if isinstance(value, dict) and name == "simulation":
            shown |= {key: _text(part) for key, part in value.items()}
        else:
            group, _, field = name.partition(".")
            shown[name] = _with_unit(field, value) if group == "optics" else _text(value)
    width = min(max(map(len, shown), default=0), 60)
    text = [f"{name:{width}}  {value}"[:160] for name, value in shown.items()]
    return text if len(text) <= LINES else [*text[: LINES - 1], f"... and {len(text) - LINES + 1} more"]


def _with_unit(field: str, value: Any) -> str:
    return f"{_text(value)} {_OUR_UNITS.get(field, '')}".rstrip()


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_with_unit(name, part)}" for name, part in value.items())
    if isinstance(value, list):
        return " to ".join(dict.fromkeys(map(_text, value)))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
