"""From the pixels of a detector to those that a model knows, by scattering vector and with mask weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_array

from invert.reading.instrument import Instrument
from msft.detector import Detector, EwaldDetector
from msft.errors import ParameterError

FloatArray = NDArray[np.float64]

SAME, EQUAL, SAME_CENTER = 0.01, 1e-3, 1e-3
"""Relative differences below which two wavelengths are near enough, and two widths or distances equal."""

FEWEST_COVERED, FEW_COVERED = 0.05, 0.5
"""Parts of a model's pixels that frames must reach, and below which that is said."""

COARSE, TOO_COARSE, TOO_FINE = 1.5, 8.0, 1e-4
"""Frames' pixels so many times wider than the model's lose what it has learnt to see; above the second factor
they are wider than half a fringe of the papers' smallest particle (14 of the papers' pixels for 30 nm). Below
the third, no frame reaches over more than one of the model's pixels."""

ENOUGH = 0.5
"""Part of a pixel's area that valid pixels must cover."""

MOST_SUBPIXELS = 12


@dataclass(frozen=True)
class Grid:
    """Where the scattering vectors meet a detector: a flat one, or one that is linear in q_perp.

    Attributes
    ----------
    size
        Rows and columns.
    center
        Row and column of the beam, whole numbers in the middle of a pixel.
    step
        Height and width of a pixel: in nm^-1, or for a flat detector in units of its distance.
    wavenumber
        k in nm^-1.
    flat
        Whether it is flat.
    """

    size: tuple[int, int]
    center: tuple[float, float]
    step: tuple[float, float]
    wavenumber: float
    flat: bool

    def position(self, q_y: FloatArray, q_x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Row and column at which scattering vectors in nm^-1 meet the detector; any shape, q_perp < k."""
        if self.flat:
            # tan(theta) along each axis: q_perp / k is the sine
            cosine = np.sqrt(1 - (q_x**2 + q_y**2) / self.wavenumber**2)
            q_y, q_x = (q / (self.wavenumber * cosine) for q in (q_y, q_x))
        return self.center[0] + q_y / self.step[0], self.center[1] + q_x / self.step[1]

    def vectors(self, row: FloatArray, column: FloatArray) -> tuple[FloatArray, FloatArray]:
        """The scattering vectors (q_y, q_x) in nm^-1 that meet the detector there: inverts `position`."""
        y = (row - self.center[0]) * self.step[0]
        x = (column - self.center[1]) * self.step[1]
        if not self.flat:
            return y, x
        factor = self.wavenumber / np.sqrt(1 + y**2 + x**2)
        return y * factor, x * factor

    @property
    def inside(self) -> NDArray[np.bool_]:
        """Pixels whose middles lie inside the Ewald sphere, bool, shape `size`; beyond it is no light."""
        places = (np.arange(length, dtype=np.float64) for length in self.size)
        q_y, q_x = self.vectors(*np.meshgrid(*places, indexing="ij"))
        return np.asarray(q_y**2 + q_x**2 < self.wavenumber**2)

    def solid_angle(self, q_squared: FloatArray) -> FloatArray:
        """What a pixel collects of |A|^2 at q_perp^2 in nm^-2: cos^3 theta on a flat detector, else 1."""
        if not self.flat:
            return np.ones_like(q_squared)
        return np.asarray((1 - q_squared / self.wavenumber**2) ** 1.5)


def grid_of(detector: Detector, wavenumber: float) -> Grid:
    """The pixels of a model's detector."""
    size = (detector.pixels, detector.pixels)
    middle = (float(detector.pixels // 2),) * 2
    if isinstance(detector, EwaldDetector):
        return Grid(size, middle, (detector.q_step,) * 2, wavenumber, flat=False)
    return Grid(size, middle, (detector.pixel_size / detector.distance,) * 2, wavenumber, flat=True)


def stated_grid(instrument: Instrument, size: tuple[int, int], detector: Detector, wavenumber: float) -> Grid:
    """The pixels of frames by what is known of their instrument; without any word, those of the model.

    Raises
    ------
    ParameterError
        If the frames are not as large as the model's and nobody says how wide their pixels are, or their
        geometry is stated in part.
    """
    model = grid_of(detector, wavenumber)
    center = instrument.center or (float(size[0] // 2), float(size[1] // 2))
    if instrument.geometry not in (None, "ewald", "flat"):
        raise ParameterError("geometry", instrument.geometry, "ewald or flat")
    if (
        instrument.geometry != "ewald"
        and instrument.pixel_size is not None
        and instrument.distance is not None
    ):
        height, width = (side / instrument.distance for side in instrument.pixel_size)
        return Grid(size, center, (height, width), wavenumber, flat=True)
    if instrument.geometry != "flat" and instrument.q_step is not None:
        return Grid(size, center, (instrument.q_step,) * 2, wavenumber, flat=False)
    if instrument.geometry not in (None, detector.geometry):
        allowed = "a q_step" if instrument.geometry == "ewald" else "both a pixel_size and a distance"
        raise ParameterError("geometry", f"{instrument.geometry}, stated in part", f"with it {allowed}")
    if size != model.size:
        raise ParameterError(
            "frames",
            f"{size[0]} x {size[1]} pixels of unknown width",
            f"{model.size[0]} x {model.size[1]}, as the model's, or a width: "
            "--pixel-size with --distance, or --q-step",
        )
    return Grid(size, center, model.step, wavenumber, model.flat)


class Resampling:
    """Frames of one detector as another one would have recorded them.

    A pixel becomes the mean over its area of the frame, interpolated linearly between pixels; what is not
    valid has no weight. Where the geometries collect |A|^2 differently, linear frames are corrected.

    Parameters
    ----------
    source, target
        Both detectors.

    Attributes
    ----------
    covered
        Part of the target's pixels inside the Ewald sphere that lie on the source.
    """

    def __init__(self, source: Grid, target: Grid) -> None:
        self.source, self.target = source, target
        parts = min(MOST_SUBPIXELS, max(2, math.ceil(2 * _width_ratio(source, target))))
        offset = (np.arange(parts) + 0.5) / parts - 0.5
        row, column = (
            np.add.outer(np.arange(length, dtype=np.float64), offset).ravel() for length in target.size
        )
        q_y, q_x = target.vectors(*np.meshgrid(row, column, indexing="ij"))
        q_squared = q_y**2 + q_x**2
        lit = q_squared < target.wavenumber**2
        owner = np.add.outer(
            np.arange(target.size[0]).repeat(parts) * target.size[1], np.arange(target.size[1]).repeat(parts)
        )[lit]
        position = source.position(q_y[lit], q_x[lit])
        collected = target.solid_angle(q_squared[lit]) / source.solid_angle(q_squared[lit])
        self._area = np.bincount(owner, minlength=math.prod(target.size))
        self._weights = _bilinear(owner, position, np.ones_like(collected), source.size, target.size)
        self._corrected = _bilinear(owner, position, collected, source.size, target.size)
        self._inside = inside = target.inside.ravel()
        reached = self._weights.sum(axis=1) >= ENOUGH * np.maximum(self._area, 1)
        self.covered = float(reached[inside].mean())

    def __call__(
        self, images: NDArray[np.float32], valid: NDArray[np.bool_], scale: str
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Frames (n, H, W) with their valid pixels, on the target's pixels."""
        count = len(images)
        weight = (self._weights @ valid.reshape(count, -1).T.astype(np.float64)).T
        light = np.where(valid, images, 0).reshape(count, -1).T.astype(np.float64)
        summed = ((self._corrected if scale == "linear" else self._weights) @ light).T
        good = (weight >= ENOUGH * np.maximum(self._area, 1)) & self._inside
        result = np.where(good, summed / np.where(weight > 0, weight, 1), 0).astype(np.float32)
        shape = (count, *self.target.size)
        return result.reshape(shape), good.reshape(shape)


def resampling(
    instrument: Instrument, size: tuple[int, int], detector: Detector, wavelength: float
) -> tuple[Resampling | None, list[str]]:
    """How frames come onto a model's pixels, and what the user should know of it; None if they are there.

    Parameters
    ----------
    instrument, size
        Of the frames.
    detector, wavelength
        The model's; in nm.

    Raises
    ------
    ParameterError
        If the wavelength differs by more than 1 %, the pixels' width is not known or far from the model's,
        or the frames reach too little of what the model was trained on.
    """
    stated = instrument.wavelength
    if stated is not None and abs(stated / wavelength - 1) > SAME:
        raise ParameterError("wavelength", f"{stated:.4g} nm", f"{wavelength:.4g} nm +- 1 %, as the model's")
    wavenumber = 2 * math.pi / wavelength
    source, target = stated_grid(instrument, size, detector, wavenumber), grid_of(detector, wavenumber)
    unknown = [
        name for name, known in (("wavelength", stated), ("pixels", instrument.pixels())) if known is None
    ]
    notes = [f"taken as the model's: {' and '.join(unknown)}"] if unknown else []
    if stated is not None and abs(stated / wavelength - 1) > EQUAL and instrument.geometry != "ewald":
        off = f"radii come out {100 * (wavelength / stated - 1):+.1f} % off"
        notes.append(f"warning: frames at {stated:.4g} nm, the model's at {wavelength:.4g} nm: {off}")
    if _same(source, target):
        return None, notes
    coarser = _width_ratio(target, source)
    if not TOO_FINE <= coarser <= TOO_COARSE:
        raise ParameterError(
            "frames",
            f"pixels {coarser:.3g} times as wide as the model's",
            f"{TOO_FINE:g} to {TOO_COARSE:g}; check pixel width and distance, both in mm, or q-step in nm^-1",
        )
    found = Resampling(source, target)
    if found.covered < FEWEST_COVERED:
        raise ParameterError(
            "frames",
            f"{100 * found.covered:.1f} % of the model's pixels covered",
            f"{100 * FEWEST_COVERED:g} % or more; check pixel width, distance and centre",
        )
    shape, pixels = "flat" if source.flat else "ewald", target.size[0]
    notes.append(
        f"resampled from {size[0]} x {size[1]} ({shape}) onto the model's {pixels} x {pixels} pixels"
    )
    if found.covered < FEW_COVERED:
        notes.append(f"warning: the frames cover {100 * found.covered:.0f} % of the model's pixels")
    if coarser > COARSE:
        notes.append(f"warning: the frames' pixels are {coarser:.1f} times as wide as the model's")
    return found, notes


def _same(source: Grid, target: Grid) -> bool:
    steps = zip(source.step, target.step, strict=True)
    return (
        source.size == target.size
        and np.allclose(source.center, target.center, rtol=0, atol=SAME_CENTER)
        and source.flat == target.flat
        and all(abs(mine / yours - 1) <= EQUAL for mine, yours in steps)
    )


def _width_ratio(fine: Grid, coarse: Grid) -> float:
    """How many pixels of the one fit into one of the other, in the middle."""

    def width(grid: Grid) -> float:
        return min(grid.step) * (grid.wavenumber if grid.flat else 1.0)

    return width(coarse) / width(fine)


def _bilinear(
    owner: NDArray[np.int64],
    position: tuple[FloatArray, FloatArray],
    factor: FloatArray,
    size: tuple[int, int],
    target: tuple[int, int],
) -> csr_array:
    """Sums over points, each shared by its four neighbours on the source, as a sparse matrix."""
    row, column = position
    low_row, low_column = np.floor(row).astype(np.int64), np.floor(column).astype(np.int64)
    up, right = row - low_row, column - low_column
    entries, owners, pixels = [], [], []
    for step_row, share_row in ((0, 1 - up), (1, up)):
        for step_column, share_column in ((0, 1 - right), (1, right)):
            at_row, at_column = low_row + step_row, low_column + step_column
            share = share_row * share_column
            on = (at_row >= 0) & (at_row < size[0]) & (at_column >= 0) & (at_column < size[1]) & (share > 0)
            entries.append((share * factor)[on])
            owners.append(owner[on])
            pixels.append(at_row[on] * size[1] + at_column[on])
    matrix = coo_array(
        (np.concatenate(entries), (np.concatenate(owners), np.concatenate(pixels))),
        shape=(math.prod(target), math.prod(size)),
    )
    return matrix.tocsr()
