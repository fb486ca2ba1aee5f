"""A disk that becomes full."""

from __future__ import annotations

import errno
import os
from typing import Any


class FullDisk:
    """In the place of a function of `os`: so many calls it takes, and from then on it fails."""

    def __init__(self, call: str, left: int) -> None:
        self._original, self.left = getattr(os, call), left

    def __call__(self, *arguments: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._original(*arguments)
