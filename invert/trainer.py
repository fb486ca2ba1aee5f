"""Training as such, whatever is learned: a loop of Lightning that keeps the best weights.

A `Task` says what is trained, on what, with which loss and schedule; the trainer knows nothing else of it.
All random numbers of a training depend on the seed and on the step alone: the order of the examples, what a
task draws through its `Draw`, and dropout.
"""

from __future__ import annotations

import copy
import logging
import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import lightning
import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from msft.errors import ParameterError
from msft.seeding import generator_of

VALIDATIONS = 30
"""Validations over a training, at most one an epoch."""

Batch = tuple[torch.Tensor, ...]
Progress = Callable[[int], None]
State = dict[str, torch.Tensor]
Left = dict[str, Any]
"""What a training needs to go on where it stopped: numbers, tensors, and lists and dictionaries of them."""


class Draw(NamedTuple):
    """Where a batch stands in the training: what its random numbers depend on, besides the seed.

    Attributes
    ----------
    training
        Whether the network learns from it. Validation draws the same every time, so that losses compare.
    number
        The step, or the number of the batch within the validation set.
    """

    training: bool
    number: int

    def generator(self, seed: int) -> torch.Generator:
        """The generator of this batch, on the CPU."""
        return torch.Generator().manual_seed(_entropy(seed, 0 if self.training else 1, self.number))


class Examples(Protocol):
    """What is learned from: a batch is taken at once."""

    def __len__(self) -> int:
        """The number of examples."""

    def __getitems__(self, indices: list[int]) -> Batch:
        """The examples of those indices as tensors whose first dimension counts them."""


class Task(Protocol):
    """What is trained."""

    @property
    def model(self) -> nn.Module:
        """The network. Its state is what training changes, and what is kept when it is best."""

    @property
    def training(self) -> Examples:
        """What it learns from."""

    @property
    def validation(self) -> Examples:
        """What chooses the best weights."""

    def loss(self, batch: Batch, draw: Draw) -> torch.Tensor:
        """The mean loss of a batch, which lies on the model's device; `draw` fixes its random numbers.

        The model is in training mode or in evaluation mode already.
        """

    def optimiser(self, steps: int, epoch: int) -> tuple[Optimizer, LRScheduler]:
        """The optimiser of the model's parameters and its schedule, which advances once a step.

        `steps` are those of the whole training, `epoch` those of one pass over the examples.
        """


@dataclass(frozen=True)
class Plan:
    """How long is trained, and in which order.

    Parameters
    ----------
    images
        Examples shown in all.
    batch
        Examples of a step.
    seed
        Of the order.
    validations
        How often the network is validated, at most once an epoch.

    Raises
    ------
    ParameterError
        If a number is too small.
    """

    images: int
    batch: int
    seed: int
    validations: int = VALIDATIONS

    def __post_init__(self) -> None:
        for name, least in (("images", 1), ("batch", 1), ("seed", 0), ("validations", 1)):
            if getattr(self, name) < least:
                raise ParameterError(f"training.{name}", getattr(self, name), f"{least} or more")

    @property
    def steps(self) -> int:
        """Steps of the whole training."""
        return math.ceil(self.images / self.batch)

    def epoch(self, examples: int) -> int:
        """Steps of one pass over the examples; those that fill no batch wait for another pass."""
        if examples < self.batch:
            raise ParameterError("dataset", f"{examples} examples", f"{self.batch}, a batch, or more")
        return examples // self.batch

    def round(self, examples: int) -> int:
        """Steps between two validations."""
        return min(self.steps, max(self.epoch(examples), math.ceil(self.steps / self.validations)))


class Outcome(NamedTuple):
    """What training leaves: the state of the best weights, and the losses over the images shown."""

    state: State
    history: list[dict[str, float]]


class _Order:
    """Batches of indices, a round at every iteration: each epoch in a new order, by the seed alone."""

    def __init__(self, plan: Plan, examples: int, step: int = 0) -> None:
        self.plan, self.examples = plan, examples
        self.epoch, self.round = plan.epoch(examples), plan.round(examples)
        self.step = step

    def __iter__(self) -> Iterator[list[int]]:
        end = min(self.step + self.round, self.plan.steps)
        while self.step < end:
            epoch, place = divmod(self.step, self.epoch)
            order = generator_of(self.plan.seed, epoch).permutation(self.examples)
            for _ in range(min(self.epoch - place, end - self.step)):
                yield order[place * self.plan.batch :][: self.plan.batch].tolist()
                place, self.step = place + 1, self.step + 1


