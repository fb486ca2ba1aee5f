"""The trainer with tasks of its own, which have nothing to do with particles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from invert.training.plan import Order
from invert.training.prepared import Batch
from invert.training.trainer import Draw, Plan, train
from msft.errors import ParameterError

CPU = torch.device("cpu")


class Points:
    """Points of the plane, labelled by the two half planes that hold them."""

    def __init__(self, count: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.points = torch.randn(count, 2, generator=generator)
        self.labels = torch.stack([self.points[:, 0] > 0.3, self.points.sum(1) > 0], 1).float()

    def __len__(self) -> int:
        return len(self.points)

    def __getitems__(self, indices: list[int]) -> tuple[torch.Tensor, ...]:
        return self.points[indices], self.labels[indices]


@dataclass
class Classification:
    """Sigmoid cross-entropy with a penalty on the weights, stochastic gradient descent in steps, dropout."""

    model: nn.Module
    training: Any = field(default_factory=lambda: Points(330, 1))
    validation: Any = field(default_factory=lambda: Points(50, 2))
    seen: list[Draw] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)

    def prepared(self, batches: Sequence[Batch], draws: Sequence[Draw]) -> list[Batch]:
        self.seen.extend(draws)
        noise = torch.randn((draws[0].examples, 2), generator=draws[0].generator(3))
        return [
            (points + 0.05 * noise[draw.own(len(points))], labels)
            for (points, labels), draw in zip(batches, draws, strict=True)
        ]

    def loss(self, batch: Batch, training: bool) -> torch.Tensor:
        assert self.model.training == training
        points, labels = batch
        loss = nn.functional.binary_cross_entropy_with_logits(self.model(points), labels)
        if not training:
            return loss
        self.rates.append(self.optimizer.param_groups[0]["lr"])
        return loss + 1e-4 * torch.stack([weights.abs().sum() for weights in self.model.parameters()]).sum()

    def optimiser(self, steps: int, epoch: int) -> Any:
        self.optimizer = torch.optim.SGD(self.model.parameters(), 1.0)
        return self.optimizer, torch.optim.lr_scheduler.StepLR(self.optimizer, 2 * epoch)


def classification() -> Classification:
    torch.manual_seed(0)
    return Classification(
        nn.Sequential(nn.Linear(2, 32), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(32, 2))
    )


def test_a_classification_is_learned_with_its_own_loss_and_schedule() -> None:
    task = classification()
    done: list[int] = []
    outcome = train(task, Plan(images=1500, batch=48, seed=0), CPU, done.append)
    task.model.load_state_dict(outcome.state)
    task.model.eval()
    answers = task.model(task.validation.points) > 0
    assert (answers == task.validation.labels.bool()).float().mean() > 0.95
    assert done[0] == 0
    assert sum(done) == 1500
    # 330 examples are 6 steps an epoch: 32 steps, the rate a tenth after every 12
    assert task.rates == pytest.approx(12 * [1.0] + 12 * [0.1] + 8 * [0.01])
    assert [row["images"] for row in outcome.history] == [288, 576, 864, 1152, 1440, 1536]
    assert [draw.number for draw in task.seen if draw.training] == list(range(32))
    assert [draw.number for draw in task.seen if not draw.training] == 6 * [0, 1]


def test_dropout_repeats_with_the_seed_and_leaves_the_global_random_state_alone() -> None:
    outcomes = []
    for disturbance in (1, 2):
        task = classification()
        torch.manual_seed(disturbance)
        expected = torch.random.get_rng_state()
        outcomes.append(train(task, Plan(images=200, batch=20, seed=0), CPU))
        assert torch.equal(torch.random.get_rng_state(), expected)
    first, second = (outcome.state for outcome in outcomes)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_every_epoch_shows_each_example_once_in_a_new_order() -> None:
    order = Order(Plan(images=90, batch=5, seed=4, validations=2), 31)
    rounds = [list(order) for _ in range(3)]
    assert [len(batches) for batches in rounds] == [9, 9, 0]
    batches = np.array(rounds[0] + rounds[1])
    epochs = batches.reshape(3, 30)
    assert all(len(set(epoch)) == 30 for epoch in epochs.tolist())
    assert not (epochs[0] == epochs[1]).all()
    again = Order(Plan(images=90, batch=5, seed=4, validations=30), 31)
    assert [batch for _ in range(3) for batch in again] == batches.tolist()
    other = Order(Plan(images=90, batch=5, seed=5, validations=2), 31)
    assert list(other) != rounds[0]


def test_too_few_examples_are_refused() -> None:
    task = classification()
    with pytest.raises(ParameterError, match="dataset"):
        train(task, Plan(images=100, batch=331, seed=0), CPU)
    task.validation = Points(0, 2)
    with pytest.raises(ParameterError, match="validation"):
        train(task, Plan(images=100, batch=10, seed=0), CPU)
    with pytest.raises(ParameterError, match=r"training\.images"):
        Plan(images=0, batch=10, seed=0)


class Diverging(Classification):
    """Its loss of the first batches of validation, so many of them, is not a number."""

    left = 0

    def loss(self, batch: Batch, training: bool) -> torch.Tensor:
        loss = super().loss(batch, training)
        if training or self.left == 0:
            return loss
        self.left -= 1
        return loss * torch.nan


def diverging(batches: int) -> Diverging:
    task = Diverging(classification().model)
    task.left = batches
    return task


def test_a_loss_that_is_no_number_is_never_the_best() -> None:
    plan = Plan(990, 30, 3, validations=3)
    state, history = train(diverging(1), plan, CPU)
    losses = [row["validation_loss"] for row in history]
    assert np.isnan(losses[0])
    assert np.isfinite(losses[1:]).all()
    assert state
    with pytest.raises(ParameterError, match="learning_rate"):
        train(diverging(100), plan, CPU)
