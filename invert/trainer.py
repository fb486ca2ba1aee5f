"""Training as such, whatever is learned: a loop of Lightning that keeps the best weights.

A `Task` says what is trained, on what, with which loss and schedule; the trainer knows nothing else of it.
All random numbers of a training depend on the seed and on the step alone: the order of the examples, what a
task draws through its `Draw`, and dropout.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple, Protocol

import lightning
import numpy as np
import torch
import torch.distributed
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from invert.captured import Captured
from invert.hardware import Hardware, precision, seed_on
from invert.plan import Draw, Order, Plan
from invert.prepared import Batch, Prepared
from invert.quiet import interruptible, quiet_lightning
from invert.synchronised import synchronise
from msft.errors import ParameterError

__all__ = [
    "Batch",
    "Draw",
    "Examples",
    "Hardware",
    "Left",
    "Outcome",
    "Plan",
    "Progress",
    "State",
    "Task",
    "train",
]

VALIDATED = 1024
"""Images that a GPU validates at a time, which takes it hardly longer than a few."""

Progress = Callable[[int], None]
State = dict[str, torch.Tensor]
Left = dict[str, Any]
"""What a training needs to go on where it stopped: numbers, tensors, and lists and dictionaries of them."""


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

    def prepared(self, batches: Sequence[Batch], draws: Sequence[Draw]) -> Sequence[Batch]:
        """What the losses take, of batches of examples that follow each other and lie on the model's device.

        Their `draws`, all of one group, fix the random numbers. It makes no difference, but to the time that
        it takes, how many batches are prepared together.
        """

    def loss(self, batch: Batch, training: bool) -> torch.Tensor:
        """The mean loss of a prepared batch, to learn from or for validation.

        The model is in training mode or in evaluation mode already.
        """

    def optimiser(self, steps: int, epoch: int) -> tuple[Optimizer, LRScheduler]:
        """The optimiser of the model's parameters and its schedule, which advances once a step.

        `steps` are those of the whole training, `epoch` those of one pass over the examples.
        """


class Outcome(NamedTuple):
    """What training leaves: the state of the best weights, and the losses over the images shown."""

    state: State
    history: list[dict[str, float]]


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
        self.automatic_optimization = False  # Lightning's takes longer than a small network on a GPU
        self._gradients: Callable[[Batch], torch.Tensor] | None = None
        self._train_losses: list[torch.Tensor] = []
        self._validation_losses: list[tuple[torch.Tensor, int]] = []

    def on_fit_start(self) -> None:
        for row in self.history:
            self._log(row)

    def training_step(self, batches: Sequence[Batch], index: int) -> None:
        optimiser: Any = self.optimizers(use_pl_optimizer=False)
        schedule: Any = self.lr_schedulers()
        for batch in batches:
            if self._gradients is None:
                self._gradients = self._gradients_of(batch)
            seed_on(self.device, self.plan.dropout_seed(self.step, self.trainer.global_rank))
            self._train_losses.append(self._gradients(batch))
            optimiser.step()
            schedule.step()
            self.progress(min(self.plan.batch, self.plan.images - self.step * self.plan.batch))
            self.step += 1

    def _gradients_of(self, batch: Batch) -> Callable[[Batch], torch.Tensor]:
        """What gives the parameters their gradients for batches like this one, and returns the loss."""
        if self.captures:
            return Captured(self.model, lambda batch: self.task.loss(batch, True), batch)

        def told(batch: Batch) -> torch.Tensor:
            self.zero_grad()
            loss = self.task.loss(batch, True)
            # each operation backward in the precision that it had forward
            with torch.autocast(self.device.type, enabled=False):
                self.manual_backward(loss)
            return loss.detach()

        return told

    @property
    def captures(self) -> bool:
        """Whether gradients are those of a CUDA graph: other processes cannot share theirs in between."""
        return self.device.type == "cuda" and self.trainer.world_size == 1

    def validation_step(self, batches: Sequence[Batch], index: int) -> None:
        for batch in batches:
            self._validation_losses.append((self.task.loss(batch, False), len(batch[0])))

    def on_validation_epoch_end(self) -> None:
        losses, sizes = zip(*self._validation_losses, strict=True)
        loss = float(np.average([float(value) for value in losses], weights=sizes))
        if loss < self.best_loss:
            self.best_loss = loss
            self.best_state = copy.deepcopy(self.model.state_dict())
        train_loss = torch.stack(self._train_losses).mean()
        self.history.append(
            {
                "images": float(self.step * self.plan.batch),
                "train_loss": float(self.trainer.strategy.reduce(train_loss, reduce_op="mean")),
                "validation_loss": loss,
            }
        )
        self._log(self.history[-1])
        self._train_losses.clear()
        self._validation_losses.clear()
        if self.keep is not None and self.trainer.is_global_zero:
            self.keep(self._left())

    def _log(self, row: dict[str, float]) -> None:
        for logger in self.trainer.loggers:
            losses = {name: value for name, value in row.items() if name != "images"}
            logger.log_metrics(losses, step=int(row["images"]))
            logger.save()

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
        return {"optimizer": optimiser, "lr_scheduler": schedule}


def train(
    task: Task,
    plan: Plan,
    hardware: Hardware | torch.device,
    progress: Progress = lambda done: None,
    *,
    left: Left | None = None,
    keep: Callable[[Left], None] | None = None,
    logger: Logger | None = None,
) -> Outcome:
    """Train a task's model, and return the weights of the smallest validation loss.

    The model is left on some device, with its last weights. With several processes each has its share of
    every batch, and all return the same.

    Parameters
    ----------
    task
        What is trained.
    plan
        How long, and in which order.
    hardware
        CPU or GPU, how many.
    progress
        Called with 0 when training begins, then with the number of images of each step.
    left
        What `keep` was given last by a training of the same task and plan, to go on with.
    keep
        Called after every validation with what is needed to go on from there; see `invert.resumption`.
    logger
        Of Lightning, which is given the losses of every validation over the number of images shown.

    Raises
    ------
    ParameterError
        If there are fewer examples than a batch, or none to validate with, or a batch cannot be shared; or
        if no validation loss was finite.
    """
    if isinstance(hardware, torch.device):
        hardware = Hardware(hardware)
    plan.epoch(len(task.training))
    if not len(task.validation):
        raise ParameterError("dataset", "0 examples for validation", "1 or more")
    if plan.batch % hardware.processes:
        raise ParameterError("training.batch", plan.batch, f"a multiple of {hardware.processes} processes")
    # whatever is left to learn, or the same weights answer with other roundings
    loop = _Loop(task, plan, progress, left, keep).to(memory_format=torch.channels_last)
    progress(0)
    if loop.step:
        progress(min(loop.step * plan.batch, plan.images))
    if loop.step < plan.steps:
        _run(loop, hardware, logger)
    if not loop.best_state:
        allowed = "a finite loss; a smaller training.learning_rate may give one"
        raise ParameterError("training", "a validation loss that was never a number", allowed)
    return Outcome(loop.best_state, loop.history)


def _run(loop: _Loop, hardware: Hardware, logger: Logger | None) -> None:
    plan, task, together = loop.plan, loop.task, hardware.processes > 1
    on_gpu = hardware.kind.type == "cuda"
    if together and not on_gpu:
        synchronise(task.model)
    examples = len(task.training)
    with quiet_lightning(), torch.random.fork_rng():
        trainer = lightning.Trainer(
            max_epochs=math.ceil((plan.steps - loop.step) / plan.round(examples)),
            accelerator="gpu" if on_gpu else "cpu",
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            strategy="ddp" if together else "auto",
            sync_batchnorm=together and on_gpu,
            use_distributed_sampler=False,
            precision=precision(hardware.kind),
            num_sanity_val_steps=0,
            logger=logger or False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        shared = trainer.global_rank, trainer.world_size
        order = Order(plan, examples, loop.step, *shared)
        learning: Any = DataLoader(task.training, batch_sampler=order, collate_fn=_as_it_is)  # type: ignore[arg-type]
        at_once = max(plan.batch, VALIDATED) if on_gpu else plan.batch
        validating: Any = DataLoader(task.validation, at_once, collate_fn=_as_it_is)  # type: ignore[arg-type]
        device = trainer.strategy.root_device

        def steps() -> Iterator[Draw]:
            return (Draw(True, step, plan.batch, *shared) for step in count(loop.step))

        def validations() -> Iterator[Draw]:
            return (Draw(False, number, at_once) for number in count())

        with interruptible():
            trainer.fit(
                loop,
                Prepared(learning, steps, task.prepared, device, apart=together),
                Prepared(validating, validations, task.prepared, device, apart=together),
            )
    if together:
        torch.distributed.destroy_process_group()


def _as_it_is(batch: Any) -> Any:
    return batch
