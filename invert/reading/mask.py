"""Which pixels count: CXI and NeXus masks, a mask of the user, and values that mean no measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.reading.chunks import part_of, read_rows, shared
from invert.reading.places import beside, dataset_at, find_images
from invert.reading.stack import ImageStack
from msft.dataset import open_hdf5
from msft.errors import ParameterError
from msft.turns import turn

CXI_HAS_SIGNAL = 0x1000
"""The one bit of a CXI mask that does not make a pixel bad."""

IN_ENTRY = (
    "data_1/mask",
    "instrument_1/detector_1/mask",
    "instrument/detector/pixel_mask",
    "instrument/detector/detectorSpecific/pixel_mask",
)

MOST_MARKS = 2
"""Different negative numbers by which a detector marks pixels: gaps and dead ones."""

REPEATED = 16
"""Pixels that have them in frames of fractions: of darkness, so few numbers do not stand there so often."""

MOSTLY = 0.5
"""A mask that leaves less of the frames was perhaps meant the other way round: see `perhaps_inverted`."""

HARDLY = 0.1
"""The same of one beside the frames, for which CXI says what it means, whatever they show."""

FEW = 0.05
"""The same of any: windows leave more, bad pixels are fewer. That of `experiment` leaves 18 % or more."""

BRIGHTER = 5.0
"""What a window shows has higher ranks than the rest by so many of their standard errors, if only some
hundred photons arrived."""

LOOKED_AT, MOST_RANKED = 16, 2**20
"""Frames, and pixels of them, whose ranks are compared."""


def read_mask(path: Path, good: int) -> NDArray[np.bool_]:
    """Good pixels of a mask in a file of its own, bool, shape (H, W) or (N, H, W).

    Parameters
    ----------
    path
        ``.npy`` or HDF5.
    good
        0: CXI bits, or a boolean that is true where a pixel is bad. 1: what is not 0 is good.

    Raises
    ------
    ParameterError
        If there is no mask in the file.
    """
    if path.suffix == ".npy":
        try:
            bits = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise ParameterError("mask", path, f"a NumPy array ({error})") from None
    else:
        with open_hdf5(path, "mask") as file:
            bits = _only_array(file, path)
    if bits.ndim not in (2, 3):
        raise ParameterError("mask", f"shape {bits.shape}", "(y, x) or (N, y, x)")
    return _good(bits, good)


def perhaps_inverted(good: NDArray[np.bool_], stack: ImageStack) -> bool:
    """Whether a mask, bool (H, W) or (N, H, W), leaves little, and nothing brighter than what it hides."""
    part = float(good.mean())
    if not FEW <= part < MOSTLY:
        return part < FEW
    try:
        values = stack.read(0, min(LOOKED_AT, len(stack), stack.block))
    except OSError:  # what is damaged does not speak against it
        return True
    good = good if good.ndim == 2 else good[: len(values)]
    usable = measured(values, "log")
    left = np.broadcast_to(good, values.shape)[usable]
    step = max(1, left.size // MOST_RANKED)
    left = left[::step]
    if left.all() or not left.any():
        return not left.any()
    _, level, counts = np.unique(values[usable][::step], return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - counts / 2)[level]
    error = ranks.std() * np.sqrt(1 / left.sum() + 1 / (~left).sum())
    return not ranks[left].mean() - ranks[~left].mean() > BRIGHTER * error


def mask_note(good: NDArray[np.bool_], value: int, doubtful: bool) -> str:
    """How much a mask leaves, in words; `value` is that of the good pixels.

    With `doubtful` it is a warning that it was perhaps meant the other way round.
    """
    text = f"the mask leaves {100 * good.mean():.0f} % of the pixels"
    return f"warning: {text}; {other_way(value)}" if doubtful else text


def other_way(value: int) -> str:
    """What to do about a mask that was meant the other way round than with good pixels of this value."""
    return f"--mask-good {1 - value} reads it the other way round"


def masks_beside(file: h5py.File, images: str) -> list[str]:
    """Names of the masks that a file has for some images."""
    names = [name for place in _places(images) for name in beside(images, place)]
    return [name for name in names if dataset_at(file, name) is not None]


def _places(images: str) -> tuple[str, ...]:
    """Where an entry has the masks of its images: with CXI's processed ones lies another."""
    return (*IN_ENTRY, "image_1/mask") if images.endswith("/image_1/data") else IN_ENTRY


