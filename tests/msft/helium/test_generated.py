"""Labelled datasets: generated, sharded, looked at, checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from msft.bodies import ChordedBody, named
from msft.configuration import from_mapping, read_toml
from msft.contents import contents
from msft.dataset import open_patterns, read_recipe
from msft.detector import FlatDetector
from msft.generate import generate, generate_shard
from msft.helium import PRESET
from msft.helium.droplets import Droplets
from msft.helium.index import refractive_index
from msft.helium.labels import NAMES
from msft.helium.light import HeliumLight
from msft.helium.rules import labels_of
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.shards import Shard, merge
from msft.shots import Recipe, recipe_of
from msft.uncertainty import Uncertainty
from msft.units import ELECTRONVOLT, photon_energy
from msft.validate import validate
from tests.msft.helium.small import DROPLETS, LIGHT, SIMULATION

COUNT = 60
RECIPE = Recipe(4, DROPLETS, SIMULATION, LIGHT)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("helium") / "h.h5"
    generate(path, COUNT, RECIPE.seed, DROPLETS, SIMULATION, LIGHT)
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(made, tmp_path / "copy.h5"))


def test_labels_lie_beside_what_they_are_of(made: Path) -> None:
    with h5py.File(made) as file:
        labels = file["entry_1/sample_1/labels"]
        assert labels.dtype == np.uint8
        assert labels.shape == (COUNT, 11)
        assert tuple(labels.attrs["names"]) == NAMES
        bodies = file["entry_1/sample_1/body"].asstr()[:]
        dark = ~file["entry_1/data_1/data"][:].any(axis=(1, 2))
        empty = labels[:, NAMES.index("empty")].astype(bool)
        np.testing.assert_array_equal(dark, empty)
        np.testing.assert_array_equal(bodies == "nothing", empty)
        assert empty.any()
        layered = labels[:, NAMES.index("layered")].astype(bool)
        assert {name.partition("(")[0] for name in bodies[layered]} == {"layered"}
    with open_patterns(made) as patterns:
        assert patterns.label_names == NAMES
        assert len(set(patterns.particles.bodies.tolist())) > 20


def test_any_pattern_is_simulated_again_from_its_row_alone(made: Path) -> None:
    # plain h5py and the slow, finer solver; every kind of body once
    seen: dict[str, int] = {}
    with h5py.File(made) as file:
        sample, optics = file["entry_1/sample_1"], file["entry_1/optics_1"]
        for row, name in enumerate(sample["body"].asstr()[:]):
            seen.setdefault(str(name).partition("(")[0], row)
        assert set(seen) == {"sphere", "capsule", "layered", "twins", "nothing"}
        for row in seen.values():
            body = named(sample["body"].asstr()[row]).stretched(float(sample["stretch"][row]))
            assert isinstance(body, ChordedBody)
            light = from_mapping(
                type(SIMULATION.optics),
                {
                    "wavelength": optics["wavelength"][row] * 1e9,
                    "absorption": "refractive",
                    "delta": float(optics["delta"][row]),
                    "beta": float(optics["beta"][row]),
                },
            )
            fine = Simulation(light, SIMULATION.detector, solver="chebyshev", accuracy=1e-4)
            radius, turn = sample["radius"][[row]] * 1e9, sample["orientation"][[row]]
            weight = fine.scattering_vectors().weight.reshape(32, 32)
            expected = np.abs(fine.amplitude_of(body, radius, turn)[0]) ** 2 * weight
            stored = file["entry_1/data_1/data"][row]
            assert np.linalg.norm(stored - expected) <= 0.03 * np.linalg.norm(expected)


def test_labels_follow_a_merge_of_shards(made: Path, tmp_path: Path) -> None:
    for number in (2, 1):
        generate_shard(tmp_path / "shards", Shard(number, 2), COUNT, RECIPE)
    merge([tmp_path / "shards"], tmp_path / "merged.h5")
    with open_patterns(made) as one, open_patterns(tmp_path / "merged.h5") as other:
        np.testing.assert_array_equal(one.labels, other.labels)
        assert one.label_names == other.label_names
        np.testing.assert_array_equal(one.patterns(slice(None)), other.patterns(slice(None)))
        assert read_recipe(h5py.File(other.path)["/entry_1/process_1"].attrs) == RECIPE


def test_the_particles_do_not_depend_on_the_batch(made: Path) -> None:
    alone = RECIPE.shots(np.array([COUNT - 1]))
    with open_patterns(made) as patterns:
        np.testing.assert_array_equal(alone.particles.radius, patterns.particles.radius[-1:])
        assert alone.particles.bodies[0] == patterns.particles.bodies[-1]
        np.testing.assert_allclose(alone.optics["beta"], patterns.shots.optics["beta"][-1:])
        np.testing.assert_allclose(alone.intensity()[0], patterns.patterns(COUNT - 1), rtol=1e-5)


def test_contents_count_labels_and_kinds_of_bodies(made: Path) -> None:
    found = contents(made)
    assert set(found["body"]) == {"sphere", "capsule", "layered", "twins", "nothing"}
    assert sum(found["body"].values()) == COUNT
    assert list(found["labels"]) == list(NAMES)
    assert found["labels"]["empty"] == found["body"]["nothing"]


def test_a_sound_file_has_no_fault(made: Path) -> None:
    assert [finding for finding in validate(made, sample=8) if finding.fault] == []


@pytest.mark.parametrize("change", ["label", "rule", "number", "body"])
def test_a_label_that_is_wrong_is_found(path: Path, change: str) -> None:
    with h5py.File(path, "r+") as file:
        sample = file["entry_1/sample_1"]
        row = int(np.flatnonzero(sample["labels"][:, NAMES.index("round")])[3])
        if change == "body":
            sample["body"][row] = "nothing"
        elif change == "rule":
            sample["labels"][row, NAMES.index("empty")] = 1
        else:
            sample["labels"][row, NAMES.index("bent")] = 1 if change == "label" else 7
    faults = {finding.check: finding.fault for finding in validate(path, sample=0) if finding.fault}
    fault = faults["labels follow from the particles, by the rules"]
    wanted = {"rule": "empty excludes", "number": "0 or 1"}.get(change, f"pattern {row} ")
    assert wanted in fault


def test_the_preset_is_the_experiment_of_the_paper() -> None:
    recipe = recipe_of(read_toml(PRESET))
    assert recipe.distribution == Droplets()
    assert recipe.uncertainty == HeliumLight((19.0, 35.0))
    simulation = recipe.simulation
    detector = simulation.detector
    assert isinstance(detector, FlatDetector)
    edge = np.degrees(np.arctan(detector.pixels / 2 * detector.pixel_size / detector.distance))
    assert edge == pytest.approx(30, abs=0.01)
    energy = photon_energy(simulation.optics.wavelength) / ELECTRONVOLT
    delta, beta = refractive_index(energy)
    assert (simulation.optics.delta, simulation.optics.beta) == pytest.approx((delta, beta), abs=2e-4)
    recipe.check()


def test_what_says_nothing_of_helium_is_bodies() -> None:
    recipe = recipe_of({"particles": {"body": "cube"}, "uncertainty": {"delta": 0.01}}, 5)
    assert recipe == Recipe(5, ParticleDistribution(body="cube"), uncertainty=Uncertainty(delta=0.01))


def test_a_gallery_shows_every_label(made: Path) -> None:
    pytest.importorskip("matplotlib")
    from msft import plot

    with open_patterns(made) as patterns:
        figure = plot.gallery(patterns, 12)
        shown = " ".join(axes.get_xlabel() for axes in figure.axes)
        there = [name for name, some in zip(NAMES, patterns.labels.sum(axis=0), strict=True) if some]
    assert all(name in shown for name in there)


def asymmetry(scene: str, **having: bool) -> float:
    """How far patterns are from point symmetry: median rms of log10 I(q) - log10 I(-q)."""
    droplets = Droplets((100.0, 200.0), scenes={scene: 1.0})
    simulation = Simulation(SIMULATION.optics, SIMULATION.detector, solver="propagation")
    shots = Recipe(2, droplets, simulation, LIGHT).shots(range(60))
    labels = dict(zip(NAMES, labels_of(shots.particles).astype(bool).T, strict=True))
    chosen = np.flatnonzero(np.all([labels[name] == has for name, has in having.items()], axis=0))[:6]
    found = []
    for row in chosen:
        pattern = shots.simulation_of(row).intensity(shots.particles[row : row + 1])[0]
        grey = np.log10(pattern[1:, 1:] / pattern.max() + 1e-4)
        found.append(np.sqrt(np.mean((grey - grey[::-1, ::-1]) ** 2)))
    assert len(found) >= 3
    return float(np.median(found))


def test_asymmetric_and_bent_are_seen_in_the_images() -> None:
    plain = asymmetry("round", asymmetric=False)
    assert asymmetry("round bump", asymmetric=True) > 3 * plain
    assert asymmetry("prolate", bent=True) > 2 * asymmetry("prolate", bent=False)
