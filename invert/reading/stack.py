"""The arrays of images in a file as one stack, read a few frames at a time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.reading.chunks import read_rows
from msft.errors import ParameterError
from msft.turns import turn

MOST_FRAMES = 10**8
LARGEST_CHUNK = 2**30
"""Bytes: HDF5 reads a whole chunk to give one frame of it."""

BLOCK_BYTES = 2**27
"""Bytes of frames that are held at a time, as float32."""


class ImageStack:
    """N frames (H, W) in one array, or in several one after another.

    Parameters
    ----------
    file, path
        Open, and where from.
    names
        The arrays, each (y, x), (n, y, x), (n, 1, y, x) or (1, n, y, x).

    Attributes
    ----------
    names
        As given.
    size
        Rows and columns of a frame.
    dtype
        As stored.

    Raises
    ------
    ParameterError
        If the arrays hold frames of several sizes or types, hold nothing that was written, are larger than
        can be read, or lie in files that are not there.
    """

    def __init__(self, file: h5py.File, path: Path, names: Sequence[str]) -> None:
        self._file, self._path, self.names = file, path, tuple(names)
        counts = [self._count(name) for name in names]
        self._ends = list(accumulate(counts))
        if self._ends[-1] > MOST_FRAMES:
            raise ParameterError("frames", f"{self._ends[-1]} in {path.name}", f"at most {MOST_FRAMES}")
        first = file[names[0]]
        self.size: tuple[int, int] = first.shape[-2:]
        self.dtype: np.dtype[Any] = first.dtype
        for name in names[1:]:
            # of several widths the largest number, by which saturated pixels are told, would be another
            if file[name].shape[-2:] != self.size or _native(file[name]) != _native(first):
                raise ParameterError(
                    "frames", f"{names[0]} and {name} of other size or type", "--dataset with one of them"
                )

    def __len__(self) -> int:
        """The number of frames."""
        return self._ends[-1]

    @property
    def block(self) -> int:
        """Frames that are best read at a time: a few chunks, in little memory."""
        chunks = self._file[self.names[0]].chunks
        deep = chunks[0] if chunks and len(chunks) > 2 else 1
        return min(self.fitting, max(64, deep))

    @property
    def fitting(self) -> int:
        """Frames that may be held at a time."""
        return max(1, BLOCK_BYTES // (4 * math.prod(self.size)))

    def refresh(self) -> None:
        """Look how far a writer has come with the last array."""
        last = self._file[self.names[-1]]
        last.refresh()
        before = self._ends[-2] if len(self._ends) > 1 else 0
        self._ends[-1] = before + _frames_of(last.shape)

    def owner(self, number: int) -> tuple[str, int]:
        """The array that holds a frame, and the frame's row there."""
        index = bisect_right(self._ends, number)
        return self.names[index], number - (self._ends[index - 1] if index else 0)

    def count(self, name: str) -> int:
        """The number of frames in one of the arrays."""
        return _frames_of(self._file[name].shape)

    def read(self, first: int, count: int) -> NDArray[Any]:
        """Frames (count, H, W) as they are stored.

        Raises
        ------
        OSError
            If the file is damaged there.
        """
        parts = []
        while count > 0:
            name, row = self.owner(first)
            with turn():
                data = self._file[name]
                shape = data.shape
            here = min(count, _frames_of(shape) - row)
            if len(shape) == 2:
                with turn():
                    parts.append(data[()][None])
            else:
                parts.append(read_rows(data, row, row + here))
            first, count = first + here, count - here
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _count(self, name: str) -> int:
        data = self._file[name]
        if data.chunks and math.prod(data.chunks) * data.dtype.itemsize > LARGEST_CHUNK:
            raise ParameterError(
                "frames", f"{name} in chunks of {data.chunks}", f"chunks of at most {LARGEST_CHUNK >> 20} MiB"
            )
        if data.is_virtual:
            _require_sources(data)
        elif data.external is None and data.id.get_storage_size() == 0:
            raise ParameterError("frames", f"{name} in {self._path.name}, without any data", "images")
        return _frames_of(data.shape)


def _native(data: h5py.Dataset) -> np.dtype[Any]:
    """Type of an array's numbers, whatever the order of their bytes."""
    found: np.dtype[Any] = data.dtype.newbyteorder("=")
    return found


def _frames_of(shape: tuple[int, ...]) -> int:
    return math.prod(shape[:-2])


def _require_sources(data: h5py.Dataset) -> None:
    """HDF5 reads a source that is not there as fill values, without a word.

    It looks beside the file that holds the array, whatever link led there, and in the working folder.
    """
    path = Path(data.file.filename)
    for source in data.virtual_sources():
        name = source.file_name
        if name == "." or "%" in name:
            continue
        if not any((folder / name).exists() for folder in (path.parent, path.resolve().parent, Path())):
            raise ParameterError("frames", path, f"its virtual sources beside it; {name} is not there")
