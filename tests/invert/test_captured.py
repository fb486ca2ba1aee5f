"""Gradients by a CUDA graph: those of the same passes told one operation after the other."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from invert.data import read_dataset
from invert.training.captured import Captured, recorded
from invert.training.loop import Loop
from invert.training.prepared import Batch
from invert.training.train import fit
from invert.training.trainer import Plan, train

from .conftest import SMALL_PRESET
from .test_trainer import classification


def on_a_gpu(test: Callable[..., None]) -> Callable[..., None]:
    lacking = pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU HERE: no graph was captured")
    marked: Callable[..., None] = pytest.mark.gpu(pytest.mark.usefixtures("full_precision")(lacking(test)))
    return marked


def stand_in(
    model: nn.Module,
) -> Callable[[Callable[[], torch.Tensor], Callable[[], None]], tuple[Callable[[], None], torch.Tensor]]:
    """A processor's way to do what a graph does: nothing but writing where it was captured."""

    def recorded(
        work: Callable[[], torch.Tensor], prepare: Callable[[], None]
    ) -> tuple[Callable[[], None], torch.Tensor]:
        result = work()
        written = [(one, one.grad) for one in model.parameters()]
        prepare()
        for parameter, gradient in written:
            parameter.grad = gradient

        def replay() -> None:
            before = [parameter.grad for parameter, _ in written]
            model.zero_grad(set_to_none=True)
            result.copy_(work())
            for (parameter, gradient), taken in zip(written, before, strict=True):
                assert gradient is not None
                assert parameter.grad is not None
                gradient.copy_(parameter.grad)
                parameter.grad = taken

        return replay, result

    return recorded


def test_a_training_goes_on_after_validation_took_the_gradients_away(monkeypatch: pytest.MonkeyPatch) -> None:
    plan, outcomes = Plan(images=1500, batch=48, seed=0), []
    for captures in (False, True):
        task = classification()
        monkeypatch.setattr(Loop, "captures", captures)
        monkeypatch.setattr("invert.training.captured.recorded", stand_in(task.model))
        outcomes.append(train(task, plan, torch.device("cpu")))
    told, captured = outcomes
    assert len(told.history) == 6
    assert captured.history == told.history
    assert all(torch.equal(captured.state[name], told.state[name]) for name in told.state)


def test_statistics_are_those_of_the_batches_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    layers = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    twin = copy.deepcopy(layers)
    monkeypatch.setattr("invert.training.captured.recorded", stand_in(layers))
    batch = (torch.rand(16, 3, generator=torch.Generator().manual_seed(1)),)
    captured = Captured(layers, lambda given: layers(given[0]).square().mean(), batch)
    for _ in range(3):
        captured(batch)
        twin(*batch)
    assert all(torch.equal(a, b) for a, b in zip(layers.buffers(), twin.buffers(), strict=True))


def test_other_threads_may_use_the_gpu_while_a_graph_is_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    modes: list[str] = []

    def graph(_: Any, capture_error_mode: str = "global") -> Any:
        modes.append(capture_error_mode)
        return nullcontext()

    stream = SimpleNamespace(wait_stream=lambda other: None)
    cuda = {
        "current_stream": lambda: stream,
        "Stream": lambda: stream,
        "stream": lambda of: nullcontext(),
        "CUDAGraph": lambda: SimpleNamespace(replay=None),
        "graph": graph,
    }
    for name, one in cuda.items():
        monkeypatch.setattr(torch.cuda, name, one)
    recorded(lambda: torch.zeros(()), lambda: None)
    assert modes == ["thread_local"]


class Told:
    """What `Captured` stands for."""

    def __init__(self, model: nn.Module, loss: Callable[[Batch], torch.Tensor], batch: Batch) -> None:
        self.model, self.loss = model, loss

    def __call__(self, batch: Batch) -> torch.Tensor:
        self.model.zero_grad()
        found = self.loss(batch)
        with torch.autocast("cuda", enabled=False):
            found.backward()  # type: ignore[no-untyped-call]
        return found.detach()


