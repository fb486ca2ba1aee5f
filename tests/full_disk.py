"""Disks that become full."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


class FullDisk:
    """In the place of a function of `os`: so many calls it takes, and from then on it fails."""

    def __init__(self, call: str, left: int) -> None:
        self._original, self.left = getattr(os, call), left

    def __call__(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._original(*arguments)


@contextmanager
def mounted(place: Path, size: str) -> Iterator[Path]:
    """A disk of so many bytes; where none can be mounted, the test is skipped."""
    place.mkdir()
    disk = ["tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    told = subprocess.run(["mount", "-t", *disk], capture_output=True, check=False)
    if told.returncode:
        pytest.skip(f"cannot mount a small tmpfs here: {told.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", str(place)], check=True)
