"""How estimates and their images lie in an HDF5 file of predictions.

In SI units; N frames::

    /entry_1/result_1/quaternion (N, 4) w, x, y, z | radius, radius_sigma (N,) m | orientation_sigma (N,) rad
                      agreement, score (N,) | flags (N,) u4, bits by the attribute `names` | frame (N,)
                      patterns_used (N,) | beam (N, 2) px | source, body (N,) str
                      alternative_1/{quaternion, radius, agreement, body}
                      measured, resimulated (N, H, W) f4, log grey values in [0, 1], multiples of 1/4096
                      mask (N, H, W) u1, 0 where the two were compared
    /entry_1/process_1 attributes: provenance; `simulation` as JSON
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

import msft
from invert.estimate import FLAGS
from msft.compression import FILTERS
from msft.configuration import to_mapping
from msft.dataset import CXI_VERSION
from msft.pattern import Simulation

RESULT = "/entry_1/result_1"

COLUMNS: dict[str, tuple[str, int]] = {
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

TEXTS = ("source", "body", "alternative_1/body")
IMAGES = ("measured", "resimulated", "mask")

GREY_LEVELS = 4096
"""Of the images between black and white, which takes half the space of single precision.

Over the five decades between them that is at most 0.14 % of the intensity, 0.08 % root mean square: a fifth
of the noise that 65,535 photons have.
"""

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
    facts = {"written": 0, "complete": False, **provenance}
    if simulation is not None:
        facts["simulation"] = json.dumps(to_mapping(simulation))
    result = result_group(file, "measured", facts)
    for name, (kind, width) in COLUMNS.items():
        shape = (width,) if width else ()
        result.create_dataset(name, (0, *shape), kind, maxshape=(None, *shape), chunks=(1024, *shape))
    for name in TEXTS:
        result.create_dataset(name, (0,), h5py.string_dtype(), maxshape=(None,), chunks=(1024,))
    for name in IMAGES:
        kind = "u1" if name == "mask" else "<f4"
        result.create_dataset(name, (0, *size), kind, maxshape=(None, *size), chunks=(1, *size), **FILTERS)
    for name in ("measured", "resimulated"):
        result[name].attrs.update(scale="log", step=1 / GREY_LEVELS)
    for name, unit in _UNITS.items():
        result[name].attrs["units"] = unit
    for name, meaning in _MEANINGS.items():
        result[name].attrs["meaning"] = meaning
    for name in ("orientation_sigma", "radius_sigma"):
        result[name].attrs["meaning"] = sigma_means
    result["flags"].attrs["names"] = json.dumps(FLAGS)


def result_group(file: h5py.File, signal: str, provenance: Mapping[str, Any]) -> h5py.Group:
    """The group of a new file of answers that viewers open, where they show `signal`; what it came from."""
    file["cxi_version"] = CXI_VERSION
    file.attrs["default"] = "entry_1"
    entry = file.create_group("entry_1")
    entry.attrs.update(NX_class="NXentry", default="result_1")
    result = entry.create_group("result_1")
    result.attrs.update(NX_class="NXdata", signal=signal)
    process = entry.create_group("process_1")
    process.attrs.update({"NX_class": "NXprocess", "version": msft.__version__, **provenance})
    return result


def check_layout(result: h5py.Group) -> None:
    """Refuse what `lay_out` did not lay out.

    Raises
    ------
    KeyError, AttributeError, TypeError, ValueError
        If a column is missing, or of another type or width, or the images are of several sizes.
    """
    size = result["measured"].shape[1:]
    if len(size) != 2 or 0 in size:
        raise ValueError(f"measured of shape {result['measured'].shape}")
    kinds = {name: np.dtype(kind).kind for name, (kind, _) in COLUMNS.items()}
    kinds |= {"measured": "f", "resimulated": "f", "mask": "u"}
    widths = {name: (width,) if width else () for name, (_, width) in COLUMNS.items()}
    widths |= dict.fromkeys(TEXTS, ()) | dict.fromkeys(IMAGES, size)
    for name, width in widths.items():
        column = result[name]
        text = h5py.check_string_dtype(column.dtype) is not None
        if column.shape[1:] != width or (not text if name in TEXTS else column.dtype.kind != kinds[name]):
            raise ValueError(f"{name} of type {column.dtype} and shape {column.shape}")
