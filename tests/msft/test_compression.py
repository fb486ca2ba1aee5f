"""Chunks that are compressed beside HDF5 are read back by it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from msft import compression
from msft.compression import FILTERS, PART, chunks, portions


@pytest.mark.parametrize("library", ["as installed", "zlib"])
@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8", "u1"])
def test_hdf5_reads_what_threads_compressed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, library: str
) -> None:
    if library == "zlib":
        monkeypatch.setattr(compression, "_deflated", compression._by_zlib)
    images: Any = np.random.default_rng(0).integers(0, 200, (2 * PART + 3, 8, 6)).astype(kind)
    with ThreadPoolExecutor(3) as threads:
        compressed = [chunk for part in portions(images, threads) for chunk in part]
    assert compressed == chunks(images)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        stored = np.dtype(kind).newbyteorder("<")
        data = file.create_dataset("a", images.shape, stored, chunks=(1, 8, 6), **FILTERS)
        for row, chunk in enumerate(compressed):
            data.id.write_direct_chunk((row, 0, 0), chunk)
        assert np.array_equal(data[:], images)


def test_values_rounded_to_levels_take_half_the_place(tmp_path: Path) -> None:
    images = np.random.default_rng(1).random((PART + 1, 64, 64)).astype(np.float32)
    rounded = [chunk for part in portions(images, levels=4096) for chunk in part]
    assert 2 * sum(map(len, rounded)) < 1.2 * sum(map(len, chunks(images)))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        data = file.create_dataset("a", images.shape, "<f4", chunks=(1, 64, 64), **FILTERS)
        for row, chunk in enumerate(rounded):
            data.id.write_direct_chunk((row, 0, 0), chunk)
        found = data[:].astype(np.float64)
    assert np.abs(found - images).max() <= 0.5 / 4096
    assert np.array_equal(found * 4096, np.rint(found * 4096))
