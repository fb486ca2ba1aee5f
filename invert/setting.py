"""How frames are simulated where no model says: from their file, and from what the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invert.forward import CENTRE, Beam
from invert.frames import Frames
from msft.configuration import from_mapping, to_mapping
from msft.errors import ParameterError
from msft.pattern import Simulation


def simulation_of(frames: Frames, given: Mapping[str, Any]) -> Simulation:
    """The simulation that frames are compared with.

    Parameters
    ----------
    frames
        Their file's wavelength and pixel width win over the defaults; where the file is a simulation, all
        of its settings do.
    given
        Settings as nested mappings, which win over the file's.

    Raises
    ------
    ParameterError
        If a setting is not possible, or the frames are not square.
    """
    rows, columns = frames.images.shape[1:]
    if rows != columns:
        raise ParameterError("frames", f"{rows} x {columns} pixels", "as many rows as columns")
    for table in ("optics", "detector"):
        if not isinstance(given.get(table, {}), Mapping):
            raise ParameterError(table, repr(given[table]), "a table of fields")
    known = to_mapping(frames.simulation or Simulation())
    optics, detector = dict(known["optics"]), dict(known["detector"])
    if frames.simulation is None:
        if (
            frames.geometry is not None
            and frames.geometry != detector["geometry"]
            and "detector" not in given
        ):
            raise ParameterError(
                "detector", f"none given, the file's is {frames.geometry}", "a table detector in --config"
            )
        optics["wavelength"] = frames.wavelength or optics["wavelength"]
        detector["q_step"] = frames.q_step or detector["q_step"]
    detector["pixels"] = rows
    detector |= given.get("detector", {})
    optics |= given.get("optics", {})
    if detector.get("geometry") != known["detector"]["geometry"]:
        detector = {"pixels": rows, **given.get("detector", {})}
    simulation = from_mapping(
        Simulation,
        {**known, "solver": "exact", "backend": "auto", **given, "optics": optics, "detector": detector},
    )
    if simulation.detector.pixels != rows:
        raise ParameterError("detector.pixels", simulation.detector.pixels, f"{rows}, as the frames")
    return simulation


def beam_at(text: str | None, frames: Frames) -> Beam:
    """ROW,COLUMN of the beam in pixels as an offset from the centre [n/2, n/2] of the frames.

    Without a text it is what the frames know, or the centre.

    Raises
    ------
    ParameterError
        If it is something else, or outside the frames.
    """
    rows, columns = frames.images.shape[1:]
    if text is None and frames.center is not None:
        return frames.center[0] - rows // 2, frames.center[1] - columns // 2
    if text is None:
        return CENTRE
    try:
        row, column = (float(part) for part in text.split(","))
    except ValueError:
        raise ParameterError("center", text, "ROW,COLUMN in pixels, as 64,64") from None
    if not (0 <= row < rows and 0 <= column < columns):
        raise ParameterError("center", text, f"0 to {rows - 1},0 to {columns - 1}")
    return row - rows // 2, column - columns // 2
