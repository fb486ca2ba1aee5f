"""Fresh patterns: never the same twice, always the same again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from invert.ahead import Ahead
from invert.data import PatternDataset, read_dataset
from invert.targets import CodeTarget
from invert.training.examples import Fresh, backend_for
from invert.training.train import fit
from msft.backends import with_cupy
from msft.errors import ParameterError
from msft.shots import Recipe
from msft.uncertainty import Uncertainty

from .conftest import SMALL, SMALL_PRESET

CPU = torch.device("cpu")
TARGET = CodeTarget((40.0, 80.0))
ONLINE = replace(SMALL_PRESET, training=replace(SMALL_PRESET.training, images=640, online=True))


@pytest.fixture(scope="module")
def dataset(small_dataset: Path) -> PatternDataset:
    return read_dataset(small_dataset)


def test_a_dataset_knows_its_recipe(dataset: PatternDataset) -> None:
    assert dataset.recipe is not None
    again = dataset.recipe.shots(range(3))
    assert np.array_equal(again.particles.radius, dataset.particles.radius[:3])
    assert dataset.part(slice(5, 9)).recipe == dataset.recipe


def test_fresh_patterns_depend_on_their_number_and_the_seed_alone(dataset: PatternDataset) -> None:
    assert dataset.recipe is not None
    fresh = Fresh(dataset.recipe, 100, TARGET, seed=4)
    together = fresh.__getitems__([7, 3, 99])
    alone = fresh.__getitems__([3])
    assert torch.equal(together[1][1], alone[1][0])
    assert torch.allclose(together[0][1], alone[0][0], rtol=1e-4)
    assert not torch.equal(Fresh(dataset.recipe, 100, TARGET, seed=5).__getitems__([3])[1], alone[1])
    assert not torch.equal(Fresh(Recipe(9, simulation=SMALL), 100, TARGET, 4).__getitems__([3])[1], alone[1])


def test_no_particle_is_seen_twice_nor_any_of_the_dataset(
    dataset: PatternDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    through = Fresh.__getitems__

    def watch(self: Fresh, indices: list[int]) -> tuple[torch.Tensor, ...]:
        batch = through(self, indices)
        assert len(batch[0]) == 32
        seen.extend(self.recipe.shots(np.array(indices)).particles.radius.tolist())
        return batch

    monkeypatch.setattr(Fresh, "__getitems__", watch)
    trained = fit(dataset, ONLINE, CPU)
    assert len(seen) == len(set(seen)) == 640
    assert not set(seen) & set(dataset.particles.radius.tolist())
    assert len(trained.history) == 20  # a validation after every step: there are no epochs
    assert trained.evaluation.constant.patterns == 60


def test_training_on_fresh_patterns_repeats(dataset: PatternDataset) -> None:
    torch.set_num_threads(1)
    first, second = (fit(dataset, ONLINE, CPU).model.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    ("asked", "solver", "device", "gpu", "taken"),
    [
        ("auto", "exact", "cuda", True, "cupy"),
        ("auto", "exact", "cuda", False, "auto"),
        ("auto", "exact", "cpu", True, "auto"),
        ("auto", "chebyshev", "cuda", True, "cupy"),
        ("auto", "slices", "cuda", True, "auto"),
        ("cupy", "exact", "cuda", True, "cupy"),
        ("cupy", "exact", "cpu", True, "auto"),  # a dataset that was made elsewhere
        ("cupy", "exact", "cuda", False, "auto"),
        ("numba", "exact", "cuda", True, "numba"),
    ],
)
def test_patterns_are_computed_where_the_network_learns(
    monkeypatch: pytest.MonkeyPatch, asked: Any, solver: Any, device: str, gpu: bool, taken: str
) -> None:
    monkeypatch.setattr("msft.backends.with_cupy.missing", lambda: "" if gpu else "nothing there")
    recipe = Recipe(1, simulation=replace(SMALL, backend=asked, solver=solver))
    assert Fresh(recipe, 10, TARGET, 1, torch.device(device)).recipe.simulation.backend == taken
    varied = replace(recipe, uncertainty=Uncertainty(wavelength=0.1))
    assert backend_for(varied, torch.device(device)) == (asked if asked == "numba" else "auto")


def test_a_training_tells_its_patterns_where_it_runs(
    dataset: PatternDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[torch.device] = []

    def beside(recipe: Recipe, device: torch.device) -> str:
        told.append(device)
        return "numba"

    monkeypatch.setattr("invert.training.examples.backend_for", beside)
    fit(dataset, replace(ONLINE, training=replace(ONLINE.training, images=64)), CPU)
    assert told == [CPU]


@pytest.mark.gpu
@pytest.mark.skipif(
    not torch.cuda.is_available() or bool(with_cupy.missing()),
    reason="NO GPU HERE: fresh patterns were not computed beside the network",
)
def test_fresh_patterns_stay_on_the_gpu(dataset: PatternDataset) -> None:
    assert dataset.recipe is not None
    there = Fresh(dataset.recipe, 100, TARGET, 4, torch.device("cuda")).__getitems__([7, 3, 99])
    here = Fresh(dataset.recipe, 100, TARGET, 4).__getitems__([7, 3, 99])
    assert there[0].is_cuda
    assert torch.equal(there[1], here[1])
    peak = here[0].amax(dim=(1, 2), keepdim=True)
    assert float(((there[0].cpu() - here[0]) / peak).abs().max()) < 1e-5
    trained = fit(dataset, ONLINE, torch.device("cuda"))
    assert np.isfinite(trained.history[-1]["train_loss"])


def test_a_dataset_of_unknown_origin_has_no_fresh_patterns(dataset: PatternDataset) -> None:
    with pytest.raises(ParameterError, match=r"training\.online"):
        fit(replace(dataset, recipe=None), ONLINE, CPU)


def test_ahead_keeps_the_order_and_passes_on_what_is_raised() -> None:
    assert list(Ahead(range(50))) == list(range(50))

    def fails() -> Iterator[int]:
        yield 1
        raise ParameterError("radius", -1, "more")

    items = iter(Ahead(fails()))
    assert next(items) == 1
    with pytest.raises(ParameterError, match="radius"):
        next(items)


def test_ahead_works_while_nobody_asks_and_stops_when_nobody_will() -> None:
    made: list[int] = []
    enough = threading.Event()

    def count() -> Iterator[int]:
        for number in range(10**9):
            made.append(number)
            if number == 2:
                enough.set()
            yield number

    before = threading.active_count()
    items = iter(Ahead(count()))
    assert next(items) == 0
    assert enough.wait(10), "nothing was made ahead"
    items.close()
    assert threading.active_count() == before
    assert len(made) <= 5
