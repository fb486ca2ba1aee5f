"""Stacks of pictures and NumPy arrays as files that every inverter reads: PNG, TIFF and .npy to HDF5."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import BITSPERSAMPLE, SAMPLEFORMAT, TiffImageFile

import msft
from invert.reading.instrument import MILLIMETRE, Instrument
from invert.reading.options import check_center
from invert.reading.places import SMALLEST_SIDE
from msft.compression import FILTERS
from msft.dataset import CXI_VERSION, DATA, Scale
from msft.detector import MOST_PIXELS
from msft.errors import ParameterError, one_line
from msft.layout import PROCESS
from msft.output import whole
from msft.units import NANOMETRE

SUFFIXES = (".png", ".tif", ".tiff", ".npy")

_MODES = {"1": "L", "L": "L", "LA": "LA", "P": "RGB", "RGB": "RGB", "RGBA": "RGBA"}
_COLOURLESS = 2
"""Grey levels by which the channels of a grey picture may differ."""


def import_pictures(
    inputs: Sequence[Path],
    out: Path,
    instrument: Instrument,
    scale: Scale | None,
    provenance: Mapping[str, Any],
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Write pictures of one size as frames of one file, whole or not at all.

    Parameters
    ----------
    inputs
        Files, and folders of which all pictures are taken in the order of their names; multi-page TIFF and
        arrays (N, y, x) hold several frames.
    out
        The file to write.
    instrument
        What is known of the light and the detector.
    scale
        ``linear`` or ``log``, if it is known.
    provenance
        Attributes of ``process_1``.
    progress
        Called with 1 after each file.

    Returns
    -------
    The number of frames.

    Raises
    ------
    ParameterError
        If there is no picture, or one cannot be read, has colours, or is of another size or type than the
        first; or if the centre is outside of them.
    """
    paths = list(pictures_in(inputs))
    if not paths:
        raise ParameterError("pictures", ", ".join(map(str, inputs)), "files " + ", ".join(SUFFIXES))
    with whole(out) as temporary, h5py.File(temporary, "w", track_order=True) as file:
        data: h5py.Dataset | None = None
        sources: list[str] = []
        for path in paths:
            for frame in _frames(path):
                _require_size(path, frame)
                if data is None:
                    data = _lay_out(file, frame, instrument, scale, provenance)
                _require_alike(path, frame, data)
                data.resize(len(sources) + 1, axis=0)
                data[len(sources)] = frame
                sources.append(path.name)
            progress(1)
        if data is None:
            raise ParameterError("pictures", paths[0], "at least one frame")
        file["/entry_1/data_1/source"] = sources
    return len(sources)


def _lay_out(
    file: h5py.File,
    frame: NDArray[Any],
    instrument: Instrument,
    scale: Scale | None,
    provenance: Mapping[str, Any],
) -> h5py.Dataset:
    file["cxi_version"] = CXI_VERSION
    file.attrs["default"] = "entry_1"
    size = frame.shape
    data = file.create_dataset(
        DATA, (0, *size), frame.dtype, maxshape=(None, *size), chunks=(1, *size), **FILTERS
    )
    file["/entry_1"].attrs.update(NX_class="NXentry", default="data_1")
    file["/entry_1/data_1"].attrs.update(NX_class="NXdata", signal="data")
    if scale is not None:
        data.attrs["scale"] = scale
    detector = file.create_group("/entry_1/instrument_1/detector_1")
    if instrument.wavelength is not None:
        file["/entry_1/instrument_1/source_1/wavelength"] = instrument.wavelength * NANOMETRE
    if instrument.q_step is not None:
        detector["q_step"] = instrument.q_step / NANOMETRE
    if instrument.pixel_size is not None:
        detector["y_pixel_size"], detector["x_pixel_size"] = (
            side * MILLIMETRE for side in instrument.pixel_size
        )
    if instrument.distance is not None:
        detector["distance"] = instrument.distance * MILLIMETRE
    if instrument.center is not None:
        row, column = instrument.center
        check_center(instrument.center, (frame.shape[0], frame.shape[1]))
        file["/entry_1/data_1/image_center"] = [column + 0.5, row + 0.5, 0.0]
    process = file.create_group(PROCESS)
    process.attrs.update(NX_class="NXprocess", version=msft.__version__, **provenance)
    process.attrs["instrument"] = json.dumps(
        {name: value for name, value in vars(instrument).items() if value}
    )
    return data


