"""Wavelength, pixels, distance and centre, as CXI, NeXus and this toolkit's files say them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import h5py
import numpy as np

from invert.reading.places import asked, attribute, beside, dataset_at
from msft.errors import ParameterError
from msft.units import ELECTRONVOLT, NANOMETRE, joules, wavelength_of_energy

UNITS = {
    **{"m": 1.0, "cm": 1e-2, "mm": 1e-3, "um": 1e-6, "\u00b5m": 1e-6, "\u03bcm": 1e-6, "nm": 1e-9},
    **{
        f"{prefix}{metre}": size
        for prefix, size in {"": 1.0, "centi": 1e-2, "milli": 1e-3, "micro": 1e-6, "nano": 1e-9}.items()
        for metre in ("meter", "metre", "meters", "metres")
    },
    **{"micron": 1e-6, "microns": 1e-6},
    **dict.fromkeys(("angstrom", "angstroms", "\u00e5ngstr\u00f6m", "a", "\u00e5", "\u212b"), 1e-10),
    **{"j": 1.0, "joule": 1.0, "ev": ELECTRONVOLT, "kev": 1e3 * ELECTRONVOLT},
    **{"1/m": 1.0, "m^-1": 1.0, "1/nm": 1e9, "nm^-1": 1e9, "1/angstrom": 1e10},
    **dict.fromkeys(("pixel", "pixels", "px"), 1.0),
}
"""Units by name in lower case, in SI."""

MILLIMETRE = 1e-3

SAME, APART = 0.01, 0.5
"""Part by which what is stated for each frame may differ, and pixels by which centres may."""

MOST = 10**7
"""Numbers that are read to know one: a frame each."""

_SOURCES = ("instrument_1/source_1", "instrument/source", "instrument/beam", "sample/beam")
_DETECTORS = ("instrument_1/detector_1", "instrument/detector", "instrument/detector_1")


@dataclass(frozen=True)
class Instrument:
    """What is known of the light and of the detector; None where it is not.

    Attributes
    ----------
    wavelength
        In nm.
    geometry
        ``ewald``, whose pixels are linear in q_perp, or ``flat``.
    q_step
        Width of a pixel in nm^-1, of the first.
    pixel_size
        Height and width of a pixel in mm, of the second.
    distance
        To it, in mm.
    center
        Row and column of the beam in pixels, whole numbers in the middle of a pixel.
    """

    wavelength: float | None = None
    geometry: str | None = None
    q_step: float | None = None
    pixel_size: tuple[float, float] | None = None
    distance: float | None = None
    center: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        for name in ("wavelength", "q_step", "distance"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ParameterError(name, value, "a number above 0")
        if self.pixel_size is not None and not all(math.isfinite(x) and x > 0 for x in self.pixel_size):
            raise ParameterError("pixel_size", self.pixel_size, "lengths above 0 mm")

    def overridden(self, other: Instrument) -> Instrument:
        """With everything that the other one knows; a way to measure pixels replaces the other way."""
        known = {name: value for name, value in vars(other).items() if value is not None}
        mine = self
        if other.q_step is not None:
            mine = replace(mine, pixel_size=None, distance=None, geometry="ewald")
        elif other.pixel_size is not None or other.distance is not None:
            mine = replace(mine, q_step=None, geometry="flat")
        return replace(mine, **known)

    def differs(self, other: Instrument) -> str | None:
        """The first number but the centre that the other one states otherwise, by more than `SAME`."""
        for name in ("wavelength", "q_step", "pixel_size", "distance"):
            mine, theirs = getattr(self, name), getattr(other, name)
            if (mine is None) != (theirs is None):
                return name
            if mine is not None and not np.allclose(theirs, mine, rtol=SAME, atol=0.0):
                return name
        return None

    def line(self) -> str:
        """What is known, in words; what is not is said, too."""
        light = "unknown wavelength" if self.wavelength is None else f"{self.wavelength:.4g} nm"
        beam = "beam in the middle"
        if self.center is not None:
            beam = f"beam at row {self.center[0]:.1f}, column {self.center[1]:.1f}"
        return f"{light}; {self.pixels() or 'pixels of unknown width'}; {beam}"

    def pixels(self) -> str | None:
        """How wide the pixels are, in words; None if that is not known."""
        if self.geometry != "ewald" and self.pixel_size is not None and self.distance is not None:
            height, width = self.pixel_size
            return f"flat detector, pixels {height:.4g} x {width:.4g} mm at {self.distance:.4g} mm"
        if self.geometry != "flat" and self.q_step is not None:
            return f"pixels of {self.q_step:.4g} nm^-1"
        return None


def read_instruments(
    file: h5py.File, names: Sequence[str], given: Instrument, notes: list[str]
) -> tuple[Instrument, ParameterError | None]:
    """What a file says of the first of several arrays of images, and what is wrong if of others it says else.

    Parameters
    ----------
    file, notes
        As for `read_instrument`.
    names
        Of the images; of many, some are asked.
    given
        What the user says, which wins.
    """
    stated, apart = read_instrument(file, names[0], notes).overridden(given), 0.0
    for name in asked(names)[1:]:
        other = read_instrument(file, name).overridden(given)
        if field := stated.differs(other):
            found = f"{getattr(stated, field)} of {names[0]} and {getattr(other, field)} of {name}"
            return stated, ParameterError(field, found, "one for all frames, or an option that states it")
        if stated.center is not None and other.center is not None:
            apart = max(apart, *(abs(a - b) for a, b in zip(stated.center, other.center, strict=True)))
    if apart > APART:
        notes.append(
            f"warning: the beam's centres differ by up to {apart:.1f} pixels: the first one's is taken"
        )
    return stated, None


def read_instrument(file: h5py.File, images: str, notes: list[str] | None = None) -> Instrument:
    """What a file says; what it says in a way that cannot be understood is as if it were not there.

    Parameters
    ----------
    file
        Open.
    images
        Name of the images, whose entry is asked.
    notes
        To which a warning is added about every number that is there and not used.
    """
    notes = [] if notes is None else notes
    sources = [name for place in _SOURCES for name in beside(images, place)]
    detectors = [name for place in _DETECTORS for name in beside(images, place)]

    def first(name: str, per: float) -> float | None:
        """Of the first detector that has it."""
        numbers = (_number(file, f"{place}/{name}", per, 1.0, notes) for place in detectors)
        return next((number for number in numbers if number is not None), None)

    sizes = [first(f"{axis}_pixel_size", MILLIMETRE) for axis in "yx"]
    square = first("pixel_size", MILLIMETRE)
    height, width = (size or square for size in sizes)
    size = (height, width) if height is not None and width is not None else None
    return Instrument(
        wavelength=_wavelength(file, sources, notes),
        geometry=next((text for place in detectors if (text := _text(file, f"{place}/geometry"))), None),
        q_step=first("q_step", 1 / NANOMETRE),
        pixel_size=size,
        distance=first("distance", MILLIMETRE) or first("detector_distance", MILLIMETRE),
        center=_center(file, beside(images, ""), detectors, size, notes),
    )


def _wavelength(file: h5py.File, sources: list[str], notes: list[str]) -> float | None:
    """From the wavelength in m (NeXus' beam: angstrom), else from the photon energy in J (some hold eV)."""
    for place in sources:
        for name, unit in (("wavelength", 1.0), ("incident_wavelength", 1e-10)):
            if found := _number(file, f"{place}/{name}", NANOMETRE, unit, notes):
                return found
        for name in ("energy", "photon_energy"):
            if energy := _number(file, f"{place}/{name}", 1.0, 1.0, notes):
                return wavelength_of_energy(joules(energy))
        if energy := _number(file, f"{place}/incident_energy", 1.0, ELECTRONVOLT, notes):
            return wavelength_of_energy(energy)
    return None


def _center(
    file: h5py.File,
    entries: list[str],
    detectors: list[str],
    pixel_size: tuple[float, float] | None,
    notes: list[str],
) -> tuple[float, float] | None:
    """CXI's (x, y, z), (0.5, 0.5) in the first pixel's middle; NeXus' beam centre in pixels or as lengths."""
    for name in (f"{entry}{group}/image_center" for entry in entries for group in ("data_1", "image_1")):
        item = dataset_at(file, name)
        if item is None or item.dtype.kind not in "iuf" or not 2 <= item.size <= MOST:
            continue
        if item.shape[-1] not in (2, 3):
            continue
        centers = np.asarray(item[()], dtype=np.float64).reshape(-1, item.shape[-1])[:, :2]
        centers = centers[np.isfinite(centers).all(axis=1)]
        if not len(centers):
            notes.append(f"warning: {name} is no number: it is not used")
            continue
        x, y = np.median(centers, axis=0)
        if (spread := float(np.ptp(centers, axis=0).max())) > APART:
            notes.append(
                f"warning: {name} differs by {spread:.1f} pixels from frame to frame: its median is taken"
            )
        return float(y) - 0.5, float(x) - 0.5
    for place in detectors:
        stated = dataset_at(file, f"{place}/beam_center_x")
        unit = "" if stated is None else (attribute(stated, "units") or "").strip().lower()
        per = (1.0, 1.0)
        if unit and not unit.startswith(("pixel", "px")):
            if pixel_size is None:
                notes.append(f"warning: {place}/beam_center_x is in {unit}, the width of a pixel unknown")
                continue
            per = (pixel_size[0] * MILLIMETRE, pixel_size[1] * MILLIMETRE)
        row, column = (
            _number(file, f"{place}/beam_center_{axis}", width, 1.0, notes, least=-math.inf)
            for axis, width in zip("yx", per, strict=True)
        )
        if row is not None and column is not None:
            return row, column
    return None


def _number(
    file: h5py.File, place: str, per: float, unit: float, notes: list[str], least: float = 0.0
) -> float | None:
    """A number above `least` as a multiple of `per`, in the unit that it names, else in `unit` (both in SI).

    Of one for each frame the median of those that are numbers, if they agree within `SAME`. None if there is
    no such number, or its unit is none of `UNITS`.
    """
    item = dataset_at(file, place)
    if item is None or not 1 <= item.size <= MOST or item.dtype.kind not in "iuf":
        return None
    stated = (attribute(item, "units") or "").strip().lower()
    if stated and stated not in UNITS:
        notes.append(f"warning: {place} is in {stated!r}, which is no known unit: it is not used")
        return None
    values = np.asarray(item[()], dtype=np.float64).ravel() * (UNITS.get(stated, unit) / per)
    values = values[np.isfinite(values)]
    value = float(np.median(values)) if len(values) else math.nan
    if not value > least:
        notes.append(f"warning: {place} is {value * per:g}: it is not used")
        return None
    if np.ptp(values) > SAME * abs(value):
        low, high = values.min() * per, values.max() * per
        notes.append(f"warning: {place} differs from frame to frame, {low:g} to {high:g}: it is not used")
        return None
    return value


def _text(file: h5py.File, place: str) -> str | None:
    item = dataset_at(file, place)
    if item is None or item.shape != () or item.dtype.kind not in "OS":
        return None
    try:
        return str(item.asstr()[()])
    except (TypeError, ValueError):  # of something else than text
        return None
