"""Whether somebody writes to an HDF5 file: its superblock says so, more surely than HDF5's readers do.

A reader in single-writer mode (SWMR) is let into any file, and so into one that was copied only in part.
"""

from __future__ import annotations

from pathlib import Path

_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_VERSION, _FLAGS = 8, 11
_WRITER = 0b101


def has_writer(path: Path) -> bool:
    """Whether a file is marked as open for writing in single-writer mode; a writer that died leaves the mark.

    Notes
    -----
    HDF5 File Format Specification 3.0, section II.A: the signature stands at byte 0, 512, 1024, 2048 and so
    on; from version 3 on, bits 0 and 2 of the file consistency flags mark a writer and a single one.
    """
    place = 0
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            while place < end:
                file.seek(place)
                head = file.read(_FLAGS + 1)
                if head.startswith(_SIGNATURE):
                    return len(head) > _FLAGS and head[_VERSION] >= 3 and head[_FLAGS] & _WRITER == _WRITER
                place = max(512, 2 * place)
    except OSError:
        pass
    return False
