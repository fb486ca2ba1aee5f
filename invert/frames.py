"""Measured frames from HDF5: this toolkit's files, CXI, or any stack of images.

The images are taken from `--dataset`, else from the usual places, else from the largest numeric array of two
or more dimensions.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import log_scale
from msft.configuration import from_mapping
from msft.dataset import DATA, Scale, open_hdf5
from msft.errors import ParameterError
from msft.particle import Particles
from msft.pattern import Simulation
from msft.units import ELECTRONVOLT, NANOMETRE, wavelength_of_energy

SCALES = ("auto", *get_args(Scale))

USUAL_PLACES = (DATA, "/entry_1/image_1/data", "/entry/data/data", "/data/data", "/data", "/images")
MASKS = ("/entry_1/data_1/mask", "/entry_1/instrument_1/detector_1/mask")
LARGEST_JOULE = 1e-10
"""A photon energy above is in eV."""

CXI_HAS_SIGNAL = 0x1000
"""The one bit of a CXI mask that does not make a pixel bad."""


@dataclass(frozen=True)
class Frames:
    """Frames as measured, with what their file says about them.

    Attributes
    ----------
    images
        Float32, shape (N, H, W); invalid pixels may hold anything.
    valid
        Pixels that were measured and are finite, bool, shape (N, H, W).
    scale
        ``linear`` or ``log``.
    numbers
        Number of each frame in its file, int64, shape (N,).
    source
        The file and the array in it.
    wavelength, q_step, geometry
        In nm and nm^-1, and of the detector, if the file says.
    truth, simulation
        The particles and how their patterns were computed, if the file is of this toolkit.
    """

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]
    scale: str
    numbers: NDArray[np.int64]
    source: str
    wavelength: float | None
    q_step: float | None
    geometry: str | None
    truth: Particles | None
    simulation: Simulation | None = None

    def grey(self, floor_decades: float) -> torch.Tensor:
        """Grey images (N, H, W) in [0, 1] with invalid pixels 0, as the networks were trained on.

        A linear frame is log-scaled over the decades below its maximum. A log frame that lies in [0, 1] is
        taken as it is, another one is shifted and divided to fill [0, 1], since its contrast is unknown.
        """
        valid = torch.from_numpy(self.valid)
        if self.scale == "linear":
            return log_scale(torch.from_numpy(self.images), floor_decades, valid)
        images = np.where(self.valid, self.images, np.nan)
        grey = np.zeros_like(images)
        for result, image, usable in zip(grey, images, self.valid, strict=True):
            if usable.any():
                low, high = image[usable].min(), image[usable].max()
                if low < 0 or high > 1:
                    result[usable] = (image[usable] - low) / ((high - low) or 1.0)
                else:
                    result[usable] = image[usable]
        return torch.from_numpy(grey)


def read_frames(
    path: Path,
    dataset: str | None = None,
    mask: Path | None = None,
    scale: str = "auto",
    rows: slice = slice(None),
) -> Frames:
    """Read frames from an HDF5 file, which is not changed.

    Parameters
    ----------
    path
        The file.
    dataset
        Where the images are in it; by default they are looked for.
    mask
        A NumPy or HDF5 file with a mask (H, W) of CXI bits, 0 = good, that is added to the file's own.
    scale
        Whether the values are intensities or logarithms; ``auto`` believes the attribute ``scale`` of the
        images, and takes intensities without it.
    rows
        Which frames.

    Raises
    ------
    ParameterError
        If there is no image, or the file or an option cannot be used.
    """
    if scale not in SCALES:
        raise ParameterError("scale", scale, "one of " + ", ".join(SCALES))
    with open_hdf5(path, "frames") as file:
        images = _find(file, path, dataset)
        data = images[rows] if images.ndim == 3 else images[:][None]
        if data.size == 0:
            raise ParameterError("frames", f"0 of {images.shape[0]} frames", "one frame or more")
        if scale == "auto":
            scale = str(images.attrs.get("scale", "linear"))
            if scale not in get_args(Scale):
                raise ParameterError("scale", f"{scale} in {path.name}", "linear or log; or give --scale")
        values = np.asarray(data, dtype=np.float32)
        valid = np.isfinite(values)
        bad = [file[place][()] for place in MASKS if place in file]
        if mask is not None:
            bad.append(_read_mask(mask))
        for bits in bad:
            valid &= _good(bits, rows, values.shape)
        return Frames(
            images=values,
            valid=valid,
            scale=scale,
            numbers=np.arange(len(images) if images.ndim == 3 else 1, dtype=np.int64)[rows],
            source=f"{path.name}:{images.name}",
            wavelength=_wavelength(file),
            q_step=_scalar(file, "detector_1/q_step", NANOMETRE),
            geometry=_text(file, "detector_1/geometry"),
            truth=_truth(file, rows, len(values)),
            simulation=_simulation(file),
        )


def parse_rows(text: str) -> slice:
    """FIRST:LAST as a slice, either end open.

    Raises
    ------
    ParameterError
        If it is something else.
    """
    first, colon, last = text.partition(":")
    try:
        if not colon:
            raise ValueError
        return slice(int(first) if first else None, int(last) if last else None)
    except ValueError:
        raise ParameterError("frames", text, "FIRST:LAST, either end open, as 0:100 or :10") from None


def _find(file: h5py.File, path: Path, dataset: str | None) -> h5py.Dataset:
    if dataset is not None:
        found = file.get(dataset)
        if not isinstance(found, h5py.Dataset) or not _is_images(found):
            raise ParameterError("dataset", dataset, f"a numeric array (y, x) or (N, y, x) in {path.name}")
        return found
    for place in USUAL_PLACES:
        if isinstance(file.get(place), h5py.Dataset) and _is_images(file[place]):
            return file[place]
    candidates: list[h5py.Dataset] = []

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and _is_images(item):
            candidates.append(item)

    file.visititems(collect)
    if not candidates:
        raise ParameterError("frames", path, "a file with a numeric array (y, x) or (N, y, x) of images")
    return max(candidates, key=lambda item: item.size)


def _is_images(item: h5py.Dataset) -> bool:
    return item.ndim in (2, 3) and item.dtype.kind in "iuf" and min(item.shape[-2:]) > 4


def _read_mask(path: Path) -> NDArray[Any]:
    if path.suffix == ".npy":
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise ParameterError("mask", path, f"a NumPy array ({error})") from None
    with open_hdf5(path, "mask") as file:
        return np.asarray(_find(file, path, None)[()])


def _good(bits: NDArray[Any], rows: slice, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    if bits.dtype.kind not in "iub":
        raise ParameterError("mask", f"values of type {bits.dtype}", "integers or booleans, 0 = good")
    if bits.ndim == 3:
        bits = bits[rows]
    if bits.shape not in (shape, shape[1:]):
        raise ParameterError("mask", f"shape {bits.shape}", f"{shape[1:]} or {shape}, as the frames")
    good = (bits.astype(np.int64) & ~CXI_HAS_SIGNAL) == 0
    return np.broadcast_to(good, shape)


def _scalar(file: h5py.File, place: str, factor: float) -> float | None:
    item = file.get(f"/entry_1/instrument_1/{place}")
    if not isinstance(item, h5py.Dataset) or item.size != 1 or item.dtype.kind not in "iuf":
        return None
    value = float(item[()].item()) * factor
    return value if math.isfinite(value) and value > 0 else None


def _wavelength(file: h5py.File) -> float | None:
    """From the wavelength in m, else from the photon energy in J (CXI; some files hold eV)."""
    wavelength = _scalar(file, "source_1/wavelength", 1 / NANOMETRE)
    energy = _scalar(file, "source_1/energy", 1.0)
    if wavelength is not None or energy is None:
        return wavelength
    return wavelength_of_energy(energy if energy < LARGEST_JOULE else energy * ELECTRONVOLT)


def _text(file: h5py.File, place: str) -> str | None:
    item = file.get(f"/entry_1/instrument_1/{place}")
    if not isinstance(item, h5py.Dataset) or item.shape != () or item.dtype.kind not in "OS":
        return None
    return str(item.asstr()[()])


def _truth(file: h5py.File, rows: slice, count: int) -> Particles | None:
    sample = file.get("/entry_1/sample_1")
    if not isinstance(sample, h5py.Group) or not {"radius", "orientation", "body"} <= set(sample):
        return None
    try:
        radius, orientation = sample["radius"][rows] / NANOMETRE, sample["orientation"][rows]
        bodies = set(sample["body"].asstr()[rows])
        truth = Particles(radius, orientation, bodies.pop()) if len(bodies) == 1 else None
    except (ValueError, TypeError, AttributeError):  # somebody else's sample_1
        return None
    return truth if truth is not None and len(truth) == count else None


def _simulation(file: h5py.File) -> Simulation | None:
    process = file.get("/entry_1/process_1")
    text = process.attrs.get("simulation") if isinstance(process, h5py.Group) else None
    try:
        return from_mapping(Simulation, json.loads(text)) if isinstance(text, str) else None
    except (ParameterError, ValueError):  # of another version, or somebody else's
        return None
