"""Forward fits whose file other answers take: kept once, whole, and under a name of their own."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from invert.kept import replacing


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """Of a file in which one of two frames took 50 patterns, as any version of this toolkit wrote it."""
    path = tmp_path / "p.h5"
    with h5py.File(path, "w") as file:
        file["/entry_1/result_1/patterns_used"] = [1, 50]
    return path


def names(predictions: Path) -> list[str]:
    return sorted(path.name for path in predictions.parent.iterdir())


@pytest.mark.parametrize("left", [os.link, shutil.copy2])
def test_a_run_goes_on_with_what_one_that_was_killed_kept(
    predictions: Path, left: Callable[[Path, Path], object]
) -> None:
    fits = predictions.read_bytes()
    left(predictions, predictions.with_name("p.1.h5"))
    with replacing(predictions) as notes:
        other = predictions.with_name("new")
        other.write_bytes(b"other answers")
        other.replace(predictions)
    assert len(notes) == 1
    assert "p.1.h5" in notes[0]
    assert names(predictions) == ["p.1.h5", "p.h5"]
    assert predictions.with_name("p.1.h5").read_bytes() == fits
    assert predictions.read_bytes() == b"other answers"


def test_a_copy_that_the_disk_has_no_space_for_leaves_nothing(
    predictions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    def full(source: Path, copy: Path) -> None:
        copy.write_bytes(source.read_bytes()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", refuse)
    monkeypatch.setattr("shutil.copy2", full)
    with pytest.raises(OSError, match="No space"), replacing(predictions):
        pass
    assert names(predictions) == ["p.h5"]


def test_what_is_no_file_of_fits_is_replaced(predictions: Path) -> None:
    for content in (b"", b"no HDF5"):
        predictions.write_bytes(content)
        with replacing(predictions) as notes:
            assert names(predictions) == ["p.h5"]
        assert notes == []
