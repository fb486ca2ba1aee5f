"""Marks of writers in HDF5 files, made by HDF5 itself."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from msft.superblock import has_writer


@pytest.mark.parametrize("userblock", [0, 512, 2048])
def test_a_single_writer_is_seen_while_the_file_is_open(tmp_path: Path, userblock: int) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", libver="latest", userblock_size=userblock) as file:
        file["data"] = [1, 2, 3]
        file.flush()
        assert not has_writer(path)  # others may not read it yet
        file.swmr_mode = True
        assert has_writer(path)
    assert not has_writer(path)


def test_other_files_have_no_single_writer(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "old.h5", "w", libver="earliest") as file:
        file["data"] = [1, 2, 3]
        file.flush()
        assert not has_writer(tmp_path / "old.h5")
    (tmp_path / "text.h5").write_bytes(b"no HDF5 " * 1000)
    (tmp_path / "empty.h5").touch()
    (tmp_path / "short.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    for name in ("text.h5", "empty.h5", "short.h5", "missing.h5"):
        assert not has_writer(tmp_path / name)
