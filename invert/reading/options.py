"""How a file with frames is read: what a user says of it, and the texts in which he says it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from invert.reading.instrument import Instrument
from msft.dataset import Scale
from msft.errors import ParameterError

SCALES = ("auto", *get_args(Scale))
ESTIMATE = "estimate"
HIDE = "hide"
DEFECTS = (HIDE, "tell")


@dataclass(frozen=True)
class Reading:
    """How a file is read.

    Parameters
    ----------
    dataset
        Where the images are in it; by default they are looked for.
    mask, mask_good
        A NumPy or HDF5 file with a mask (H, W) that is added to the file's own, and the value of its good
        pixels: 0 for CXI bits.
    scale
        ``linear`` intensities, ``log``arithms, or ``auto``: what the attribute ``scale`` of the images says,
        else what they look like.
    center
        ROW,COLUMN of the beam in pixels, ``estimate``, or None for what the file says, else the middle.
    instrument
        What the user knows of it, which wins over the file.
    defects
        What becomes of pixels that no mask names and that mislead, see `invert.reading.doubts`: ``hide`` or
        ``tell`` alone.
    hidden
        Pixels (H, W) of which that is found already; None to look for them.

    Raises
    ------
    ParameterError
        If a value is not possible.
    """

    dataset: str | None = None
    mask: Path | None = None
    mask_good: int = 0
    scale: str = "auto"
    center: str | None = None
    instrument: Instrument = field(default_factory=Instrument)
    defects: str = HIDE
    hidden: NDArray[np.bool_] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise ParameterError("scale", self.scale, "one of " + ", ".join(SCALES))
        if self.mask_good not in (0, 1):
            raise ParameterError("mask_good", self.mask_good, "0 or 1, the value of a good pixel")
        if self.defects not in DEFECTS:
            raise ParameterError("defects", self.defects, "one of " + ", ".join(DEFECTS))
        if self.center not in (None, ESTIMATE):
            parse_center(str(self.center))


def chosen(rows: slice, count: int) -> range:
    """The numbers of the frames that a slice takes.

    Raises
    ------
    ParameterError
        If it takes none.
    """
    wanted = range(*rows.indices(count))
    if not wanted:
        raise ParameterError("frames", f"0 of {count} frames", "one frame or more")
    return wanted


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


def parse_center(text: str, size: tuple[int, int] | None = None) -> tuple[float, float]:
    """ROW,COLUMN in pixels.

    Raises
    ------
    ParameterError
        If it is something else, or outside frames of that size.
    """
    try:
        row, column = (float(part) for part in text.split(","))
    except ValueError:
        raise ParameterError("center", text, "ROW,COLUMN in pixels, as 64,64, or estimate") from None
    if size is not None:
        check_center((row, column), size, text)
    return row, column


def check_center(center: tuple[float, float], size: tuple[int, int], text: str | None = None) -> None:
    """Refuse a row and column outside frames of that size; `text` is how they were given.

    Raises
    ------
    ParameterError
        If they are.
    """
    row, column = center
    if not (0 <= row < size[0] and 0 <= column < size[1]):
        raise ParameterError(
            "center", text or f"{row:g},{column:g}", f"0 to {size[0] - 1},0 to {size[1] - 1}"
        )
