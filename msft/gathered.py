"""Small pieces that come one behind another, written to a file at once."""

from __future__ import annotations

import os

GATHERED = 2**20
"""Bytes that are kept in memory at most."""


class Gathered:
    """Writes at positions of a file, of which those that continue the one before wait for each other.

    Parameters
    ----------
    descriptor
        Of the file. What it holds is only certain after `flush`.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._content = bytearray(GATHERED)
        self._filled = self._end = 0

    def write(self, data: memoryview, offset: int) -> None:
        """Write some bytes, at the latest with the next call of `flush`.

        Raises
        ------
        OSError
            If the disk is full or fails, perhaps for those of an earlier call.
        """
        if offset != self._end or self._filled + len(data) > len(self._content):
            self.flush()
        if len(data) > len(self._content):
            write_all(self._descriptor, data, offset)
        else:
            self._content[self._filled : self._filled + len(data)] = data
            self._filled += len(data)
        self._end = offset + len(data)

    def flush(self) -> None:
        """Write what waits; if that fails it is dropped."""
        if self._filled:
            size, self._filled = self._filled, 0
            write_all(self._descriptor, memoryview(self._content)[:size], self._end - size)


def write_all(descriptor: int, data: memoryview | bytearray, offset: int) -> None:
    """Write all of some bytes at a position, however few the system takes at a time."""
    written = os.pwrite(descriptor, data, offset)
    if written < len(data):
        write_all(descriptor, memoryview(data)[written:], offset + written)
