"""Shards, what merging makes of them, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from msft.dataset import digest, missing_pixels, open_patterns
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.generate import generate, generate_shard
from msft.optics import Optics
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.resumable import unfinished
from msft.shards import Shard, merge
from msft.shots import Recipe
from msft.uncertainty import FARTHEST, Uncertainty

RECIPE = Recipe(
    7,
    ParticleDistribution(body={"icosahedron": 0.5, "cube": 0.5}, stretch_range=(0.8, 1.2)),
    Simulation(detector=EwaldDetector(pixels=12, q_step=0.07)),
    Uncertainty(wavelength=0.2),
)
OTHER_LIGHT = replace(RECIPE.simulation, optics=replace(RECIPE.simulation.optics, wavelength=14.0))
COUNT = 20


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with three shards, and the same dataset in one file."""
    folder = tmp_path_factory.mktemp("made")
    for number in (3, 1, 2):
        generate_shard(folder / "shards", Shard(number, 3), COUNT, RECIPE)
    parts = (RECIPE.seed, RECIPE.distribution, RECIPE.simulation, RECIPE.uncertainty)
    generate(folder / "whole.h5", COUNT, *parts)
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "copy"))


def test_shards_share_out_every_pattern_once() -> None:
    for count in (16, 17, 31, 1000):
        rows = [Shard(number, 16).rows(count) for number in range(1, 17)]
        assert [row for part in rows for row in part] == list(range(count))
        assert max(map(len, rows)) - min(map(len, rows)) <= 1


@pytest.mark.parametrize("text", ["0/16", "17/16", "3", "3/", "-1/4", "a/b", "1/0", "", "1.5/4", "3/16/2"])
def test_impossible_shards_are_refused(text: str) -> None:
    with pytest.raises(ParameterError) as caught:
        Shard.parse(text)
    assert caught.value.field == "shard"


def test_more_shards_than_patterns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError) as caught:
        generate_shard(tmp_path / "shards", Shard(1, 4), 3, RECIPE)
    assert caught.value.field == "shard"
    assert list(tmp_path.iterdir()) == []


def assert_same(one: Path, other: Path) -> None:
    with open_patterns(one) as first, open_patterns(other) as second:
        np.testing.assert_array_equal(first.patterns(slice(None)), second.patterns(slice(None)))
        for name in ("radius", "orientation", "bodies", "stretch"):
            np.testing.assert_array_equal(getattr(first.particles, name), getattr(second.particles, name))
        for index in (0, COUNT - 1):
            assert first.shots.simulation_of(index) == second.shots.simulation_of(index)


