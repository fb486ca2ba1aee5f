"""Files that grow under another name and can be gone on with whenever their writer stopped; datasets."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

import msft
from msft.bodies import files_among
from msft.configuration import difference, to_mapping
from msft.errors import ParameterError
from msft.journal import JournaledFile
from msft.layout import PROCESS, PatternWriter, lay_out
from msft.particle import Particles
from msft.shots import Recipe

COMMIT_SECONDS = 5.0
"""Time between two commits: what a kill costs at most."""

SAME = ("version", "seed", "particles", "bodies", "uncertainty", "simulation", "first", "count", "total")
"""Attributes that must agree for one command to go on with what another began."""


def unfinished(path: Path) -> Path:
    """Where a file grows until it is complete."""
    return path.with_name(path.name + ".partial")


def identity(recipe: Recipe, rows: range, total: int) -> dict[str, Any]:
    """What makes two datasets the same, as attributes of ``process_1``."""
    return {
        "version": msft.__version__,
        "seed": recipe.seed,
        "particles": json.dumps(to_mapping(recipe.distribution)),
        "bodies": json.dumps(body_files(recipe.distribution.corners().bodies.tolist())),
        "uncertainty": json.dumps(to_mapping(recipe.uncertainty)),
        "simulation": json.dumps(to_mapping(recipe.simulation)),
        "first": rows.start,
        "count": len(rows),
        "total": total,
    }


def body_files(names: Iterable[str]) -> dict[str, str]:
    """SHA-256 of the files that bodies of these names are read from, by path: they may change meanwhile."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(files_among(set(names)))
    }


def require_same(path: Path, attributes: Mapping[str, Any], wanted: Mapping[str, Any], way_out: str) -> None:
    """Refuse a file that another command began.

    Raises
    ------
    ParameterError
        Naming the first field that differs, and how to get on.
    """
    if differs := where_unlike(attributes, wanted, SAME):
        name, found, allowed = differs
        raise ParameterError("out", f"{path}, begun with {name} {found}", f"{name} {allowed}; {way_out}")


def where_unlike(
    one: Mapping[str, Any], other: Mapping[str, Any], names: Iterable[str]
) -> tuple[str, Any, Any] | None:
    """The first field in which two datasets differ, in attributes of these names, and what each has there."""
    mine, theirs = ({name: _plain(given.get(name, "nothing")) for name in names} for given in (one, other))
    return None if mine == theirs else difference(mine, theirs)


def _plain(attribute: Any) -> Any:
    """What an attribute holds as JSON; itself, if it is none."""
    try:
        return json.loads(attribute)
    except (TypeError, ValueError):
        return attribute


class Growing:
    """A dataset that grows; see `grow`."""

    def __init__(self, journaled: JournaledFile, file: h5py.File) -> None:
        self._journaled = journaled
        self._file = file
        self._writer = PatternWriter(file, int(file[PROCESS].attrs["written"]))
        self._last_commit = time.monotonic()

    @property
    def done(self) -> int:
        """Patterns that it holds."""
        return self._writer.filled

    def append(
        self, chunks: Sequence[bytes], particles: Particles, optics: Mapping[str, NDArray[np.float64]]
    ) -> None:
        """Write the next patterns; commit if the last time is long ago."""
        self._writer.append_chunks(chunks, particles, optics)
        self._file[PROCESS].attrs.modify("written", self.done)
        if time.monotonic() - self._last_commit > COMMIT_SECONDS:
            self._file.flush()
            self._journaled.commit()
            self._last_commit = time.monotonic()


@contextmanager
def grow(
    path: Path,
    recipe: Recipe,
    rows: range,
    total: int,
    provenance: Mapping[str, Any],
    *,
    force: bool,
    resume: bool,
) -> Iterator[Growing]:
    """A dataset for rows of a recipe's sequence; what an earlier process left of it is gone on with.

    It grows as `unfinished(path)` and takes the place of `path` when the block ends without an exception. On
    any exception what is written is kept, too.

    Parameters
    ----------
    path
        Where the complete file appears.
    recipe, rows, total
        Its patterns are `rows` of a sequence of `total`.
    provenance
        Further attributes of ``process_1``.
    force
        Replace a complete file, and begin anew unless `resume` is given, too.
    resume
        Go on with what is there whatever `force` says.

    Raises
    ------
    ParameterError
        If another process writes it, another command began it, or the file is there and `force` is not
        given.
    OSError
        If the disk is full or fails; the message tells what is kept.
    """
    anew = force and not resume
    way = "with --resume the same command" if anew else "the same command"
    wanted = identity(recipe, rows, total)
    with growing_file(path, not anew, "what is simulated so far", way) as (journaled, file):
        # another process may have finished it while this one looked
        if path.exists() and not force:
            raise ParameterError("out", f"{path}, which exists", "a new name, or --force to replace it")
        if journaled.committed:
            require_same(unfinished(path), file[PROCESS].attrs, wanted, "or --force to begin anew")
        else:
            lay_out(
                file,
                len(rows),
                recipe.simulation,
                {**provenance, **wanted, "written": 0},
                varying=recipe.uncertainty.varying,
                wavenumber=recipe.smallest_wavenumber,
                longest_name=recipe.distribution.longest_name,
                labels=recipe.distribution.labels,
            )
        yield Growing(journaled, file)
        file[PROCESS].attrs["complete"] = True


@contextmanager
def growing_file(
    target: Path, keep: bool, what: str, way: str = "the same command"
) -> Iterator[tuple[JournaledFile, h5py.File]]:
    """An HDF5 file that takes the place of the target when the block ends without an exception.

    On any exception but a `ParameterError` what is there is kept, too, if ``process_1`` counts anything as
    `written`.

    Parameters
    ----------
    target
        Where the complete file appears; until then it is `unfinished(target)`.
    keep
        Go on with what an earlier process left.
    what, way
        What is kept, and what goes on with it, in words.

    Raises
    ------
    ParameterError
        If another process writes it.
    OSError
        If the disk is full or fails; the message tells what is kept, and so does that of an interrupt.
    """
    partial = unfinished(target)
    with JournaledFile(partial, keep=keep) as journaled:

        def kept() -> str:
            if not journaled.committed:
                return "nothing is kept"
            return f"{what} is kept in {partial.name}, and {way} goes on with it"

        try:
            with h5py.File(journaled, "r+" if journaled.committed else "w", track_order=True) as file:
                try:
                    yield journaled, file
                except ParameterError:
                    raise
                except BaseException:
                    if journaled.failure is None and PROCESS in file and file[PROCESS].attrs["written"]:
                        file.flush()
                        journaled.commit()
                    raise
            journaled.finish(target)
        except (OSError, RuntimeError, KeyError) as error:
            # what HDF5 makes of a failed write tells less than the failure itself
            failure = journaled.failure or error
            if not isinstance(failure, OSError) or failure.errno is None:
                raise
            raise OSError(failure.errno, f"{failure.strerror}; {kept()}", str(partial)) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(kept()) from None
