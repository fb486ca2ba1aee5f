"""Datasets in several files: which patterns a shard holds, and one HDF5 file that shows them together."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from msft.dataset import MISREAD, PatternFile, open_hdf5, read_recipe
from msft.errors import ParameterError, one_line
from msft.layout import DATA, OPTICS, PROCESS, SAMPLE, lay_out
from msft.output import check_writable, whole
from msft.resumable import SAME, unfinished, where_unlike

ALIKE = tuple(name for name in SAME if name not in ("first", "count"))
"""Attributes in which the shards of one dataset agree."""


@dataclass(frozen=True)
class Shard:
    """One of several parts of about the same size.

    Parameters
    ----------
    number, of
        Which part, from 1 to `of`.

    Raises
    ------
    ParameterError
        If there is no such part.
    """

    number: int
    of: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of:
            allowed = f"1/{self.of} to {self.of}/{self.of}" if self.of > 0 else "1/16 or the like"
            raise ParameterError("shard", f"{self.number}/{self.of}", allowed)

    @classmethod
    def parse(cls, text: str) -> Shard:
        """A shard as users write it: ``3/16``.

        Raises
        ------
        ParameterError
            If the text is none.
        """
        found = re.fullmatch(r"(\d+)/(\d+)", text.strip())
        if not found:
            raise ParameterError("shard", repr(text), "a part such as 3/16, the third of sixteen")
        return cls(int(found[1]), int(found[2]))

    def rows(self, count: int) -> range:
        """Numbers of its patterns among `count`.

        Raises
        ------
        ParameterError
            If there are fewer patterns than parts.
        """
        if count < self.of:
            raise ParameterError(
                "shard", f"{self.number}/{self.of}", f"at most one part per pattern: {count}"
            )
        return range((self.number - 1) * count // self.of, self.number * count // self.of)

    def path(self, folder: Path) -> Path:
        """Where it lies in the folder of its dataset."""
        return folder / f"{self.number:04d}-of-{self.of:04d}.h5"


def merge(sources: Sequence[Path], out: Path, *, force: bool = False, command: str = "") -> int:
    """One file that shows the shards as one dataset: patterns as an HDF5 virtual dataset, the rest copied.

    The shards stay where they are; the file finds them by their place relative to its own.

    Parameters
    ----------
    sources
        Files, or folders of them.
    out
        The file to write, which appears whole or not at all.
    force, command
        As in `msft.generate.generate`.

    Returns
    -------
    The number of patterns.

    Raises
    ------
    ParameterError
        If a shard is missing, unfinished, there twice or of another dataset.
    """
    paths = _files(sources)
    check_writable(out, force, inputs=paths)
    with ExitStack() as stack:
        shards = _in_order({path: stack.enter_context(open_hdf5(path, "shards")) for path in paths})
        total = sum(len(shard[DATA]) for shard in shards.values())
        with whole(out) as temporary, h5py.File(temporary, "w", track_order=True) as file:
            _lay_over(file, shards, total, out.absolute().parent, command)
            _copy_columns(file, shards)
            file[PROCESS].attrs["complete"] = True
    return total


def _files(sources: Sequence[Path]) -> list[Path]:
    paths: list[Path] = []
    for source in sources:
        if not source.is_dir():
            paths.append(source)
            continue
        if begun := sorted(source.glob(unfinished(Path("*.h5")).name)):
            allowed = "finished shards; the command that began it finishes it"
            raise ParameterError("shards", begun[0], allowed)
        paths += sorted(source.glob("*.h5"))
    if not paths:
        raise ParameterError("shards", " ".join(map(str, sources)), "folders with files *.h5")
    return paths


def _in_order(shards: Mapping[Path, h5py.File]) -> dict[Path, h5py.File]:
    """The shards by the numbers of their patterns, if together they are a dataset."""
    reference: tuple[Path, dict[str, Any]] | None = None
    firsts = {}
    for path, file in shards.items():
        attributes = dict(file[PROCESS].attrs) if PROCESS in file and DATA in file else {}
        if not attributes.get("complete", False) or not set(SAME) <= set(attributes):
            raise ParameterError("shards", path, "complete files of `msft generate`")
        _require_readable(path, file)
        reference = reference or (path, attributes)
        if differs := where_unlike(attributes, reference[1], ALIKE):
            name, found, wanted = differs
            allowed = f"{name} {wanted}, as {reference[0].name}"
            raise ParameterError("shards", f"{path} of {name} {found}", allowed)
        firsts[path] = int(attributes["first"])
    assert reference is not None
    total, end = int(reference[1]["total"]), 0
    ordered = sorted(firsts, key=lambda path: firsts[path])
    for path in ordered:
        if firsts[path] != end:
            gap = f"patterns {end} to {firsts[path] - 1} missing" if firsts[path] > end else f"{path} twice"
            raise ParameterError("shards", gap, f"every one of {total} patterns once")
        end += len(shards[path][DATA])
    if end != total:
        missing = f"patterns {end} to {total - 1} missing"
        raise ParameterError("shards", missing, f"every one of {total} patterns once")
    return {path: shards[path] for path in ordered}


def _require_readable(path: Path, shard: h5py.File) -> None:
    try:
        PatternFile(path, shard)
        read_recipe(shard[PROCESS].attrs)
        int(shard[PROCESS].attrs["first"])
    except MISREAD as error:
        allowed = f"complete files of `msft generate` ({one_line(error)})"
        raise ParameterError("shards", path, allowed) from None


def _lay_over(
    file: h5py.File, shards: Mapping[Path, h5py.File], total: int, folder: Path, command: str
) -> None:
    first = next(iter(shards.values()))
    attributes = first[PROCESS].attrs
    # what is not mapped onto a shard would read as this
    patterns = h5py.VirtualLayout((total, *first[DATA].shape[1:]), first[DATA].dtype)
    filled = 0
    for path, shard in shards.items():
        rows = slice(filled, filled + len(shard[DATA]))
        source = os.path.relpath(path.absolute(), folder)
        # HDF5 takes the name for a format
        patterns[rows] = h5py.VirtualSource(source.replace("%", "%%"), DATA, shard[DATA].shape)
        filled = rows.stop
    recipe = read_recipe(attributes)
    provenance = {"program": "msft merge", "command": command, "shards": len(shards)}
    alike = {name: attributes[name] for name in ALIKE}
    lay_out(
        file,
        total,
        recipe.simulation,
        {**provenance, **alike, "first": 0, "count": total},
        virtual=patterns,
        varying=recipe.uncertainty.varying,
        wavenumber=recipe.smallest_wavenumber,
        labels=recipe.distribution.labels,
        longest_name=max(shard[SAMPLE]["body"].dtype.itemsize for shard in shards.values()),
    )


def _copy_columns(file: h5py.File, shards: Mapping[Path, h5py.File]) -> None:
    filled = 0
    for shard in shards.values():
        rows = slice(filled, filled + len(shard[DATA]))
        for group in (SAMPLE, OPTICS):
            for name, values in shard[group].items() if group in shard else ():
                file[group][name][rows] = values[:]
        filled = rows.stop
