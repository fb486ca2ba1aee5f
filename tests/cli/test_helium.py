"""`msft generate --preset helium` as users type it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app as invert
from msft_cli.simulation import app as msft

from msft.helium import PRESET
from tests.cli.conftest import assert_refused, run

SMALL = "[detector]\npixels = 32\npixel_size = 2.35\n[particles]\nradius_range = [60, 100]\n"


def test_the_preset_and_its_file_give_the_same_set(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    common = ["--n", 8, "--seed", 3, "--quiet"]
    one, other = tmp_path / "one.h5", tmp_path / "other.h5"
    preset = ["--preset", "helium", "--config", tmp_path / "small.toml"]
    assert run(msft, "generate", *common, *preset, "-o", one).exit_code == 0
    whole = tmp_path / "helium.toml"
    small = PRESET.read_text().replace("[100.0, 300.0]", "[60, 100]")
    whole.write_text(small.replace("pixels = 128", "pixels = 32").replace("0.58637", "2.35"))
    assert run(msft, "generate", *common, "--config", whole, "-o", other).exit_code == 0
    with h5py.File(one) as first, h5py.File(other) as second:
        for name in ("data_1/data", "sample_1/labels", "sample_1/radius", "optics_1/wavelength"):
            np.testing.assert_array_equal(first[f"entry_1/{name}"], second[f"entry_1/{name}"])
    information = json.loads(run(msft, "info", one, "--json").stdout)
    assert len(information["labels"]) == 11
    assert run(msft, "validate", one, "--sample", 4, "--quiet").exit_code == 0
    assert run(msft, "show", one, "--quiet").exit_code == 0


@pytest.mark.parametrize(
    ("config", "options", "field"),
    [
        ("", ["--preset", "argon"], "preset"),
        ("", ["--preset", "helium", "--body", "cube"], "body"),
        ("", ["--preset", "helium", "--solver", "chebyshev", "--absorption", "amplitude"], "absorption"),
        ("", ["--preset", "helium", "--solver", "exact"], "solver"),
        ("", ["--preset", "helium", "--wavelength", "30"], "wavelength"),
        ("[uncertainty]\nbeta = 0.01\n", [], "uncertainty.beta"),
        ("[particles]\nscenes = {square = 1.0}\n", ["--preset", "helium"], "scenes"),
        ("[particles]\nkind = 'argon'\n", [], "particles.kind"),
        ("[particles]\nbody = 'cube'\n", ["--preset", "helium"], "particles.body"),
        ("[uncertainty]\nkind = 'helium'\nenergy_range = [35, 19]\n", [], "uncertainty.energy_range"),
    ],
)
def test_what_is_no_helium_is_refused(tmp_path: Path, config: str, options: list[str], field: str) -> None:
    (tmp_path / "c.toml").write_text(config)
    result = run(
        msft, "generate", "--n", 2, "-o", tmp_path / "d.h5", "--config", tmp_path / "c.toml", *options
    )
    assert_refused(result, field)
    assert [path.name for path in tmp_path.iterdir()] == ["c.toml"]


def test_images_of_the_same_droplets_and_other_light_are_told(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(SMALL)
    (tmp_path / "quick.toml").write_text(
        "[network]\nblocks = [1]\nwidth = 4\n[input]\npixels = 32\n[training]\nepochs = 1\nbatch = 8\n"
    )
    helium = ["--preset", "helium", "--config", tmp_path / "small.toml", "--quiet"]
    for name, count, seed in (("a", 20, 3), ("b", 30, 3), ("c", 10, 4)):
        arguments = ["--n", count, "--seed", seed, *helium, "-o", tmp_path / f"{name}.h5"]
        assert run(msft, "generate", *arguments).exit_code == 0
    trained = run(
        invert,
        "train",
        tmp_path / "a.h5",
        "--config",
        tmp_path / "quick.toml",
        "-o",
        tmp_path / "m",
        "--quiet",
    )
    assert trained.exit_code == 0, trained.output
    told = {name: run(invert, "evaluate", tmp_path / "m", tmp_path / f"{name}.h5").stderr for name in "abc"}
    assert "trained on these very images" in told["a"]
    assert "trained on 20 of these images" in told["b"]
    assert "trained" not in told["c"]
    silver = ["--n", 2, "--pixels", 32, "--q-step", 0.03, "--quiet", "-o", tmp_path / "silver.h5"]
    assert run(msft, "generate", *silver).exit_code == 0
    done = run(invert, "classify", tmp_path / "silver.h5", "--model", tmp_path / "m")
    assert done.exit_code == 0, done.output
    assert "light of 13.5 nm; the network learned from images of 35.42 to 65.25 nm" in done.stderr
    done = run(invert, "classify", tmp_path / "c.h5", "--model", tmp_path / "m")
    assert "light" not in done.stderr
