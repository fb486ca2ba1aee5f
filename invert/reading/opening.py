"""Files with measured frames are opened: looked at from a process that they may crash, then read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from invert.reading.frames import Frames
from invert.reading.isolation import survived
from invert.reading.options import Reading, chosen
from invert.reading.source import FrameSource
from invert.reading.stored import damage
from msft.dataset import open_hdf5
from msft.errors import ParameterError


@contextmanager
def open_frames(path: Path, reading: Reading | None = None, growing: bool = False) -> Iterator[FrameSource]:
    """Open a file with frames, which is not changed.

    Parameters
    ----------
    path
        HDF5.
    reading
        How it is read.
    growing
        Whether it may be one that is still being written, in HDF5's single-writer mode.

    Raises
    ------
    ParameterError
        If there is no image, or the file or an option cannot be used.
    """
    reading = reading or Reading()
    if any("\ud800" <= letter <= "\udfff" for letter in path.name):  # how Python has bytes that are no text
        raise ParameterError("frames", ascii(path.name), "a name in UTF-8; every answer names its file")
    if path.is_file():
        # without PyTorch, whose threads do not outlive a fork: the centre is estimated with it
        look = replace(reading, center=None)
        survived(path, lambda: _look(path, look, growing))
    with open_hdf5(path, "frames", growing=growing) as file:
        with damage(path):
            source = FrameSource(path, file, reading)
        yield source


def read_frames(
    path: Path,
    dataset: str | None = None,
    mask: Path | None = None,
    scale: str = "auto",
    rows: slice = slice(None),
    *,
    mask_good: int = 0,
    center: str | None = None,
) -> Frames:
    """Read frames from an HDF5 file into memory, all at once; see `Reading` for the options.

    Raises
    ------
    ParameterError
        If there is no image, none can be read, or the file or an option cannot be used.
    """
    with open_frames(path, Reading(dataset, mask, mask_good, scale, center)) as source:
        wanted = chosen(rows, len(source))
        frames = source.read(wanted)
    require_readable(path, frames.readable)
    return frames


def require_readable(path: Path, readable: NDArray[np.bool_] | None) -> None:
    """Raise ParameterError if a file gave none of its frames."""
    if readable is not None and not readable.any():
        raise ParameterError("frames", path, "frames that can be read; the file is damaged")


def _look(path: Path, reading: Reading, growing: bool) -> None:
    """What reading a file does to it, at its first, middle and last frame and to the list of its chunks."""
    with open_hdf5(path, "frames", growing=growing) as file:
        source = FrameSource(path, file, reading)
        for number in sorted({0, len(source) // 2, len(source) - 1}):
            source.read(range(number, number + 1))
        for name in source.found.names[:100]:
            if file[name].chunks:
                file[name].id.chunk_iter(lambda chunk: None)
