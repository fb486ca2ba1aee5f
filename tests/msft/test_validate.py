"""Each fault that can be put into a file is found and named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.generate import generate, generate_shard
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.shards import Shard, merge
from msft.shots import Recipe
from msft.uncertainty import Uncertainty
from msft.validate import validate

RECIPE = Recipe(
    3,
    ParticleDistribution(body={"icosahedron": 0.6, "cube": 0.4}),
    Simulation(detector=EwaldDetector(pixels=12, q_step=0.07)),
    Uncertainty(wavelength=0.1),
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("validate") / "d.h5"
    generate(path, 6, RECIPE.seed, RECIPE.distribution, RECIPE.simulation, RECIPE.uncertainty)
    return path


@pytest.fixture
def path(original: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "d.h5"
    copy.write_bytes(original.read_bytes())
    return copy


def faults(path: Path, **options: Any) -> dict[str, str]:
    return {finding.check: finding.fault for finding in validate(path, **options) if finding.fault}


def test_what_was_generated_is_right(path: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    assert faults(path, progress=seen.append) == {}
    assert sum(seen) == 6
    for number in (1, 2):
        shard = generate_shard(tmp_path / "shards", Shard(number, 2), 6, RECIPE)
        assert faults(shard) == {}
    merge([tmp_path / "shards"], tmp_path / "merged.h5")
    assert faults(tmp_path / "merged.h5") == {}


def test_of_filtered_patterns_it_is_not_said_that_they_were_simulated(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        file["entry_1/data_1/data"].attrs["scale"] = "log"
    told = [finding.check for finding in validate(path)]
    assert any("finite" in check for check in told)
    assert not any("simulated again" in check for check in told)


def _set(name: str, rows: Any, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name][rows] = value

    return change


def _attribute(name: str, attribute: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        file[name].attrs[attribute] = value

    return change


def _swap(file: h5py.File) -> None:
    data = file["entry_1/data_1/data"]
    data[0], data[1] = data[1], data[0]


def _replace(name: str, value: Any) -> Callable[[h5py.File], None]:
    def change(file: h5py.File) -> None:
        del file[name]
        if value is not None:
            file[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_swap, "simulated again"),
        (_set("entry_1/data_1/data", (2, 5), 0.0), "simulated again"),
        (_set("entry_1/data_1/data", (2, 5, 5), -1.0), "not negative"),
        (_set("entry_1/data_1/data", (2, 5, 5), np.nan), "finite"),
        (_set("entry_1/optics_1/wavelength", 3, 13.6e-9), "simulated again"),
        (_set("entry_1/sample_1/radius", 3, 70e-9), "drawn again"),
        (_set("entry_1/sample_1/radius", slice(None), 70.0), "opens as a dataset"),
        (_set("entry_1/sample_1/radius", 0, 70e-18), "radii in m"),
        (_set("entry_1/sample_1/orientation", 0, [2.0, 0, 0, 0]), "unit quaternions"),
        (_set("entry_1/sample_1/orientation", 0, [-1.0, 0, 0, 0]), "unit quaternions"),
        (_set("entry_1/sample_1/orientation", slice(None), [0, 0, 0, 1.0]), "fundamental domain"),
        (_set("entry_1/sample_1/body", slice(None), b"cube"), "simulated again"),
        (_attribute("entry_1/process_1", "seed", 4), "drawn again"),
        (_attribute("entry_1/process_1", "complete", False), "opens as a dataset"),
        (_attribute("/", "default", "nothing"), "viewers"),
        (_attribute("entry_1/data_1", "NX_class", "NXlog"), "NXdata"),
        (_attribute("entry_1/process_1", "seed", -4), "drawn again"),
        (_attribute("entry_1/process_1", "first", "x"), "drawn again"),
        (_attribute("entry_1/process_1", "particles", "xx"), "drawn again"),
        (_attribute("entry_1/process_1", "simulation", 3000 * "["), "opens as a dataset"),
        (_attribute("entry_1", "default", np.array([1, 2])), "viewers"),
        (_set("entry_1/optics_1/wavelength", slice(None), 0.0), "simulated again"),
        (_replace("cxi_version", 100), "cxi_version"),
        (_replace("cxi_version", [160, 160]), "cxi_version"),
        (_replace("entry_1/data_1/data", np.zeros((6, 14, 14), "f4")), "opens as a dataset"),
        (_replace("entry_1/instrument_1/source_1/wavelength", "x"), "energy"),
        (_replace("entry_1/instrument_1/source_1/wavelength", [1e-8, 2e-8]), "energy"),
        (_replace("entry_1/data_1/data", None), "/entry_1/data_1/data"),
        (_replace("entry_1/data_1/data", np.zeros((6, 12, 12), "f4")), "chunked"),
        (_replace("entry_1/data_1/data", np.zeros((6, 12, 12))), "f4"),
        (_replace("entry_1/sample_1/radius", np.full(6, 5e-8, "f4")), "radius"),
        (_replace("entry_1/instrument_1/source_1/energy", 91.8), "energy"),
        (_replace("entry_1/instrument_1/source_1/energy", None), "energy"),
        (_replace("entry_1/sample_1", None), "NXsample"),
    ],
)
def test_each_fault_is_named(path: Path, change: Callable[[h5py.File], None], named: str) -> None:
    with h5py.File(path, "r+") as file:
        change(file)
    found = faults(path)
    assert [check for check in found if named in check], found


def test_a_pattern_that_was_never_written_is_found(path: Path) -> None:
    with h5py.File(path, "r+") as file:
        del file["entry_1/data_1/data"]
        options: dict[str, Any] = {"chunks": (1, 12, 12), "compression": "gzip"}
        file["entry_1/data_1"].create_dataset("data", (6, 12, 12), "f4", **options)[:5] = 1.0
    assert faults(path)["every pattern was written"] == "5 of 6"


def test_damaged_patterns_are_found(path: Path) -> None:
    with h5py.File(path) as file:
        where = file["entry_1/data_1/data"].id.get_chunk_info(2).byte_offset
    with path.open("r+b") as raw:
        raw.seek(where)
        raw.write(b"\xff" * 16)
    (fault,) = faults(path).values()
    assert "pattern 2 cannot be read" in fault


def test_what_cannot_be_opened_at_all_is_bad_input(tmp_path: Path, path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    for name in ("text.h5", "missing.h5"):
        with pytest.raises(ParameterError):
            validate(tmp_path / name)
    with pytest.raises(ParameterError) as caught:
        validate(path, sample=-1)
    assert caught.value.field == "sample"
