"""Frames as a file holds them, with the pixels of them that count."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import NamedTuple, get_args

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.reading.doubts import Frame
from invert.reading.mask import (
    HARDLY,
    convert,
    good_in_file,
    mask_note,
    masks_beside,
    other_way,
    perhaps_inverted,
    read_mask,
)
from invert.reading.options import Reading
from invert.reading.places import asked, attribute, find_images
from invert.reading.scale import looks_linear, looks_scaled, shows_something
from invert.reading.stack import ImageStack
from msft.dataset import Scale
from msft.errors import ParameterError, one_line

SAMPLED = 16
"""Frames that tell the scale and what looks wrong."""

LOOKED_THROUGH, LOOKED_THROUGH_BYTES = 1024, 2**30
"""First frames, and bytes of them as float32, among which those that show something are looked for."""

MASKS_NAMED = 3


class StoredPixels(NamedTuple):
    """N frames with the pixels that they have in the file.

    Attributes
    ----------
    images
        float32, shape (N, H, W); NaN where the file does not give them.
    valid
        Pixels that count, bool, the same shape.
    readable
        Which frames the file gave, bool, shape (N,).
    """

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]
    readable: NDArray[np.bool_]


class StoredFrames:
    """The frames of an open file.

    Parameters
    ----------
    file, path
        Open, and where from.
    reading
        Which array, masks and scale.

    Attributes
    ----------
    found
        Which arrays they are.
    stack
        Those as one.
    scale
        ``linear`` or ``log``.
    hidden
        Pixels of every frame that do not count whatever masks say, bool, shape (H, W); or None.
    notes
        What was decided about the frames, in words; those that begin with ``warning`` need a look.

    Raises
    ------
    ParameterError
        If there are no images, or mask or scale do not belong to them.
    """

    def __init__(self, file: h5py.File, path: Path, reading: Reading) -> None:
        self._file, self._path = file, path
        self.found = find_images(file, path, reading.dataset)
        self.stack = ImageStack(file, path, self.found.names)
        self.hidden = reading.hidden
        self.notes = [f"images {self.found.title} ({self.found.rule})"]
        # of the masks in the file, unless another one is given
        self._good_value = 0 if reading.mask is not None else reading.mask_good
        self._good: NDArray[np.bool_] | None = None
        self._tell_what_lies_beside()
        if reading.mask is not None:
            self._good = self._checked(read_mask(reading.mask, reading.mask_good), reading.mask_good)
        self.scale = self._scale(reading.scale)

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.stack)

    def read(self, numbers: NDArray[np.int64], scale: str | None = None) -> StoredPixels:
        """Successive frames, taken as of another scale if one is given.

        Raises
        ------
        ParameterError
            If a mask has another size than the frames.
        """
        scale = scale or self.scale
        images = np.empty((len(numbers), *self.stack.size), dtype=np.float32)
        valid = np.zeros(images.shape, dtype=bool)
        readable = np.zeros(len(numbers), dtype=bool)
        for rows in _together_or_alone(len(numbers)):
            if readable.all():
                break
            part = numbers[rows]
            try:
                values = self.stack.read(int(part[0]), len(part))
                good = good_in_file(self._file, self.stack, part, self._good_value)
            except OSError:  # this part of the file is damaged
                continue
            convert(values, good, scale, images[rows], valid[rows])
            readable[rows] = True
        images[~readable] = np.nan
        if self._good is not None:
            valid &= self._good if self._good.ndim == 2 else _of_frames(self._good, numbers)
        if self.hidden is not None:
            valid &= ~self.hidden
        return StoredPixels(images, valid, readable)

    def telling(self, most: int) -> Iterator[Frame]:
        """The first few frames that show something, each with its pixels that count.

        They are looked for among the first `LOOKED_THROUGH` frames, fewer of large ones. If none shows
        anything, the first few are given.
        """
        showing = self._showing(most, self.scale)
        if (first := next(showing, None)) is not None:
            yield first
            yield from showing
            return
        dark = self.read(np.arange(min(most, len(self), self.stack.block)))
        yield from zip(dark.images, dark.valid, strict=True)

    def _showing(self, most: int, scale: str) -> Iterator[Frame]:
        few = max(most, min(LOOKED_THROUGH, LOOKED_THROUGH_BYTES // (4 * math.prod(self.stack.size))))
        last, at_once = min(len(self), few), min(most, self.stack.block)
        numbers = (np.arange(start, min(start + at_once, last)) for start in range(0, last, at_once))
        parts = (self.read(some, scale) for some in numbers)
        frames = (frame for part in parts for frame in zip(part.images, part.valid, strict=True))
        return islice((frame for frame in frames if shows_something(frame[0][frame[1]])), most)

    def _tell_what_lies_beside(self) -> None:
        """Masks and further arrays in the file."""
        masks = [name for images in asked(self.found.names) for name in masks_beside(self._file, images)]
        if masks:
            more = len(masks) - MASKS_NAMED
            shown = masks[:MASKS_NAMED] + ([f"{more} more"] if more > 0 else [])
            self.notes.append("masked by " + ", ".join(shown))
            with suppress(OSError):  # one that is damaged costs its frames alone
                some = np.arange(min(SAMPLED, len(self)))
                left = good_in_file(self._file, self.stack, some, self._good_value)
                if left.mean() < HARDLY:
                    self.notes.append(mask_note(left, self._good_value, doubtful=True))
        others = [other for other in self.found.others if other.partition(" ")[0] not in masks]
        if others:
            self.notes.append("other arrays: " + ", ".join(others))

    def _checked(self, good: NDArray[np.bool_], value: int) -> NDArray[np.bool_]:
        size = self.stack.size
        if good.shape not in (size, (len(self), *size)):
            allowed = f"{size} or {(len(self), *size)}, as the frames"
            raise ParameterError("mask", f"shape {good.shape}", allowed)
        if not good.any():
            raise ParameterError("mask", "no good pixel", f"a mask with good pixels; {other_way(value)}")
        self.notes.append(mask_note(good, value, perhaps_inverted(good, self.stack)))
        return good

    def _scale(self, wanted: str) -> str:
        if wanted != "auto":
            return wanted
        scales = {attribute(self._file[name], "scale") for name in asked(self.found.names)}
        if scales != {None}:
            if len(scales) > 1 or not scales <= set(get_args(Scale)):
                found = " and ".join(sorted(scale or "nothing" for scale in scales))
                allowed = "linear or log for all frames; or give --scale"
                raise ParameterError("scale", f"{found} in {self._path.name}", allowed)
            return str(scales.pop())
        # as logarithms no number but NaN and infinities is rejected
        seen = [image[usable] for image, usable in self._showing(SAMPLED, "log")]
        eight_bit = self.stack.dtype.itemsize == 1
        if not seen:
            self.notes.append(
                "warning: nothing that was looked at tells intensities from logarithms; it is taken as "
                "intensities, --scale log says otherwise"
            )
            return "linear"
        if looks_linear(seen, eight_bit):
            said = "; --scale log says otherwise" if eight_bit else ""
            self.notes.append(f"the values look like intensities and are taken so{said}")
            if looks_scaled(seen):
                self.notes.append("warning: they are spread as logarithms are; --scale log takes them so")
            return "linear"
        self.notes.append("warning: the values look like logarithms and are taken so; --scale says otherwise")
        return "log"


def _of_frames(good: NDArray[np.bool_], numbers: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Of a mask for each frame those of some."""
    if numbers[-1] >= len(good):  # the file has grown
        raise ParameterError("mask", f"{len(good)} for the first frames", "(y, x), or one for each frame")
    return good[numbers]


def _together_or_alone(count: int) -> Iterator[slice]:
    """All rows, and if that fails each of them, so that a damaged one does not cost the others."""
    yield slice(0, count)
    yield from (slice(row, row + 1) for row in range(count))


@contextmanager
def damage(path: Path) -> Iterator[None]:
    """What h5py says of damaged structures and strange types in other ways than by OSError."""
    try:
        yield
    except ParameterError:
        raise
    except (KeyError, RuntimeError, TypeError, AttributeError, ValueError, MemoryError) as error:
        allowed = f"a readable HDF5 file with images ({one_line(error)})"
        raise ParameterError("frames", path, allowed) from None
