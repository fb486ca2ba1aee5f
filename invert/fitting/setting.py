"""How frames are simulated where no model says: from their file, and from what the user gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from invert.fitting.forward import CENTRE, Beam
from invert.frames import Frames
from invert.reading.instrument import Instrument
from invert.reading.resample import SAME
from msft.configuration import from_mapping, to_mapping
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.pattern import Simulation


def simulation_of(frames: Frames, given: Mapping[str, Any]) -> Simulation:
    """The simulation that frames are compared with.

    Parameters
    ----------
    frames
        What is known of their light and pixels wins over the defaults; where the file is a simulation, all
        of its settings do.
    given
        Settings as nested mappings, which win over what the frames know.

    Raises
    ------
    ParameterError
        If a setting is not possible, the frames or their pixels are not square, or nobody says how wide the
        pixels are of frames that are not as large as the default detector.
    """
    rows, columns = frames.images.shape[1:]
    if rows != columns:
        raise ParameterError("frames", f"{rows} x {columns} pixels", "as many rows as columns")
    for table in ("optics", "detector"):
        if not isinstance(given.get(table, {}), Mapping):
            raise ParameterError(table, repr(given[table]), "a table of fields")
    known = to_mapping(frames.simulation or Simulation())
    optics, detector, table = dict(known["optics"]), dict(known["detector"]), given.get("detector", {})
    if frames.simulation is None:
        optics["wavelength"] = frames.wavelength or optics["wavelength"]
        if stated := _stated_detector(frames):
            detector = stated
        elif frames.geometry is not None and "geometry" not in table:
            lacking = "a q_step" if frames.geometry == "ewald" else "both a pixel_size and a distance"
            raise ParameterError("detector", f"{frames.geometry}, stated in part", f"with it {lacking}")
        elif not table and rows != detector["pixels"]:
            raise ParameterError(
                "frames",
                f"{rows} x {columns} pixels of unknown width",
                f"{detector['pixels']} x {detector['pixels']}, as the default detector's, or a width: "
                "--pixel-size with --distance, --q-step, or a table detector in --config",
            )
    known["detector"] = detector
    detector = {**detector, "pixels": rows, **table}
    optics |= given.get("optics", {})
    if detector.get("geometry") != known["detector"]["geometry"]:
        detector = {"pixels": rows, **table}
    simulation = from_mapping(
        Simulation,
        {**known, "solver": "exact", "backend": "auto", **given, "optics": optics, "detector": detector},
    )
    if simulation.detector.pixels != rows:
        raise ParameterError("detector.pixels", simulation.detector.pixels, f"{rows}, as the frames")
    return simulation


def _stated_detector(frames: Frames) -> dict[str, Any]:
    """The detector that is known of the frames, but for its size; empty where nothing is."""
    if frames.geometry not in (None, "ewald", "flat"):
        raise ParameterError("geometry", frames.geometry, "ewald or flat")
    if frames.geometry != "ewald" and frames.pixel_size is not None and frames.distance is not None:
        height, width = frames.pixel_size
        if abs(height / width - 1) > SAME:
            raise ParameterError("pixel_size", f"{height:g} x {width:g} mm", "as high as wide")
        return {"geometry": "flat", "pixel_size": width, "distance": frames.distance}
    if frames.geometry != "flat" and frames.q_step is not None:
        return {"geometry": "ewald", "q_step": frames.q_step}
    return {}


def instrument_of(simulation: Simulation, frames: Frames) -> Instrument:
    """The light and the detector of a simulation, with the centre that the frames know."""
    detector, wavelength = simulation.detector, simulation.optics.wavelength
    if isinstance(detector, EwaldDetector):
        return Instrument(wavelength, "ewald", detector.q_step, center=frames.center)
    size = (detector.pixel_size, detector.pixel_size)
    return Instrument(wavelength, "flat", None, size, detector.distance, frames.center)


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
