"""What a network has learned from is told, by the file or by the numbers of its particles."""

from __future__ import annotations

from pathlib import Path

import h5py
import pytest

from invert import checkpoint, shipped
from invert.overlap import learned, source_of
from msft.dataset import digest
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("overlap") / "d.h5"
    generate(path, 30, 4, simulation=SMALL)
    return path


@pytest.mark.parametrize(
    ("count", "seed", "rows", "radii", "known"),
    [
        (10, 4, None, (30.0, 160.0), 10),
        (50, 4, None, (30.0, 160.0), 30),
        (50, 4, range(20, 40), (30.0, 160.0), 10),
        (50, 4, range(30, 40), (30.0, 160.0), 0),
        (10, 5, None, (30.0, 160.0), 0),
        (10, 4, None, (30.0, 150.0), 0),
    ],
)
def test_particles_of_one_seed_are_known_by_their_numbers(
    dataset: Path,
    tmp_path: Path,
    count: int,
    seed: int,
    rows: range | None,
    radii: tuple[float, float],
    known: int,
) -> None:
    generate(tmp_path / "t.h5", count, seed, ParticleDistribution(radii), SMALL, rows=rows)
    provenance = {"dataset": source_of(dataset, 30)}
    assert learned({}, provenance, tmp_path / "t.h5") == known
    assert learned({"online": True}, provenance, tmp_path / "t.h5") == 0


def test_the_very_same_file_is_known_without_a_recipe(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.h5"
    path.write_bytes(dataset.read_bytes())
    with h5py.File(path, "r+") as file:
        del file["entry_1/process_1"].attrs["seed"]
    assert source_of(path, 30)["recipe"] is None
    assert learned({}, {"dataset": source_of(path, 30)}, path) == 30
    assert learned({}, {"dataset": source_of(dataset, 30)}, path) == 0
    assert learned({}, {}, path) == 0


def test_what_the_weights_began_with_counts_too(dataset: Path) -> None:
    same, other = {"sha256": digest(dataset), "patterns": 30}, {"sha256": "other"}
    first = {"dataset": same, "training": {"online": False}}
    second = {"dataset": other, "training": {"online": True}, "start": first}
    assert learned({}, second, dataset) == 30
    fresh = {"dataset": other, "start": {"dataset": same, "training": {"online": True}}}
    assert learned({}, fresh, dataset) == 0


def test_the_weights_that_ship_know_the_patterns_of_seed_1(tmp_path: Path) -> None:
    weights = checkpoint.load(shipped.FOLDER)
    for seed, known in ((1, 5), (2, 0)):
        generate(tmp_path / f"{seed}.h5", 5, seed, simulation=SMALL)
        assert learned(weights.training, weights.provenance, tmp_path / f"{seed}.h5") == known
