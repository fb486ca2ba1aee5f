"""How long a step of training takes: the network's alone, and with everything that belongs to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import count
from typing import Any

import record  # noqa: F401  which makes augment the package
import torch

from invert import dihedral
from invert.data import PatternDataset
from invert.model import Model, ModelConfiguration
from invert.presets import Preset
from invert.training.captured import gradients_of
from invert.training.examples import Stored
from invert.training.kept_memory import keep_freed_memory
from invert.training.train import Regression
from invert.training.trainer import Batch, Plan, train

WARM_UP = 3
"""Steps that are not timed."""


def clock(device: torch.device) -> float:
    """Seconds: of the processor, or on a GPU of the wall clock when it is done."""
    if device.type == "cpu":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def bare_step(chosen: Preset, images: torch.Tensor) -> Callable[[], None]:
    """Forward, backward and optimiser of a preset's network on grey images, computed as in training."""
    model: Any = Model(ModelConfiguration(chosen.network, chosen.target)).to(images.device)
    model.to(memory_format=torch.channels_last)
    on_gpu = images.is_cuda
    if not on_gpu:
        keep_freed_memory()
    optimiser = torch.optim.AdamW(model.parameters(), 1e-4, fused=on_gpu)
    batch = images, torch.zeros((len(images), model.target.size), device=images.device)

    def loss(batch: Batch) -> torch.Tensor:
        return torch.nn.functional.mse_loss(model(batch[0]), batch[1])

    with torch.autocast(images.device.type, torch.bfloat16, enabled=on_gpu, cache_enabled=False):
        gradients = gradients_of(model, loss, batch, captured=on_gpu)

    def step() -> None:
        gradients(batch)
        optimiser.step()

    return step


def seconds_per_step(chosen: Preset, dataset: PatternDataset, device: torch.device, steps: int) -> float:
    """Seconds per step of training with everything, over some; on a GPU, over two whole groups or more."""
    settings = chosen.training
    model = Model(ModelConfiguration(chosen.network, chosen.target))
    symmetries = dihedral.order(dataset.simulation.detector) if settings.symmetric else 1
    examples = Stored(dataset, model.target, symmetries, device)
    few = Stored(dataset.part(slice(0, 2)), model.target, device=device)
    moments: list[float] = []
    calls = count(-1)  # the first call says that training begins

    def progress(done: int) -> None:
        if next(calls) in (WARM_UP, WARM_UP + steps):
            moments.append(clock(device))

    # while a group is learned from, the next but one is prepared, if it comes at all: as many steps follow
    plan = Plan((WARM_UP + 1 + 2 * steps) * settings.batch, settings.batch, 0, validations=1)
    train(Regression(model, examples, few, settings), plan, device, progress)
    return (moments[1] - moments[0]) / steps
