"""A folder in which frames appear: each file is inverted when it is there, a growing one frame by frame."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from stat import S_ISREG
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from invert import shipped
from invert.frames import FrameSource, Reading, open_frames
from invert.kept import are_predictions, replacing
from invert.network_inverter import NetworkInverter
from invert.predictions import append, complete, compressed, lay_out, open_predictions
from invert.table import is_table, write_table
from invert.watched import Watched, of_frame
from msft.errors import ParameterError
from msft.layout import PROCESS
from msft.output import check_own, check_writable, whole
from msft.superblock import has_writer

SUFFIXES = (".h5", ".hdf5", ".cxi", ".nxs")
PREDICTIONS = ".predictions.h5"
OF_INVERTERS = re.compile(r".*\.predictions(\.\d+)?\.h5")
"""Names of predictions, those that were kept among them."""

AT_ONCE = 64
"""Frames of a growing file that are inverted together."""

PATIENCE = 60.0
"""Seconds without a frame after which a writer counts as gone: one that was killed leaves its file as if it
were still being written. If it was only resting, its file changes, and is inverted again."""

State = tuple[int, int]
"""Size and time of the last change of a file."""


def watch_folder(
    folder: Path,
    reading: Reading,
    inverter: NetworkInverter,
    provenance: Mapping[str, Any],
    say: Callable[[Watched], None],
    tell: Callable[[Path, str], None],
    *,
    interval: float = 1.0,
    until_idle: float | None = None,
    patience: float = PATIENCE,
) -> None:
    """Invert what appears in a folder, until nothing has for a while.

    Parameters
    ----------
    folder
        Of files with HDF5's usual endings. Those that have predictions newer than themselves are done, unless
        they have changed since they were opened for them.
    reading, inverter, provenance
        As for one file.
    say
        Told of every frame and of every file that is done.
    tell
        Told of a file what was found and decided about it, of which ``warning:`` needs a look, or ``error:``
        and why it cannot be used; it is tried again when it changes. Of the folder, how many files of it are
        done already.
    interval
        Seconds between two looks.
    until_idle
        Seconds without anything new after which it ends; None for never.
    patience
        Seconds that a file which is being written is waited for when no frame is added.

    Raises
    ------
    ParameterError
        If there is no such folder.
    """
    if not folder.is_dir():
        raise ParameterError("folder", folder, "a folder that exists")
    refused: dict[Path, State] = {}
    inverted: dict[Path, State | None] = {}
    last_news = time.monotonic()
    done = sum(twin is None and has_predictions(path) for path, twin in files_in(folder))
    if done:
        text = "files have predictions already, of whatever model and options; they are left"
        tell(folder, f"warning: {done} {text}")
    while True:
        for path, twin in files_in(folder):
            state = _state(path)
            if state is None or refused.get(path) == state:
                continue
            if twin is None and inverted.get(path, state) == state and has_predictions(path):
                continue
            try:
                if twin is not None:
                    allowed = f"a name of its own; the predictions of {twin.name} would be lost"
                    raise ParameterError("frames", path.name, allowed)
                inverted[path] = invert_as_it_grows(
                    path, reading, inverter, provenance, say, tell, interval, patience
                )
            except ParameterError as error:
                # one that is only just being written may be whole the next time: it changes, then
                refused[path] = state
                tell(path, f"error: {error}")
            last_news = time.monotonic()
        if until_idle is not None and time.monotonic() - last_news >= until_idle:
            return
        time.sleep(interval)


def files_in(folder: Path) -> list[tuple[Path, Path | None]]:
    """Files of a folder, oldest first, each with an older one whose predictions have its name, if any."""
    states = {
        path: state
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES
        and not OF_INVERTERS.fullmatch(path.name)
        and not path.name.startswith(".")
        if (state := _state(path)) is not None
    }
    first: dict[Path, Path] = {}
    oldest = sorted(states, key=lambda path: (states[path][1], path.name))
    owners = [(path, first.setdefault(path.with_suffix(PREDICTIONS), path)) for path in oldest]
    return [(path, None if owner == path else owner) for path, owner in owners]


def has_predictions(path: Path) -> bool:
    """Whether a file has predictions that are not older than itself."""
    own, done = _state(path), _state(path.with_suffix(PREDICTIONS))
    return done is not None and own is not None and done[1] >= own[1]


def invert_as_it_grows(
    path: Path,
    reading: Reading,
    inverter: NetworkInverter,
    provenance: Mapping[str, Any],
    say: Callable[[Watched], None],
    tell: Callable[[Path, str], None],
    interval: float = 1.0,
    patience: float = PATIENCE,
) -> State | None:
    """Invert the frames of one file as they are written; predictions appear when its writer has closed it.

    A writer that has added nothing for `patience` seconds counts as gone, which is told as a warning; so is a
    file that has vanished. Forward fits whose place they take are kept.

    Returns
    -------
    The file's state before it was opened for the last time; None if it was not there any more.

    Raises
    ------
    ParameterError
        If the file cannot be used, another one has taken its name meanwhile, or what has the name of its
        predictions is something else.
    """
    target = path.with_suffix(PREDICTIONS)
    check_writable(target)
    check_own(target, are_predictions)
    check_own(target.with_suffix(".csv"), is_table)
    done, last_news = 0, time.monotonic()
    notes: list[str] = []
    begun: tuple[int | None, NDArray[np.float32] | None] = (None, None)
    with replacing(target) as kept, whole(target) as temporary, ExitStack() as stack:
        file = stack.enter_context(h5py.File(temporary, "w", track_order=True))
        while True:
            state = _state(path)
            if done and state is None:
                tell(path, "warning: it is gone; taken as far as it was read")
                break
            growing = has_writer(path)
            with open_frames(path, reading, growing=growing) as source:
                inverter.adjust(source)
                _tell_new(source, notes, tell)
                if PROCESS not in file:
                    facts = {**provenance, "weights_sha256": inverter.checkpoint.digest}
                    lay_out(file, source.size, inverter.simulation, facts, inverter.sigma_means)
                # not the file alone: one that is written anew in its place stays the same to the file system
                number, head = _number(path), source.as_stored(range(1)) if len(source) else None
                if done and (number != begun[0] or len(source) < done or not _alike(head, begun[1])):
                    allowed = "one file under a name until it is done"
                    raise ParameterError("frames", f"{path.name}, which is another file now", allowed)
                begun = number, head
                done = _catch_up(source, done, inverter, file, say)
                last_news = time.monotonic()  # inverting may have taken longer than a writer is waited for
                while has_writer(path) and _number(path) == number:
                    if time.monotonic() - last_news >= patience:
                        break
                    time.sleep(interval)
                    source.refresh()
                    _tell_new(source, notes, tell)
                    before, done = done, _catch_up(source, done, inverter, file, say)
                    if done > before:
                        last_news = time.monotonic()
                reading = source.reading  # what was found out holds for all frames
            if not growing:
                break
            if _number(path) == number and time.monotonic() - last_news >= patience:
                tell(path, f"warning: taken as it is, since its writer has added nothing for {patience:g} s")
                break
            # once more, now that the writer has gone, for what came last
        file[PROCESS].attrs["notes"] = json.dumps(notes)
        complete(file)
        stack.close()
    with open_predictions(target) as predictions:
        write_table(target.with_suffix(".csv"), predictions.blocks())
    for line in kept:
        tell(path, line)
    weights = shipped.describe(inverter.checkpoint)[0]
    say(Watched(path.name, predictions=target.name, notes=(weights, *notes, *kept)))
    return state


def _state(path: Path) -> State | None:
    """None of what is no file, as of one that has vanished since the folder was looked at."""
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_size, found.st_mtime_ns) if S_ISREG(found.st_mode) else None


def _number(path: Path) -> int | None:
    """By which a file is told from another one that has taken its name."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _alike(one: NDArray[np.float32] | None, other: NDArray[np.float32] | None) -> bool:
    return one is not None and other is not None and np.array_equal(one, other, equal_nan=True)


def _tell_new(source: FrameSource, notes: list[str], tell: Callable[[Path, str], None]) -> None:
    """Tell what was decided about a file and not told yet, and add it to the notes."""
    for note in source.notes:
        if note not in notes:
            notes.append(note)
            tell(source.path, note)


def _catch_up(
    source: FrameSource,
    done: int,
    inverter: NetworkInverter,
    file: h5py.File,
    say: Callable[[Watched], None],
) -> int:
    """Invert the frames that are there and were not before; returns the number of frames done."""
    while done < len(source):
        frames = source.read(range(done, min(done + AT_ONCE, len(source))))
        inversion = inverter(frames)
        append(file, inversion.estimates, frames.source, compressed(inversion))
        for row in range(len(inversion.estimates)):
            say(of_frame(source.path, inversion.estimates, row))
        done += len(inversion.estimates)
    return done
