"""What the network is given: the same however many steps are prepared together, and with few operations."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from augment.presets import PAPER_FILTERS
from invert.data import PatternDataset, read_dataset
from invert.model import Model, ModelConfiguration
from invert.presets import PRESETS
from invert.training.examples import Stored
from invert.training.plan import TOGETHER, Draw
from invert.training.prepared import Batch, Prepared
from invert.training.train import Regression

from .conftest import SMALL, SMALL_PRESET

CPU, META = torch.device("cpu"), torch.device("meta")


@pytest.fixture(scope="module")
def dataset(small_dataset: Path) -> PatternDataset:
    return read_dataset(small_dataset)


def task(dataset: PatternDataset, **training: Any) -> Regression:
    settings = dataclasses.replace(SMALL_PRESET.training, **training)
    model = Model(ModelConfiguration(SMALL_PRESET.network, "code", radius_range=(40, 80), simulation=SMALL))
    examples = Stored(dataset, model.target, 8 if settings.symmetric else 1)
    return Regression(model, examples, Stored(dataset, model.target), settings)


def batches(examples: Any, sizes: Sequence[int]) -> list[Batch]:
    ends = torch.tensor(sizes).cumsum(0).tolist()
    return [
        examples.__getitems__(list(range(end - size, end))) for size, end in zip(sizes, ends, strict=True)
    ]


def same(first: Sequence[Batch], second: Sequence[Batch]) -> bool:
    pairs = zip(first, second, strict=True)
    return all(torch.equal(a, b) for one, other in pairs for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_steps_prepared_together_are_bit_for_bit_those_prepared_alone(
    dataset: PatternDataset, training: bool
) -> None:
    sizes = [8, 8, 8, 8 if training else 3]
    draws = [Draw(training, number, 8) for number in range(4)]
    settings = {"filters": (*PAPER_FILTERS, "experiment"), "batch": 8}
    one = task(dataset, **settings)
    given = batches(one.training if training else one.validation, sizes)
    together = one.prepared(given, draws)
    # by a task of its own, as one that begins in the middle of a group
    alone = [
        task(dataset, **settings).prepared([batch], [draw])[0]
        for batch, draw in zip(given, draws, strict=True)
    ]
    assert same(together, alone)
    assert [batch[0].shape for batch in together] == [(size, *given[0][0].shape[1:]) for size in sizes]
    assert not same([one.prepared(given[:1], draws[:1])[0]], one.prepared(given[:1], draws[1:2]))


def test_training_and_validation_and_other_groups_draw_other_numbers(dataset: PatternDataset) -> None:
    regression = task(dataset, filters=("uniform_noise",), batch=8, symmetric=False)
    given, steps = batches(regression.training, [8]), TOGETHER // 8
    found = [
        regression.prepared(given, [Draw(*where, 8)])[0]
        for where in ((True, 0), (False, 0), (True, 1), (True, steps), (True, 0))
    ]
    assert same(found[:1], found[4:])
    for other in found[1:4]:
        assert not torch.equal(found[0][0], other[0])


def test_processes_that_share_a_batch_prepare_what_one_would(dataset: PatternDataset) -> None:
    regression = task(dataset, batch=8)
    [whole] = batches(regression.training, [8])
    [(images, numbers)] = regression.prepared([whole], [Draw(True, 3, 8)])
    for rank in range(2):
        own = [part[rank::2] for part in whole]
        [(some, some_numbers)] = regression.prepared([tuple(own)], [Draw(True, 3, 8, rank, 2)])
        assert torch.equal(some, images[rank::2])
        assert torch.equal(some_numbers, numbers[rank::2])


def test_the_numbers_are_those_of_the_symmetry_that_is_shown(dataset: PatternDataset) -> None:
    regression = task(dataset, filters=("identity",), batch=64)
    [(intensity, numbers)] = batches(regression.training, [64])
    draw = Draw(True, 0, 64)
    [(_, shown)] = regression.prepared([(intensity, numbers)], [draw])
    own = regression._parameters(draw, intensity, numbers)["symmetry"][:64]
    assert len(set(own.tolist())) == 8
    assert torch.equal(shown, torch.stack([all_of[k] for all_of, k in zip(numbers, own, strict=True)]))


def calls(device: torch.device, draws: Any) -> list[list[int]]:
    """Numbers of the batches that are prepared together, of 1200 batches of 16."""
    made: list[list[int]] = []

    def prepare(given: Sequence[Batch], drawn: Sequence[Draw]) -> Sequence[Batch]:
        assert all(part.device.type == device.type for batch in given for part in batch)
        made.append([draw.number for draw in drawn])
        return given

    examples = ((torch.zeros(16, 2),) for _ in range(1200))
    prepared = Prepared(examples, draws, prepare, device)
    assert sum(len(batch[0]) for batches in prepared for batch in batches) == 1200 * 16
    return made


def test_beside_a_gpu_a_group_is_prepared_at_once_and_on_a_processor_what_caches_hold(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def draws(first: int) -> Iterator[Draw]:
        return (Draw(True, number, 16) for number in count(first))

    for first in (0, 5):
        made = calls(META, partial(draws, first))
        assert [number for group in made for number in group] == list(range(first, first + 1200))
        assert [len(group) for group in made] == [1024 - first, 1200 - 1024 + first]
    assert [len(group) for group in calls(CPU, partial(draws, 5))] == [1019, 181]
    monkeypatch.setattr("invert.training.prepared.MOST_BYTES_ON_CPU", 10 * 16 * 2 * 4)
    assert [len(group) for group in calls(CPU, partial(draws, 5))] == [5, *101 * [10], 4, 6, *17 * [10], 5]
    monkeypatch.setattr("invert.training.prepared.MOST_BYTES", 100 * 16 * 2 * 4)
    assert [len(group) for group in calls(META, partial(draws, 0))] == [*10 * [100], 24, 76, 100]


def test_batches_are_given_together_or_apart() -> None:
    def given(apart: bool) -> list[int]:
        examples = ((torch.zeros(16, 2),) for _ in range(5))
        draws = partial(map, lambda number: Draw(True, number, 16), range(5))
        return [len(batches) for batches in Prepared(examples, draws, lambda some, _: some, META, apart)]

    assert (given(False), given(True)) == ([5], [1, 1, 1, 1, 1])


def test_a_batch_larger_than_a_group_is_a_group() -> None:
    draw = Draw(True, 7, TOGETHER + 1)
    assert (draw.group, draw.examples, int(draw.own(2)[0])) == (7, TOGETHER + 1, 0)


class Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts those that a GPU would have to be told."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        results = found if isinstance(found, tuple | list) else (found,)
        self.count += any(isinstance(one, torch.Tensor) and one.is_meta for one in results)
        return found


@pytest.mark.parametrize("name", list(PRESETS))
def test_a_step_asks_a_gpu_nothing_and_augmentation_tells_it_less_than_the_network(
    dataset: PatternDataset, name: str
) -> None:
    # Tensors of the device "meta" have no values, so whatever would wait for those of a GPU fails here.
    preset = PRESETS[name]
    settings, batch = preset.training, preset.training.batch
    steps = TOGETHER // batch
    model = Model(ModelConfiguration(preset.network, preset.target, simulation=SMALL)).to("meta")
    regression = Regression(model, Stored(dataset, model.target), Stored(dataset, model.target), settings)
    symmetries = 8 if settings.symmetric else 1
    given = [
        (
            torch.empty((batch, 128, 128), device="meta"),
            torch.empty((batch, symmetries, model.target.size), device="meta"),
        )
        for _ in range(steps)
    ]
    with Operations() as augmentation:  # type: ignore[no-untyped-call]
        prepared = regression.prepared(given, [Draw(True, step, batch) for step in range(steps)])
    with Operations() as network:  # type: ignore[no-untyped-call]
        regression.loss(prepared[0], True).backward()  # type: ignore[no-untyped-call]
    assert len(prepared) == steps
    assert augmentation.count / steps < 0.1 * network.count


def test_in_mixed_precision_the_numbers_are_not_rounded_to_it() -> None:
    model = Model(ModelConfiguration(SMALL_PRESET.network, "vector", simulation=SMALL)).train()
    with torch.autocast("cpu", torch.bfloat16):
        features = model.features(torch.rand(3, 32, 32))
        numbers = model.head(features)
    assert features.dtype == torch.bfloat16
    assert numbers.dtype == torch.float32
    assert torch.equal(numbers, model.head(features.float()))
