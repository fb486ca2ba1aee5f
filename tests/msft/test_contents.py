"""What is told of files, ours and other people's; and that viewers take ours."""

from __future__ import annotations

import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest

from msft.contents import LINES, contents, lines
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.uncertainty import Uncertainty

SMALL = Simulation(detector=EwaldDetector(pixels=12, q_step=0.07))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("contents") / "d.h5"
    distribution = ParticleDistribution((40.0, 60.0), {"icosahedron": 0.5, "cube": 0.5})
    generate(path, 20, 3, distribution, SMALL, Uncertainty(wavelength=0.1), command="msft generate --n 20")
    return path


def test_ours_are_told_by_what_they_mean(path: Path) -> None:
    found = contents(path)
    assert json.loads(json.dumps(found)) == found
    assert found["patterns"] == 20
    assert found["pixels"] == "12 x 12"
    assert set(found["body"]) == {"icosahedron", "cube"}
    assert sum(found["body"].values()) == 20
    low, high = found["radius_nm"]
    assert 40 <= low < high <= 60
    assert 13.2 < found["optics.wavelength"][0] < found["optics.wavelength"][1] < 13.8
    assert found["command"] == "msft generate --n 20"
    assert found["seed"] == 3
    told = "\n".join(lines(found))
    assert re.search(r"optics.wavelength +13.* to 13.* nm\n", told)
    assert "wavelength 13.5 nm, absorption amplitude, absorption_length 12.5 nm, delta 0.1096," in told
    assert "q_step 0.07 nm^-1," in told


def test_an_unfinished_one_says_so(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "d.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        file["entry_1/process_1"].attrs["complete"] = False
        file["entry_1/process_1"].attrs["written"] = 7
    assert contents(copy)["unfinished"].startswith("7 patterns")


def test_other_peoples_cxi_is_told_on_one_screen(tmp_path: Path) -> None:
    # as the helium droplets of CXIDB 94: one entry per image, energy in joules
    path = tmp_path / "helium.cxi"
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        for number in range(1, 301):
            entry = file.create_group(f"entry_{number}")
            entry.create_dataset(
                "instrument_1/detector_1/data", data=np.ones((9, 8), "u2"), compression="gzip"
            )
            entry["instrument_1/detector_1/distance"] = 0.37
            entry["instrument_1/source_1/energy"] = 3.1e-18
            entry["note_1/data"] = np.zeros(11, "u1")
            entry["data_1"] = h5py.SoftLink(f"/entry_{number}/instrument_1/detector_1")
        file["extra"] = h5py.ExternalLink("nowhere.h5", "/data")
    found = contents(path)
    assert found["cxi_version"] == 150
    assert found["/entry_1 and alike"] == 300
    assert found["/entry_1/instrument_1/detector_1/data"] == "9 x 8, uint16, gzip"
    assert found["energy"] == "3.1e-18 (19.3487 eV, 64.08 nm)"
    assert found["distance"] == "0.37 m"
    assert found["/extra"] == "-> /data"
    text = lines(found)
    assert len(text) <= LINES
    assert max(map(len, text)) <= 160


def test_units_and_scale_are_told_as_the_file_has_them(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "u.h5", "w") as file:
        file["detector/wavelength"] = 13.5
        file["detector/wavelength"].attrs["units"] = "nm"
        file["detector/q_step"] = 7.4e6
        file["images"] = np.zeros((2, 4, 4))
        file["images"].attrs["scale"] = "log"
    found = contents(tmp_path / "u.h5")
    assert found["wavelength"] == "13.5 nm"
    assert found["q_step"] == "7400000.0 1/m"
    assert found["/images"] == "2 x 4 x 4, float64, scale log"
    told = [line.split(maxsplit=1) for line in lines(found)]
    assert ["wavelength", "13.5 nm"] in told
    assert ["q_step", "7400000.0 1/m"] in told


def test_energies_in_electronvolts_are_known(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "ev.h5", "w") as file:
        file["source/energy"] = np.array([91.8])
    assert "13.51 nm" in contents(tmp_path / "ev.h5")["energy"]


def test_many_datasets_are_cut_to_a_screen(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "many.h5", "w") as file:
        for number in range(200):
            file[f"{number:03d}x"] = number
    text = lines(contents(tmp_path / "many.h5"))
    assert len(text) == LINES
    assert text[-1] == f"... and {200 + 2 - LINES + 1} more"


def test_what_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.h5").write_text("hello")
    for name in ("text.h5", "missing.h5"):
        with pytest.raises(ParameterError):
            contents(tmp_path / name)
    # a device that fails at every read
    if (device := Path("/proc/self/mem")).exists():
        with pytest.raises(ParameterError) as caught:
            contents(device)
        assert "\n" not in str(caught.value)


def test_nexpy_finds_the_stack_of_images_at_once(path: Path) -> None:
    nexus = pytest.importorskip("nexusformat.nexus", reason="NeXpy's library is not installed")
    root = nexus.nxload(str(path))
    assert root.plottable_data.nxpath == "/entry_1/data_1"
    assert root.plottable_data.nxsignal.shape == (20, 12, 12)
    assert root.plottable_data.nxsignal.interpretation == "image"


def test_silx_finds_the_stack_of_images_at_once(path: Path) -> None:
    silx = pytest.importorskip("silx.io", reason="silx is not installed")
    nxdata = pytest.importorskip("silx.io.nxdata")
    with silx.open(str(path)) as file:
        plot = nxdata.get_default(file)
        assert plot is not None
        assert plot.is_valid, plot.issues
        assert plot.signal.shape == (20, 12, 12)
        assert plot.interpretation == "image"
        assert plot.signal_dataset_name == "data"


def test_a_reader_without_plugins_reads_the_patterns(path: Path) -> None:
    with h5py.File(path) as file:
        data = file["entry_1/data_1/data"]
        names = {data.id.get_create_plist().get_filter(index)[0] for index in range(2)}
        assert names == {h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_DEFLATE}
        # CXI's own place for them
        np.testing.assert_array_equal(file["entry_1/instrument_1/detector_1/data"][3], data[3])