def test_merged_shards_are_the_dataset(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert merge([folder / "shards"], folder / "merged.h5") == COUNT
    assert_same(folder / "merged.h5", folder / "whole.h5")
    with h5py.File(folder / "merged.h5") as file:
        assert file["entry_1/data_1/data"].is_virtual
    # found from any working directory, and after all moved together
    (folder / "elsewhere").mkdir()
    monkeypatch.chdir(folder / "elsewhere")
    shutil.move(folder / "shards", folder / "elsewhere/shards")
    shutil.move(folder / "merged.h5", folder / "elsewhere/merged.h5")
    monkeypatch.chdir(os.sep)
    assert_same(folder / "elsewhere/merged.h5", folder / "whole.h5")


def test_another_shard_makes_another_dataset(folder: Path) -> None:
    whole = hashlib.sha256((folder / "whole.h5").read_bytes()).hexdigest()
    assert digest(folder / "whole.h5") == whole
    merge([folder / "shards"], folder / "merged.h5")
    before = digest(folder / "merged.h5")
    with h5py.File(folder / "shards/0002-of-0003.h5", "r+") as file:
        file["entry_1/data_1/data"][0] *= 2
    assert digest(folder / "merged.h5") != before


def test_a_lost_shard_is_refused_and_reads_as_nan(folder: Path) -> None:
    merge([folder / "shards"], folder / "merged.h5")
    (folder / "shards/0002-of-0003.h5").unlink()
    with pytest.raises(ParameterError) as caught, open_patterns(folder / "merged.h5"):
        pass
    assert "0002-of-0003.h5" in str(caught.value)
    with h5py.File(folder / "merged.h5") as file:
        lost = np.isnan(file["entry_1/data_1/data"][:]).all(axis=(1, 2))
    np.testing.assert_array_equal(np.flatnonzero(lost), list(Shard(2, 3).rows(COUNT)))


@pytest.mark.parametrize("what", ["seed", "wavelength", "length", "other file"])
def test_another_shard_in_place_of_the_merged_one_is_refused(folder: Path, what: str) -> None:
    merge([folder / "shards"], folder / "merged.h5")
    place, recipe = folder / "shards/0002-of-0003.h5", RECIPE
    if what == "seed":
        recipe = replace(recipe, seed=8)
    elif what == "wavelength":
        recipe = replace(recipe, simulation=OTHER_LIGHT)
    if what == "length":
        place.write_bytes((folder / "whole.h5").read_bytes())
    elif what == "other file":
        with h5py.File(place, "w") as file:
            file["x"] = 1
    else:
        generate_shard(folder / "shards", Shard(2, 3), COUNT, recipe, force=True)
    with (
        pytest.raises(ParameterError, match=r"dataset: .*0002-of-0003.h5 shows other particles now"),
        open_patterns(folder / "merged.h5"),
    ):
        pass


def test_shards_of_a_version_with_fewer_fields_are_merged(folder: Path) -> None:
    for path in (folder / "shards").glob("*.h5"):
        with h5py.File(path, "r+") as file:
            attributes = file["entry_1/process_1"].attrs
            simulation = json.loads(attributes["simulation"])
            del simulation["propagation_accuracy"]
            attributes["simulation"] = json.dumps(simulation)
    merge([folder / "shards"], folder / "merged.h5")
    assert_same(folder / "merged.h5", folder / "whole.h5")


def _made_by(recipe: Recipe) -> Callable[[Path], object]:
    return lambda folder: generate_shard(folder / "shards", Shard(2, 3), COUNT, recipe, force=True)


def _incomplete(folder: Path) -> None:
    with h5py.File(folder / "shards/0002-of-0003.h5", "r+") as file:
        file["entry_1/process_1"].attrs["complete"] = False


def _all_say(attribute: str, value: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for path in (folder / "shards").glob("*.h5"):
            with h5py.File(path, "r+") as file:
                file["entry_1/process_1"].attrs[attribute] = value

    return spoil


def _no_sample(folder: Path) -> None:
    with h5py.File(folder / "shards/0002-of-0003.h5", "r+") as file:
        del file["entry_1/sample_1"]


def _cut(folder: Path) -> None:
    path = folder / "shards/0002-of-0003.h5"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "shards/0002-of-0003.h5").unlink(), "patterns 6 to 12 missing"),
        (lambda folder: (folder / "shards/0003-of-0003.h5").unlink(), "patterns 13 to 19 missing"),
        (lambda folder: shutil.copy(folder / "shards/0002-of-0003.h5", folder / "shards/b.h5"), "twice"),
        (lambda folder: (folder / "shards/x.h5").write_text("no HDF5"), "readable"),
        (lambda folder: unfinished(folder / "shards/0002-of-0003.h5").touch(), "finished"),
        (_made_by(replace(RECIPE, seed=8)), "seed 8; allowed: seed 7"),
        (_made_by(replace(RECIPE, simulation=OTHER_LIGHT)), "of simulation.optics.wavelength 14.0; allowed"),
        (_incomplete, "complete"),
        (_cut, "readable"),
        (_all_say("particles", "xx"), "0001-of-0003"),
        (_all_say("first", "xx"), "0001-of-0003"),
        (_no_sample, "0002-of-0003"),
        (lambda folder: shutil.rmtree(folder / "shards"), "exists"),
        (lambda folder: [path.unlink() for path in (folder / "shards").iterdir()], "*.h5"),
    ],
    ids=[
        "one missing", "end missing", "twice", "text", "unfinished", "other seed", "other light",
        "incomplete", "cut", "no particles", "no first", "no sample", "no folder", "empty",
    ],
)  # fmt: skip
def test_what_is_no_whole_dataset_is_refused(
    folder: Path, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(folder)
    with pytest.raises(ParameterError) as caught:
        merge([folder / "shards"], folder / "merged.h5")
    assert caught.value.field == "shards"
    assert reason in str(caught.value)
    assert not (folder / "merged.h5").exists()


def test_no_output_replaces_a_shard_or_without_force_a_file(folder: Path) -> None:
    for out in (folder / "whole.h5", folder / "shards/0001-of-0003.h5"):
        before = out.read_bytes()
        with pytest.raises(ParameterError) as caught:
            merge([folder / "shards"], out)
        assert caught.value.field == "out"
        assert out.read_bytes() == before


def test_folders_may_have_a_percent_sign(folder: Path, tmp_path: Path) -> None:
    shards = shutil.move(folder / "shards", tmp_path / "50%b%%d")
    merge([Path(shards)], tmp_path / "merged.h5")
    with open_patterns(tmp_path / "merged.h5") as merged, open_patterns(folder / "whole.h5") as whole:
        assert np.array_equal(merged.patterns(slice(None)), whole.patterns(slice(None)))
        assert len(merged.shards) == 3


def test_the_mask_names_what_is_dark_at_the_longest_wavelength(made: Path) -> None:
    recipe = Recipe(0, simulation=Simulation(), uncertainty=Uncertainty(wavelength=0.2))
    longest = Optics(13.5 + FARTHEST * 0.2)
    assert recipe.smallest_wavenumber == pytest.approx(longest.wavenumber)
    generate(made / "light.h5", 2, 0, simulation=Simulation(), uncertainty=recipe.uncertainty)
    with h5py.File(made / "light.h5") as file:
        mask = file["/entry_1/instrument_1/detector_1/mask"][:]
    assert np.array_equal(mask, missing_pixels(Simulation(longest)))
    assert (mask != missing_pixels(Simulation())).any()
