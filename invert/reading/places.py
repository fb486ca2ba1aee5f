"""Which of the arrays in a file are the images.

Those that are named win; then come CXI, NeXus, the usual names, and at last the largest array of numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from msft.detector import MOST_PIXELS
from msft.errors import ParameterError

IN_ENTRY = ("data_1/data", "image_1/data", "instrument_1/detector_1/data")
"""Where a CXI entry has its images."""

USUAL_PLACES = ("/entry/data/data", "/entry/instrument/detector/data", "/data/data", "/data", "/images")

SMALLEST_SIDE = 5
"""Pixels; anything narrower is a table."""

MOST_LISTED = 12

MOST_ASKED = 256
"""Of many arrays, those that are asked what their entries say."""

_ALLOWED = "a numeric array (y, x), (N, y, x) or (N, 1, y, x)"


@dataclass(frozen=True)
class Found:
    """Where the images are.

    Attributes
    ----------
    names
        Full names of the arrays, in order: several where each entry holds its own.
    rule
        Why these.
    others
        Other arrays that could have been taken, with shape and type.
    """

    names: tuple[str, ...]
    rule: str
    others: tuple[str, ...]

    @property
    def title(self) -> str:
        """The arrays, in few words."""
        more = len(self.names) - 1
        return self.names[0] + (f" and {more} more" if more else "")


def find_images(file: h5py.File, path: Path, named: str | None) -> Found:
    """The images of a file.

    Parameters
    ----------
    file, path
        Open, and where from.
    named
        What the user says.

    Raises
    ------
    ParameterError
        If what is named is no array of images, or nothing in the file is.
    """
    if named is not None:
        item = dataset_at(file, named)
        if item is None or not are_images(item):
            kind = "" if item is None else f" of shape {item.shape} and type {item.dtype}"
            raise ParameterError("dataset", f"{named}{kind}", f"{_ALLOWED} in {path.name}")
        return Found((str(item.name),), "as named", ())
    candidates = _all_images(file)
    (names, strange), rule = _in_cxi(file), "CXI"
    if strange:
        rule += f"; not {', '.join(strange)}, without images"
    if not names:
        names, rule = _in_nexus(file), "NeXus"
    if not names:
        names, rule = _in_usual_places(file), "usual name"
    if not names:
        images = [name for name in candidates if "mask" not in name.rpartition("/")[2]]
        if not images:
            raise ParameterError("frames", path, f"a file with {_ALLOWED} of images")
        # among equals the first, in the order of names
        names, rule = (max(images, key=lambda name: candidates[name].size),), "largest array"
    taken = set(names)
    others = [f"{name} {item.shape} {item.dtype}" for name, item in candidates.items() if name not in taken]
    if len(others) > MOST_LISTED:
        others[MOST_LISTED:] = [f"... {len(others) - MOST_LISTED} more"]
    return Found(names, rule, tuple(others))


def asked(names: Sequence[str]) -> list[str]:
    """Of many arrays `MOST_ASKED`, from the first to the last, which stand for all."""
    places = np.linspace(0, len(names) - 1, min(len(names), MOST_ASKED)).astype(int)
    return [names[place] for place in places]


def beside(images: str, place: str) -> list[str]:
    """Where something else of the same entry may be; images outside of any entry belong to the first."""
    entry = images.strip("/").partition("/")[0]
    entries = [entry] if entry.startswith("entry") else [entry, "entry_1", "entry"]
    return [f"/{name}/{place}" for name in entries]


def dataset_at(file: h5py.Group, place: str) -> h5py.Dataset | None:
    """The array of that name; None where there is none, or a link leads nowhere."""
    item = _item_at(file, place)
    return item if isinstance(item, h5py.Dataset) else None


def group_at(file: h5py.Group, place: str) -> h5py.Group | None:
    """The group of that name; None where there is none."""
    item = _item_at(file, place)
    return item if isinstance(item, h5py.Group) else None


def _item_at(file: h5py.Group, place: str) -> Any:
    try:
        return file.get(place)
    except (KeyError, ValueError, OSError, RuntimeError):
        return None


def are_images(item: h5py.Dataset) -> bool:
    """Whether an array is one of the shapes and types of images."""
    try:
        shape, kind = item.shape, item.dtype.kind
    except (TypeError, ValueError, OSError, RuntimeError):  # types that NumPy does not have, or damage
        return False
    if shape is None or kind not in "iuf" or len(shape) not in (2, 3, 4):
        return False
    if len(shape) == 4 and shape[0] != 1 and shape[1] != 1:
        return False
    return all(SMALLEST_SIDE <= side <= MOST_PIXELS for side in shape[-2:]) and min(shape) > 0


def attribute(item: h5py.Group | h5py.Dataset, name: str) -> str | None:
    """An attribute that is a text; None where there is none."""
    try:
        value = item.attrs.get(name)
    except (KeyError, OSError, RuntimeError, TypeError, ValueError, UnicodeDecodeError):
        return None
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    return value if isinstance(value, str) else None


def _in_cxi(file: h5py.File) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of every `entry_N`, in the order of N, all at the same place; and what lies there that is no images."""
    entries = sorted(
        (int(match[1]), name)
        for name in file
        if isinstance(name, str)  # bytes are no UTF-8
        and (match := re.fullmatch(r"entry_(\d{1,9})", name))
    )
    for place in IN_ENTRY:
        items = {name: dataset_at(file, name) for name in (f"/{entry}/{place}" for _, entry in entries)}
        found = tuple(name for name, item in items.items() if item is not None and are_images(item))
        if found:
            return found, tuple(
                name for name, item in items.items() if item is not None and name not in found
            )
    return (), ()


def _in_nexus(file: h5py.File) -> tuple[str, ...]:
    """The signal of the default plot, or of the first NXdata there is."""
    for group in _defaults(file):
        signal = attribute(group, "signal")
        for name in [signal] if signal else group:
            item = dataset_at(group, name)
            if item is None or not are_images(item):
                continue
            # NeXus before 2014 marks the array itself
            if signal or str(item.attrs.get("signal", "")) == "1":
                return (str(item.name),)
    return ()


def _defaults(file: h5py.File) -> Iterator[h5py.Group]:
    group: h5py.Group | None = file
    for _ in range(8):  # a chain of defaults may be a ring
        if group is None:
            break
        yield group
        name = attribute(group, "default")
        group = group_at(group, name) if name else None
    for entry in _children(file, "NXentry"):
        yield from _children(entry, "NXdata")


def _children(group: h5py.Group, kind: str) -> Iterator[h5py.Group]:
    for name in group:
        child = group_at(group, name)
        if child is not None and attribute(child, "NX_class") == kind:
            yield child


def _in_usual_places(file: h5py.File) -> tuple[str, ...]:
    for place in USUAL_PLACES:
        item = dataset_at(file, place)
        if item is not None and are_images(item):
            return (place,)
    return ()


def _all_images(file: h5py.File) -> dict[str, h5py.Dataset]:
    """Every array of images that hard links lead to; each object is visited once."""
    candidates: dict[str, h5py.Dataset] = {}

    def collect(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and are_images(item):
            candidates[f"/{name}"] = item

    file.visititems(collect)
    return candidates