def good_in_file(
    file: h5py.File, stack: ImageStack, numbers: NDArray[np.int64], good: int = 0
) -> NDArray[np.bool_]:
    """Good pixels of some frames by the masks in their file, bool, broadcastable to (n, H, W).

    `good` as for `read_mask`.

    Raises
    ------
    ParameterError
        If a mask has another size than the frames.
    OSError
        If it cannot be read.
    """
    result = np.ones((1, *stack.size), dtype=bool)
    if len(numbers) == 0:
        return result
    several = len(stack.names) > 1
    owners = [stack.owner(int(number)) for number in (numbers if several else numbers[:1])]
    for place in _places(stack.names[0]):
        if not several:
            with turn():
                found = list(filter(None, (dataset_at(file, name) for name in beside(owners[0][0], place))))
            for mask in found:
                result = result & _rows(mask, numbers, stack.size, len(stack), good)
            continue
        with turn():
            masks = [dataset_at(file, beside(name, place)[0]) for name, _ in owners]
        if any(mask is not None for mask in masks):
            whole = np.ones((len(numbers), *stack.size), dtype=bool)
            for row, (mask, (name, within)) in enumerate(zip(masks, owners, strict=True)):
                if mask is not None:
                    whole[row] = _rows(mask, np.array([within]), stack.size, stack.count(name), good)[0]
            result = result & whole
    return result


def convert(
    values: NDArray[Any],
    good: NDArray[np.bool_],
    scale: str,
    images: NDArray[np.float32],
    valid: NDArray[np.bool_],
) -> None:
    """Write frames (n, H, W) as float32, and which of their pixels are valid, into arrays; threads share it.

    Parameters
    ----------
    values
        As stored.
    good
        Pixels that no mask makes bad, of each frame or of all.
    scale
        ``linear`` or ``log``.
    images, valid
        What is written.
    """
    good = np.broadcast_to(good, valid.shape)

    def convert_part(rows: slice) -> None:
        with np.errstate(over="ignore"):  # what float32 does not hold is infinite, and not valid
            images[rows] = values[rows]
        np.logical_and(measured(values[rows], scale), good[rows], out=valid[rows])
        if values.dtype.kind == "f" and values.itemsize > images.itemsize:
            valid[rows] &= np.isfinite(images[rows])

    part = part_of(images)
    parts = (slice(start, start + part) for start in range(0, len(images), part))
    for _ in shared(convert_part, parts, images.nbytes):
        pass


def measured(values: NDArray[Any], scale: str) -> NDArray[np.bool_]:
    """Pixels of frames (n, H, W) whose value is a measurement.

    NaN and infinities are none. Nor are the largest number of an integer of 16 bits or more, by which
    detectors mark dead or saturated pixels, and, in intensities, a negative number that a frame of whole
    numbers has, as -1 for a gap, or one of fractions repeats. Negative numbers of many values are what dark
    subtraction leaves of darkness.
    """
    whole_numbers = values.dtype.kind in "iu"
    if not whole_numbers:
        valid = np.isfinite(values)
    elif values.dtype.itemsize > 1:
        valid = values != np.iinfo(values.dtype).max
    else:
        valid = np.ones(values.shape, dtype=bool)
    if scale == "linear" and values.dtype.kind != "u":
        for image, usable in zip(values, valid, strict=True):
            if not (image < 0).any():
                continue
            seen = image[usable]
            below = seen[seen < 0]
            counts = (seen == np.rint(seen)).all() or below.size >= REPEATED
            if below.size and counts and len(np.unique(below)) <= MOST_MARKS:
                usable[usable] = seen >= 0
    return np.asarray(valid)


def _rows(
    mask: h5py.Dataset, numbers: NDArray[np.int64], size: tuple[int, int], count: int, good: int
) -> NDArray[np.bool_]:
    """Good pixels of some of an array's `count` frames: (H, W), (N, H, W), (N, 1, H, W) or (1, N, H, W)."""
    with turn():
        shape: tuple[int, ...] = mask.shape or ()
    several = [length for length in shape[:-2] if length != 1]
    if not 2 <= len(shape) <= 4 or shape[-2:] != size or several not in ([], [count]):
        raise ParameterError("mask", f"shape {mask.shape}", f"{size} or {(count, *size)}, as the frames")
    if not several:
        with turn():
            bits = np.asarray(mask[()])
        return _good(bits.reshape(1, *size), good)
    first, last = int(numbers[0]), int(numbers[-1]) + 1
    bits = read_rows(mask, first, last)
    return _good(bits if len(bits) == len(numbers) else bits[numbers - first], good)


def _good(bits: NDArray[Any], good: int) -> NDArray[np.bool_]:
    kinds, allowed = ("iubf", "numbers, 0 = bad") if good == 1 else ("iub", "integers or booleans, 0 = good")
    if bits.dtype.kind not in kinds:
        raise ParameterError("mask", f"values of type {bits.dtype}", allowed)
    if good == 1:
        return np.asarray((bits != 0) & ~np.isnan(bits))
    if bits.itemsize > 1:  # a byte has no such bit
        bits = bits & np.array(~CXI_HAS_SIGNAL).astype(bits.dtype)
    return np.asarray(bits == 0)


def _only_array(file: h5py.File, path: Path) -> NDArray[Any]:
    for place in ("/mask", "/entry_1/data_1/mask", "/data/mask"):
        item = dataset_at(file, place)
        if item is not None and item.ndim in (2, 3):
            return np.asarray(item[()])
    try:
        name = find_images(file, path, None).names[0]
    except ParameterError:
        raise ParameterError("mask", path, "a file with an array (y, x) or (N, y, x) of integers") from None
    return np.asarray(file[name][()])
