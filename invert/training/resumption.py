"""The state of a training that was stopped, for the same command to go on with."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import math
import os
import pickle
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from msft.configuration import difference
from msft.errors import ParameterError

_STATE = "state.pt"

SMALL = 2**25
"""Bytes of a state that is written whenever there is a new one."""

SHARE = 0.03
"""Of the time of a training, what writing larger ones may take: on a GPU it is faster than a disk."""

State = dict[str, Any]
"""Numbers, strings, tensors, and lists and dictionaries of them."""


def unfinished(out: Path) -> Path:
    """The hidden folder beside `out` in which a training keeps its state until it is complete."""
    return out.absolute().with_name(f".{out.name}.partial")


class Resumption:
    """Where a training keeps its state; see `resumable`."""

    def __init__(self, folder: Path, identity: Mapping[str, Any]) -> None:
        self.folder = folder
        self.identity = {name: json.dumps(value, sort_keys=True) for name, value in identity.items()}
        self._bytes = 0
        self._next = -math.inf

    def read(self, force: bool = False) -> State | None:
        """The last state, or None if there is none.

        Parameters
        ----------
        force
            What another command left, or what cannot be read, counts as none.

        Raises
        ------
        ParameterError
            If another command began it, or it is damaged.
        """
        path = self.folder / _STATE
        if not path.exists():
            return None
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
            begun, state = _plain(stored["identity"]), dict(stored["state"])
        except (RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError):
            if force:
                return None
            raise ParameterError("out", path, "a readable state of a training; --force begins anew") from None
        own = _plain(self.identity)
        if begun == own:
            return state
        if force:
            return None
        name, found, wanted = difference(begun, own)
        allowed = f"{name} {json.dumps(wanted)}, or --force to begin anew"
        raise ParameterError("out", f"{self.folder}, begun with {name} {json.dumps(found)}", allowed)

    def keep(self, state: State) -> None:
        """Write a state, if it is small or the last one was long enough ago; the first is always written.

        Raises
        ------
        ParameterError
            As `write`.
        """
        begin = time.monotonic()
        if self._bytes > SMALL and begin < self._next:
            return
        self.write(state)
        end = time.monotonic()
        self._next = end + (end - begin) / SHARE

    def write(self, state: State) -> None:
        """Make this the state that stays, whole or not at all, whatever stops the process or the machine.

        Raises
        ------
        ParameterError
            If the disk is full; the state before stays.
        """
        buffer = io.BytesIO()  # writing straight into a file, torch hides why it failed
        torch.save({"identity": self.identity, "state": state}, buffer)
        self._bytes = buffer.tell()
        temporary = self.folder / (_STATE + ".new")
        try:
            with temporary.open("wb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.folder / _STATE)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise self.failed(error) from None

    def failed(self, error: OSError) -> ParameterError | OSError:
        """What to raise when writing failed: a full disk is the user's to mend, anything else stays."""
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            return error
        return ParameterError("out", f"{self.folder}: {error.strerror}", f"a disk with room; {self.kept}")

    @property
    def kept(self) -> str:
        """What is left when the training stops now, in words."""
        if not (self.folder / _STATE).exists():
            return "nothing is kept"
        return f"what is learned so far is kept in {self.folder.name}, and the same command goes on with it"


def _plain(identity: Mapping[str, str]) -> dict[str, Any]:
    return {name: json.loads(identity[name]) for name in identity}


@contextmanager
def resumable(out: Path, identity: Mapping[str, Any], leading: bool = True) -> Iterator[Resumption]:
    """A place for the state of the training that writes `out`.

    The state goes when the block ends without an exception; on any exception it stays.

    Parameters
    ----------
    out
        What the training writes.
    identity
        What makes two trainings the same, by name; plain values.
    leading
        Whether this process writes: of several that train together, one does.

    Raises
    ------
    ParameterError
        If another process trains here.
    KeyboardInterrupt
        Interrupted, with what is kept in words.
    """
    resumption = Resumption(unfinished(out), identity)
    if not leading:
        yield resumption
        return
    resumption.folder.mkdir(exist_ok=True)
    descriptor = os.open(resumption.folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ParameterError("out", out, "another folder; another process is training this one") from None
        try:
            yield resumption
            shutil.rmtree(resumption.folder)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(resumption.kept) from None
        finally:
            if resumption.folder.exists() and not (resumption.folder / _STATE).exists():
                shutil.rmtree(resumption.folder)
    finally:
        os.close(descriptor)
