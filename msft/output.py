"""Outputs that appear whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from msft.errors import ParameterError

LONGEST_NAME = 255
"""Bytes of a file's name, on the file systems there are."""

WORKING_NAME = 24
"""Bytes that the name of an unfinished file has more, beside its suffix once more: see `whole` and
`msft.resumable`."""


def check_writable(
    path: Path,
    force: bool = True,
    *,
    inputs: Sequence[Path] = (),
    suffixes: Sequence[str] = (),
    folder: bool = False,
) -> None:
    """Refuse, before any work is done, a path where no file (with `folder`: no folder) can be written.

    Raises
    ------
    ParameterError
        If the folder is missing or not writable, something is there and `force` is not given, a folder, a
        device or a link that leads nowhere is there in place of a file, it is one of the inputs, its name is
        too long, or its suffix is none of `suffixes` (where they are given).
    """
    most = LONGEST_NAME - WORKING_NAME - len(os.fsencode(path.suffix))
    if len(os.fsencode(path.name)) > most:
        raise ParameterError("out", path, f"a name of at most {most} bytes")
    if suffixes and path.suffix not in suffixes:
        raise ParameterError("out", path, "a name that ends in " + " or ".join(suffixes))
    check_apart(path, inputs)
    above = path.absolute().parent
    if not above.is_dir():
        raise ParameterError("out", path, f"a file in a folder that exists; {path.parent} does not")
    if path.is_dir() and not folder:
        raise ParameterError("out", f"{path}, a folder", "a file")
    if path.is_symlink() and not path.exists():  # a folder cannot take its place
        raise ParameterError("out", f"{path}, a link that leads nowhere", "a new name")
    if path.exists() and not (path.is_file() or path.is_dir()):  # a file that takes its place destroys it
        raise ParameterError("out", path, "a file, not a pipe or a device")
    if not os.access(above, os.W_OK):
        raise ParameterError("out", path, f"a file in a folder that can be written; {path.parent} cannot")
    if path.exists() and not force:
        raise ParameterError("out", f"{path}, which exists", "a new name, or --force to replace it")


def check_own(path: Path, is_own: Callable[[Path], bool]) -> None:
    """Refuse, with a `ParameterError`, to replace a file that holds something else than a command writes.

    Of one without any byte nothing is lost.
    """
    if path.is_file() and path.stat().st_size and not is_own(path):
        raise ParameterError("out", path, "a new name: it holds something else")


def check_apart(path: Path, inputs: Sequence[Path]) -> None:
    """Refuse, with a `ParameterError`, a path that is one of the files that are read."""
    if any(path.exists() and source.exists() and path.samefile(source) for source in inputs):
        raise ParameterError("out", path, "another file than those that are read")


def beside(path: Path, ending: str, field: str = "dataset") -> Path:
    """The name of an output that was given none: that of the input with another ending.

    Raises
    ------
    ParameterError
        If the input, which the message calls `field`, has no name, as the folder ``.`` has none.
    """
    if not path.name:
        raise ParameterError(field, path, "a file, not a folder")
    return path.with_suffix(ending)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, for a file or folder; it takes the place of `path` on success.

    On any exception, an interrupt included, it is removed and `path` stays as it was.
    """
    temporary = path.absolute().with_name(f".{path.name}.{os.getpid()}.partial{path.suffix}")
    try:
        yield temporary
        if temporary.is_dir() and path.exists():  # a folder cannot be replaced in one step
            old = temporary.with_name(temporary.name + ".old")
            os.replace(path, old)
            os.replace(temporary, path)
            _remove(old)
        else:
            os.replace(temporary, path)
    finally:
        _remove(temporary)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