@on_a_gpu
def test_every_batch_has_its_own_loss_gradients_and_statistics() -> None:
    torch.manual_seed(3)
    layers = (
        nn.Conv2d(1, 8, 3, bias=False),
        nn.BatchNorm2d(8),
        nn.Tanh(),
        nn.Flatten(),
        nn.Linear(8 * 14 * 14, 3),
    )
    model = nn.Sequential(*layers).to("cuda")
    twin = copy.deepcopy(model)

    def loss_of(network: nn.Module) -> Callable[[Batch], torch.Tensor]:
        return lambda batch: nn.functional.mse_loss(network(batch[0]), batch[1])

    batches = [(torch.rand(16, 1, 16, 16, device="cuda"), torch.rand(16, 3, device="cuda")) for _ in range(4)]
    captured = Captured(model, loss_of(model), batches[0])
    told = Told(twin, loss_of(twin), batches[0])
    optimisers = [torch.optim.AdamW(one.parameters(), 1e-2, fused=True) for one in (model, twin)]
    losses = []
    for batch in batches:
        losses.append((captured(batch), told(batch)))
        for own, other in zip(model.parameters(), twin.parameters(), strict=True):
            assert own.grad is not None
            assert other.grad is not None
            assert torch.allclose(own.grad, other.grad, rtol=1e-3, atol=1e-6)
        for optimiser in optimisers:
            optimiser.step()
    assert len({float(found) for found, _ in losses}) == 4
    for found, expected in losses:
        assert float(found) == pytest.approx(float(expected), rel=1e-4)
    for statistic, expected_one in zip(model.buffers(), twin.buffers(), strict=True):
        assert torch.allclose(statistic, expected_one, rtol=1e-4)


@on_a_gpu
def test_a_graph_is_captured_while_another_thread_takes_memory() -> None:
    model, taken = nn.Linear(64, 64).to("cuda"), list[torch.Tensor]()
    batch = (torch.rand(8, 64, device="cuda"),)

    def take() -> None:
        taken.append(torch.full((2**26,), 3.0, device="cuda"))
        taken.append(torch.empty(2**26, pin_memory=True))

    def loss(given: Batch) -> torch.Tensor:
        if torch.cuda.is_current_stream_capturing():
            thread = threading.Thread(target=take)
            thread.start()
            thread.join()
        found: torch.Tensor = model(given[0]).square().mean()
        return found

    captured = Captured(model, loss, batch)
    assert float(captured(batch)) == pytest.approx(float(model(*batch).square().mean()), rel=1e-3)
    assert len(taken) == 2
    assert float(taken[0][-1]) == 3.0


@on_a_gpu
def test_dropout_draws_anew_at_every_batch_by_the_seed() -> None:
    model = nn.Sequential(nn.Linear(50, 50), nn.Dropout(0.5)).to("cuda")
    batch = (torch.rand(8, 50, device="cuda"),)
    captured = Captured(model, lambda given: model(given[0]).square().mean(), batch)
    losses = []
    for seed in (1, 2, 1):
        torch.cuda.manual_seed(seed)
        losses.append(float(captured(batch)))
    assert losses[0] == losses[2] != losses[1]


@on_a_gpu
def test_a_training_by_a_graph_is_the_training(small_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset, gpu = read_dataset(small_dataset), torch.device("cuda")
    by_graph = fit(dataset, SMALL_PRESET, gpu).history
    monkeypatch.setattr("invert.training.captured.Captured", Told)
    told = fit(dataset, SMALL_PRESET, gpu).history
    first, last = by_graph[0], by_graph[-1]
    assert first["train_loss"] == pytest.approx(told[0]["train_loss"], rel=0.02)
    assert last["train_loss"] == pytest.approx(told[-1]["train_loss"], rel=0.2)  # roundings grow
    assert last["validation_loss"] == pytest.approx(told[-1]["validation_loss"], rel=0.2)