def pictures_in(inputs: Sequence[Path]) -> Iterator[Path]:
    """The files of pictures that are named, and those in the folders that are.

    Raises
    ------
    ParameterError
        If one does not exist or has another suffix.
    """
    for path in inputs:
        if path.is_dir():
            yield from sorted(child for child in path.iterdir() if child.suffix.lower() in SUFFIXES)
        elif path.suffix.lower() not in SUFFIXES or not path.is_file():
            raise ParameterError("pictures", path, "files that exist, with names in " + ", ".join(SUFFIXES))
        else:
            yield path


def _frames(path: Path) -> Iterator[NDArray[Any]]:
    """The frames (y, x) of one file.

    Raises
    ------
    ParameterError
        If it cannot be read, or is no picture in grey.
    """
    try:
        if path.suffix.lower() == ".npy":
            yield from _of_array(path)
            return
        with Image.open(path) as picture:
            for page in range(getattr(picture, "n_frames", 1)):
                picture.seek(page)
                yield _grey(path, picture)
    except (
        OSError,
        ValueError,
        EOFError,
        SyntaxError,
        UnidentifiedImageError,
        Image.DecompressionBombError,
    ) as error:
        if isinstance(error, ParameterError):
            raise
        raise ParameterError("pictures", path, f"a picture that can be read ({one_line(error)})") from None


def _of_array(path: Path) -> Iterator[NDArray[Any]]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.dtype.kind not in "iuf":
        raise ParameterError("pictures", f"{path} of shape {array.shape}", "numbers (y, x) or (N, y, x)")
    yield from array


def _grey(path: Path, picture: Image.Image) -> NDArray[Any]:
    mode = _MODES.get(picture.mode)
    values = np.asarray(picture if mode is None else picture.convert(mode))
    if values.ndim == 3:
        colours = values[..., :3] if values.shape[2] > 2 else values[..., :1]
        if np.ptp(colours.astype(int), axis=2).max(initial=0) > _COLOURLESS:
            raise ParameterError(
                "pictures", f"{path} in colours", "pictures in grey: colours are no intensities"
            )
        values = colours[..., 0]
    values = values.view(_stored_type(picture, values.dtype))
    if values.ndim != 2 or values.dtype.kind not in "iuf":
        raise ParameterError("pictures", f"{path} of mode {picture.mode}", "pictures in grey")
    return values


def _stored_type(picture: Image.Image, read: np.dtype[Any]) -> np.dtype[Any]:
    """The type of the numbers as stored: Pillow mistakes the sign of some that have 32 or 8 bits."""
    if not isinstance(picture, TiffImageFile):
        return read
    bits, sign = (tuple(picture.tag_v2.get(tag, (1,))) for tag in (BITSPERSAMPLE, SAMPLEFORMAT))
    stored = {((32,), (1,)): np.uint32, ((8,), (2,)): np.int8}.get((bits, sign))
    return read if stored is None else np.dtype(stored)


def _require_alike(path: Path, frame: NDArray[Any], data: h5py.Dataset) -> None:
    if frame.shape != data.shape[1:] or frame.dtype.newbyteorder("=") != data.dtype.newbyteorder("="):
        rows, columns = frame.shape
        raise ParameterError(
            "pictures",
            f"{path} of {rows} x {columns} pixels and type {frame.dtype}",
            f"{data.shape[1]} x {data.shape[2]} and {data.dtype}, as the first",
        )


def _require_size(path: Path, frame: NDArray[Any]) -> None:
    if max(frame.shape) > MOST_PIXELS or min(frame.shape) < SMALLEST_SIDE:
        raise ParameterError(
            "pictures",
            f"{path} of {frame.shape[0]} x {frame.shape[1]} pixels",
            f"{SMALLEST_SIDE} to {MOST_PIXELS}",
        )
