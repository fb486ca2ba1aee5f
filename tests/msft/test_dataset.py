"""The dataset file, read with plain h5py, and what is refused when it is damaged."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from msft.dataset import open_hdf5, open_patterns
from msft.detector import EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.generate import generate
from msft.pattern import Simulation
from msft.symmetry import to_fundamental_domain

SMALL = Simulation(detector=EwaldDetector(pixels=12, q_step=0.07))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    generate(tmp_path / "d.h5", 4, seed=3, simulation=SMALL, command="msft generate --n 4 --seed 3")
    return tmp_path / "d.h5"


def test_the_layout_is_the_designs(path: Path) -> None:
    with h5py.File(path) as file:
        assert file["cxi_version"][()] == 160
        data = file["/entry_1/data_1/data"]
        assert (data.shape, data.dtype, data.chunks) == ((4, 12, 12), np.float32, (1, 12, 12))
        assert data.compression is not None
        orientation = file["/entry_1/sample_1/orientation"]
        assert (orientation.shape, orientation.dtype) == ((4, 4), np.float64)
        np.testing.assert_array_equal(to_fundamental_domain(orientation[:]), orientation[:])
        radius = file["/entry_1/sample_1/radius"]
        assert (radius.shape, radius.dtype) == ((4,), np.float64)
        assert ((radius[:] > 30e-9) & (radius[:] < 160e-9)).all()
        assert list(file["/entry_1/sample_1/body"].asstr()[:]) == ["icosahedron"] * 4
        source = file["/entry_1/instrument_1/source_1"]
        assert source["wavelength"][()] == pytest.approx(13.5e-9)
        assert source["energy"][()] == pytest.approx(1.98644586e-25 / 13.5e-9, rel=1e-7)
        detector = file["/entry_1/instrument_1/detector_1"]
        assert detector["geometry"].asstr()[()] == "ewald"
        assert detector["q_step"][()] == pytest.approx(0.07e9)
        attributes = file["/entry_1/process_1"].attrs
        assert attributes["complete"] == True  # noqa: E712  a NumPy bool
        assert attributes["seed"] == 3
        assert attributes["solver"] == "exact"
        assert attributes["absorption"] == "amplitude"
        assert attributes["absorption_length"] == pytest.approx(12.5e-9)
        assert attributes["command"] == "msft generate --n 4 --seed 3"
        assert attributes["program"]
        assert attributes["version"]


def test_it_is_read_where_no_plugins_of_hdf5_are(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdf5plugin", None)
    with open_patterns(path) as patterns:
        assert patterns.patterns(slice(0, 4)).shape == (4, 12, 12)


def test_the_mask_marks_what_no_light_reaches(path: Path) -> None:
    k = 2 * math.pi / 13.5
    with h5py.File(path) as file:
        mask = file["/entry_1/instrument_1/detector_1/mask"][:]
        data = file["/entry_1/data_1/data"][:]
    q = 0.07 * np.hypot(*np.mgrid[-6:6, -6:6])
    np.testing.assert_array_equal(mask == 0, q < k)
    assert (mask[q >= k] == 0x200).all()
    assert (data[:, mask != 0] == 0).all()
    assert (data[:, mask == 0] > 0).all()


def test_plotting_programs_find_the_images(path: Path) -> None:
    with h5py.File(path) as file:
        entry = file[file.attrs["default"]]
        data = entry[entry.attrs["default"]]
        assert data[data.attrs["signal"]].shape == (4, 12, 12)
        assert entry.attrs["NX_class"] == "NXentry"
        assert data.attrs["NX_class"] == "NXdata"


def test_a_flat_detector_is_stored_in_metres(tmp_path: Path) -> None:
    simulation = Simulation(detector=FlatDetector(pixels=8, pixel_size=5.0, distance=40.0))
    generate(tmp_path / "flat.h5", 1, simulation=simulation)
    with h5py.File(tmp_path / "flat.h5") as file:
        detector = file["/entry_1/instrument_1/detector_1"]
        assert detector["geometry"].asstr()[()] == "flat"
        assert detector["pixel_size"][()] == pytest.approx(5e-3)
        assert detector["distance"][()] == pytest.approx(40e-3)
        assert (detector["mask"][:] == 0).all()
    with open_patterns(tmp_path / "flat.h5") as dataset:
        assert dataset.simulation == simulation


def test_reading_gives_nanometres_and_the_stored_patterns(path: Path) -> None:
    with open_patterns(path) as dataset, h5py.File(path) as file:
        assert (len(dataset), dataset.pixels) == (4, 12)
        np.testing.assert_allclose(
            dataset.particles.radius, file["entry_1/sample_1/radius"][:] * 1e9, rtol=1e-14
        )
        np.testing.assert_array_equal(dataset.patterns(slice(1, 3)), file["entry_1/data_1/data"][1:3])
        np.testing.assert_array_equal(dataset.patterns(2), file["entry_1/data_1/data"][2])


def refused(path: Path) -> str:
    with pytest.raises(ParameterError) as caught, open_patterns(path) as dataset:
        dataset.patterns(slice(None))
    assert caught.value.field == "dataset" or caught.value.field.startswith("simulation")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_refused(path: Path, share: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    refused(path)


def test_an_interrupted_file_is_refused(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["entry_1/process_1"].attrs["complete"] = False
    assert "complete" in refused(path)
    with h5py.File(path, "r+") as file:
        del file["entry_1/process_1"].attrs["complete"]
    assert "complete" in refused(path)


def test_damaged_patterns_are_refused_when_they_are_read(path: Path) -> None:
    with h5py.File(path) as file:
        where = file["entry_1/data_1/data"].id.get_chunk_info(2).byte_offset
    with path.open("r+b") as raw:
        raw.seek(where)
        raw.write(b"\xff" * 16)
    refused(path)


def test_what_is_no_dataset_is_refused(tmp_path: Path) -> None:
    assert "exists" in refused(tmp_path / "no.h5")
    assert "folder" in refused(tmp_path)
    (tmp_path / "text.h5").write_text("hello")
    refused(tmp_path / "text.h5")
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = np.zeros(3)
    refused(tmp_path / "other.h5")


def _replace(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


def _attribute(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file["entry_1/process_1"].attrs[name] = value

    return change


@pytest.mark.parametrize(
    "change",
    [
        _replace("entry_1/data_1/data", None),
        _replace("entry_1/data_1/data", np.zeros((4, 12, 10))),
        _replace("entry_1/data_1/data", np.zeros((12, 12))),
        _replace("entry_1/data_1/data", np.zeros((5, 12, 12))),
        _replace("entry_1/data_1/data", np.array([b"x"] * 4)),
        _replace("entry_1/sample_1", None),
        _replace("entry_1/sample_1/radius", None),
        _replace("entry_1/sample_1/radius", np.zeros(4)),
        _replace("entry_1/sample_1/orientation", np.zeros((4, 4))),
        _replace("entry_1/sample_1/orientation", np.ones((4, 3))),
        _replace("entry_1/sample_1/orientation", np.ones((3, 3))),
        _replace("entry_1/sample_1/body", np.arange(4)),
        _replace("entry_1/sample_1/body", ["icosahedron", "sphere"]),
        _replace("entry_1/sample_1/body", ["blob"] * 4),
        _replace("entry_1/process_1", None),
        _attribute("simulation", "{broken"),
        _attribute("simulation", "[1]"),
        _attribute("simulation", '{"solver": "born"}'),
        _attribute("simulation", 3),
    ],
    ids=[
        "no data", "not square", "one image", "more images", "text", "no sample", "no radius", "radius 0",
        "orientation 0", "three components", "3 x 3", "numbers for bodies", "two bodies", "unknown body",
        "no process", "broken JSON", "a list", "unknown solver", "a number",
    ],
)  # fmt: skip
def test_a_changed_file_is_refused_in_one_line(path: Path, change: Callable[[h5py.File], None]) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(ParameterError) as caught, open_patterns(path) as dataset:
        dataset.patterns(slice(None))
    assert "\n" not in str(caught.value)


def test_errors_of_the_reader_itself_are_not_blamed_on_the_file(path: Path) -> None:
    with pytest.raises(KeyError), open_hdf5(path):
        dict[str, int]()["mine"]
    with pytest.raises(FileNotFoundError), open_hdf5(path):
        (path.parent / "mine").read_text()
