"""`msft simulate`: one particle of any body on any detector, and one line for what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from matplotlib.image import imread
from msft_cli.simulation import app
from typer.testing import CliRunner

from msft.dataset import open_patterns
from msft.detector import FlatDetector
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.units import wavelength_of_electronvolts

FAST = ["--pixels", "16", "--q-step", "0.05"]


def run(*arguments: Any) -> Any:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


def test_one_particle_as_a_file_and_a_picture(tmp_path: Path) -> None:
    out, png = tmp_path / "one.h5", tmp_path / "one.png"
    result = run("--radius", 60, "--orientation", "0.9,0.25,-0.1,0.33", "--out", out, "--png", png)
    assert result.exit_code == 0, result.output
    assert str(out) in result.output
    particle = Particles(60.0, [0.9, 0.25, -0.1, 0.33])
    with open_patterns(out) as patterns:
        assert len(patterns) == 1
        np.testing.assert_allclose(patterns.particles.radius, 60.0)
        np.testing.assert_allclose(patterns.particles.orientation, particle.orientation)
        expected = Simulation(precision="double").intensity(particle)
        np.testing.assert_allclose(patterns.patterns(0), expected[0], rtol=1e-4, atol=1e-6 * expected.max())
        assert patterns.simulation.solver == "exact"
    assert imread(png).std() > 0.05


def test_json_says_what_was_made(tmp_path: Path) -> None:
    out = tmp_path / "one.h5"
    result = run("--body", "capsule(3)", "--radius", 40, "--out", out, *FAST, "--json")
    told = json.loads(result.stdout)
    assert told["solver"] == "chebyshev"
    assert told["radius_nm"] == 40
    assert told["files"] == [str(out)]


def test_optics_and_detector_are_those_that_were_asked_for(tmp_path: Path) -> None:
    out = tmp_path / "one.h5"
    result = run(
        "--body", "sphere", "--stretch", 0.5, "--radius", 25, "--energy", 100,
        "--delta", 0.05, "--beta", 0.01,
        "--solver", "propagation", "--detector", "flat", "--pixels", 16, "--pixel-size", 2, "--distance", 30,
        "--polarisation", "y", "--out", out,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    optics = Optics(wavelength_of_electronvolts(100), "refractive", delta=0.05, beta=0.01)
    simulation = Simulation(optics, FlatDetector(16, 2, 30, "y"), "propagation")
    with h5py.File(out) as file:
        found = file["/entry_1/data_1/data"][0]
        assert file["/entry_1/instrument_1/source_1/wavelength"][()] == pytest.approx(12.39842e-9)
        assert file["/entry_1/sample_1/stretch"][0] == 0.5
    expected = simulation.intensity(Particles(25.0, [1, 0, 0, 0], "sphere", 0.5))
    np.testing.assert_allclose(found, expected[0], rtol=1e-5)


def test_voxels_have_the_size_of_their_box(tmp_path: Path) -> None:
    axis = np.arange(40) - 19.5
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    np.save(tmp_path / "density.npy", (squared < 16**2).astype(np.float32))
    out = tmp_path / "one.h5"
    result = run(
        "--voxels", tmp_path / "density.npy", "--box", 80, "--absorption", "none", "--out", out, *FAST
    )
    assert result.exit_code == 0, result.output
    with h5py.File(out) as file:
        found = np.sqrt(file["/entry_1/data_1/data"][0, 8, 8])
    # a ball of 32 nm radius, as so many voxels of 8 nm^3
    assert found == pytest.approx(8 * (squared < 16**2).sum(), rel=1e-3)


def test_half_spaces_are_a_body(tmp_path: Path) -> None:
    rows = np.column_stack([np.vstack([np.eye(3), -np.eye(3)]), np.ones(6)])
    np.savetxt(tmp_path / "cube.txt", rows)
    for name, arguments in (
        ("a.h5", ["--half-spaces", tmp_path / "cube.txt"]),
        ("b.h5", ["--body", "cube"]),
    ):
        result = run(*arguments, "--radius", 50, "--out", tmp_path / name, *FAST)
        assert result.exit_code == 0, result.output
    with h5py.File(tmp_path / "a.h5") as one, h5py.File(tmp_path / "b.h5") as other:
        np.testing.assert_allclose(one["/entry_1/data_1/data"], other["/entry_1/data_1/data"], rtol=1e-4)


def damaged(folder: Path, value: float) -> Path:
    density = np.ones((4, 4, 4))
    density[0, 1, 2] = value
    np.save(folder / "damaged.npy", density)
    return folder / "damaged.npy"


def cut_short(folder: Path) -> Path:
    (folder / "archive.npy").write_bytes(b"PK\x03\x04 an archive that ends here")
    return folder / "archive.npy"


def promising(folder: Path) -> Path:
    """A header of more voxels than any memory holds, and nothing behind it."""
    with (folder / "promise.npy").open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**5, 10**5, 10**5)}
        np.lib.format.write_array_header_1_0(file, header)
    return folder / "promise.npy"


@pytest.mark.parametrize(
    ("make", "field", "allowed"),
    [
        (lambda f: ["--voxels", damaged(f, np.nan), "--box", 50], "voxels", "finite densities of 0 or more"),
        (lambda f: ["--voxels", damaged(f, -1.0), "--box", 50], "voxels", "finite densities of 0 or more"),
        (lambda f: ["--voxels", damaged(f, 1e38), "--box", 50], "voxels", "finite densities of 0 or more"),
        (lambda f: ["--voxels", cut_short(f), "--box", 50], "voxels", "a NumPy file"),
        (lambda f: ["--voxels", promising(f), "--box", 50], "voxels", "a NumPy file"),
        (lambda f: ["--voxels", saved(f, np.ones((4, 4))), "--box", 50], "voxels", "three axes"),
        (lambda f: ["--voxels", saved(f, np.ones((4, 4, 4)))], "box", "width"),
        (lambda f: ["--voxels", saved(f, np.ones((4, 4, 4))), "--box", 0], "box", "above 0"),
        (lambda f: ["--voxels", f / "missing.npy", "--box", 50], "voxels", "a file that exists"),
        (lambda f: ["--voxels", saved(f, np.ones((4, 4, 4))), "--box", 9, "--radius", 9], "radius", "--box"),
        (lambda f: ["--box", 50], "box", "--voxels"),
        (
            lambda f: ["--half-spaces", rows(f, "1 0 0 1\n0 1 0 1\n0 0 1 1\n-1 0 0 1\n")],
            "half_spaces",
            "bound",
        ),
        (lambda f: ["--half-spaces", rows(f, "1 0 0 1\n")], "half_spaces", "four or more"),
        (
            lambda f: ["--voxels", saved(f, np.ones((4, 4, 4))), "--box", 9, "--body", "cube"],
            "body",
            "--voxels",
        ),
        (lambda f: ["--delta", 0.5], "delta", "where absorption is amplitude"),
        (
            lambda f: ["--absorption", "refractive", "--absorption-length", 9],
            "absorption_length",
            "refractive",
        ),
        (lambda f: ["--solver", "propagation", "--absorption", "none"], "absorption", "refractive"),
        (lambda f: ["--stretch", 0], "stretch", "0.01 to 100"),
        (lambda f: ["--stretch", "nan"], "stretch", "0.01 to 100"),
        (lambda f: ["--q-step", 1.0], "q_step", "below k"),
        (lambda f: ["--body", "potato"], "body", "icosahedron"),
        (lambda f: ["--radius", -1], "radius", "above 0"),
        (lambda f: ["--radius", 8e-8], "radius", "in nm"),
        (lambda f: ["--orientation", "1,0,0"], "orientation", "four numbers"),
        (lambda f: ["--orientation", "a,b,c,d"], "orientation", "four numbers"),
        (lambda f: ["--orientation", "0,0,0,0"], "orientation", "norm"),
        (lambda f: ["--energy", 0], "energy", "above 0 eV"),
        (lambda f: ["--energy", 90, "--wavelength", 13], "energy", "not both"),
        (lambda f: ["--detector", "curved"], "detector.geometry", "ewald, flat"),
        (lambda f: ["--detector", "flat", "--distance", 0], "distance", "in mm"),
        (lambda f: ["--detector", "flat", "--distance", 1e300], "distance", "in mm"),
        (lambda f: ["--detector", "flat", "--pixel-size", 1e300], "pixel_size", "in mm"),
        (lambda f: ["--absorption-length", 12.5e-9], "absorption_length", "nm"),
        (lambda f: ["--absorption", "refractive", "--beta", 1e308], "beta", "0 to 100"),
        (lambda f: ["--absorption", "refractive", "--delta", -1e308], "delta", "-100 to below 1"),
        (lambda f: ["--polarisation", "z"], "detector.polarisation", "unpolarised"),
        (lambda f: ["--solver", "mie"], "solver", "propagation"),
        (lambda f: ["--body", "sphere", "--solver", "exact"], "solver", "chebyshev"),
        (lambda f: ["--solver", "propagation", "--delta", 0, "--beta", 0], "delta", "other than 1"),
    ],
)
def test_bad_input_is_one_line_with_what_is_allowed(
    make: Any, field: str, allowed: str, tmp_path: Path
) -> None:
    out = tmp_path / "one.h5"
    result = run(*make(tmp_path), "--out", out)
    assert result.exit_code == 2, result.output
    assert result.stderr.startswith(f"error: {field}: got ")
    assert allowed in result.stderr
    assert result.stderr.count("\n") == 1
    assert not out.exists()
    assert not list(tmp_path.glob(".*"))


def saved(folder: Path, density: Any) -> Path:
    np.save(folder / "density.npy", density)
    return folder / "density.npy"


def rows(folder: Path, text: str) -> Path:
    (folder / "faces.txt").write_text(text)
    return folder / "faces.txt"


def test_an_output_is_asked_for_and_never_replaced_by_accident(tmp_path: Path) -> None:
    assert run(*FAST).exit_code == 2
    out = tmp_path / "one.h5"
    assert run("--radius", 30, "--out", out, *FAST).exit_code == 0
    before = out.read_bytes()
    again = run("--radius", 40, "--out", out, *FAST)
    assert again.exit_code == 2
    assert "--force" in again.stderr
    assert out.read_bytes() == before
    assert run("--radius", 40, "--out", out, *FAST, "--force").exit_code == 0
    assert run("--png", tmp_path / "one.jpg", *FAST).exit_code == 2
    density = saved(tmp_path, np.ones((4, 4, 4)))
    assert run("--voxels", density, "--box", 20, "--out", density, "--force").exit_code == 2
    assert np.load(density).shape == (4, 4, 4)


def test_a_picture_does_not_replace_the_pattern(tmp_path: Path) -> None:
    both = tmp_path / "one.png"
    result = run("--out", both, "--png", tmp_path / "." / "one.png", *FAST)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: png: got ")
    assert not both.exists()


@pytest.mark.parametrize("command", [["simulate"], ["generate", "--n", "1", "--solver", "chebyshev"]])
def test_no_output_replaces_what_is_read(tmp_path: Path, command: list[str]) -> None:
    body, config = saved(tmp_path, np.ones((4, 4, 4))), tmp_path / "experiment.toml"
    config.write_text("[optics]\nabsorption = 'none'\n")
    before = body.read_bytes(), config.read_bytes()
    for out in (body, config):
        given = [*command, "--body", body, "--config", config, "--out", out, "--force", *FAST]
        result = CliRunner().invoke(app, list(map(str, given)))
        assert result.exit_code == 2, result.output
        assert "another file than those that are read" in result.stderr
    assert (body.read_bytes(), config.read_bytes()) == before