class _Loop(lightning.LightningModule):
    def __init__(
        self,
        task: Task,
        plan: Plan,
        progress: Progress,
        left: Left | None,
        keep: Callable[[Left], None] | None,
    ) -> None:
        super().__init__()
        self.task, self.plan, self.progress, self.left, self.keep = task, plan, progress, left, keep
        self.model = task.model
        if left:
            self.model.load_state_dict(left["state"])
        self.step: int = left["step"] if left else 0
        self.history: list[dict[str, float]] = left["history"] if left else []
        self.best_state: State = left["best_state"] if left else {}
        self.best_loss: float = left["best_loss"] if left else math.inf
        self._train_losses: list[torch.Tensor] = []
        self._validation_losses: list[tuple[torch.Tensor, int]] = []

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        torch.manual_seed(_entropy(self.plan.seed, 2, self.step))  # of dropout
        loss = self.task.loss(batch, Draw(True, self.step))
        self._train_losses.append(loss.detach())
        self.progress(min(len(batch[0]), self.plan.images - self.step * self.plan.batch))
        self.step += 1
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        loss = self.task.loss(batch, Draw(False, batch_index))
        self._validation_losses.append((loss, len(batch[0])))

    def on_validation_epoch_end(self) -> None:
        losses, sizes = zip(*self._validation_losses, strict=True)
        loss = float(np.average([float(value) for value in losses], weights=sizes))
        if loss < self.best_loss or not self.best_state:
            self.best_loss = loss
            self.best_state = copy.deepcopy(self.model.state_dict())
        self.history.append(
            {
                "images": float(self.step * self.plan.batch),
                "train_loss": float(torch.stack(self._train_losses).mean()),
                "validation_loss": loss,
            }
        )
        self._train_losses.clear()
        self._validation_losses.clear()
        if self.keep is not None:
            self.keep(self._left())

    def _left(self) -> Left:
        schedule: Any = self.lr_schedulers()
        return {
            "state": self.model.state_dict(),
            "step": self.step,
            "history": self.history,
            "best_state": self.best_state,
            "best_loss": self.best_loss,
            "optimiser": self.optimizers(use_pl_optimizer=False).state_dict(),  # type: ignore[union-attr]
            "schedule": schedule.state_dict(),
        }

    def configure_optimizers(self) -> Any:
        optimiser, schedule = self.task.optimiser(self.plan.steps, self.plan.epoch(len(self.task.training)))
        if self.left:
            optimiser.load_state_dict(self.left["optimiser"])
            schedule.load_state_dict(self.left["schedule"])
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def train(
    task: Task,
    plan: Plan,
    device: torch.device,
    progress: Progress = lambda done: None,
    *,
    left: Left | None = None,
    keep: Callable[[Left], None] | None = None,
) -> Outcome:
    """Train a task's model, and return the weights of the smallest validation loss.

    The model is left on some device, with its last weights.

    Parameters
    ----------
    task
        What is trained.
    plan
        How long, and in which order.
    device
        CPU or GPU.
    progress
        Called with 0 when training begins, then with the number of images of each step.
    left
        What `keep` was given last by a training of the same task and plan, to go on with.
    keep
        Called after every validation with what is needed to go on from there; see `invert.resumption`.

    Raises
    ------
    ParameterError
        If there are fewer examples than a batch, or none to validate with.
    """
    order = _Order(plan, len(task.training), left["step"] if left else 0)
    if not len(task.validation):
        raise ParameterError("dataset", "0 examples for validation", "1 or more")
    loop = _Loop(task, plan, progress, left, keep)
    progress(0)
    if order.step:
        progress(min(order.step * plan.batch, plan.images))
    if order.step < plan.steps:
        _run(loop, order, device)
    return Outcome(loop.best_state, loop.history)


def _run(loop: _Loop, order: _Order, device: torch.device) -> None:
    plan, task = loop.plan, loop.task
    with _quiet_lightning(), torch.random.fork_rng():
        trainer = lightning.Trainer(
            max_epochs=math.ceil((plan.steps - order.step) / order.round),
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision=_precision(device),
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        with _interruptible():
            trainer.fit(
                loop.to(memory_format=torch.channels_last),
                DataLoader(task.training, batch_sampler=order, collate_fn=_as_it_is),  # type: ignore[arg-type]
                DataLoader(task.validation, plan.batch, collate_fn=_as_it_is),  # type: ignore[arg-type]
            )


def _entropy(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])


def _precision(device: torch.device) -> Any:
    """Bfloat16 where the device has it; a CPU computes it far slower than float32."""
    return "bf16-mixed" if device.type == "cuda" and torch.cuda.is_bf16_supported(False) else "32-true"


def _as_it_is(batch: Any) -> Any:
    return batch


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lightning answers an interrupt with an exit of its own, deaf to further ones: take both back."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if on_main_thread:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's notes about devices and loaders are not for the users of a command."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
