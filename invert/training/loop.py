"""The steps of a training, for Lightning: gradients, optimiser, validation, and what is kept of them."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import lightning
import numpy as np
import torch

from invert.training.captured import gradients_of
from invert.training.hardware import seed_on
from invert.training.plan import Plan
from invert.training.prepared import Batch
from invert.training.task import Left, Progress, State, Task


class Loop(lightning.LightningModule):
    """One training; it keeps the weights of the smallest validation loss.

    Of batches that were prepared together all steps are one of Lightning's, which takes longer for each than
    a small network on a GPU.
    """

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
        """Log the losses of the part that an earlier call trained."""
        for row in self.history:
            self._log(row)

    def training_step(self, batches: Sequence[Batch], index: int) -> None:
        """Learn from some batches, a step each."""
        optimiser: Any = self.optimizers(use_pl_optimizer=False)
        schedule: Any = self.lr_schedulers()
        for batch in batches:
            if self._gradients is None:
                self._gradients = gradients_of(
                    self.model, self._loss, batch, self.captures, self.manual_backward
                )
            seed_on(self.device, self.plan.dropout_seed(self.step, self.trainer.global_rank))
            self._train_losses.append(self._gradients(batch))
            optimiser.step()
            schedule.step()
            self.progress(min(self.plan.batch, self.plan.images - self.step * self.plan.batch))
            self.step += 1

    def _loss(self, batch: Batch) -> torch.Tensor:
        return self.task.loss(batch, True)

    @property
    def captures(self) -> bool:
        """Whether gradients are those of a CUDA graph: other processes cannot share theirs in between."""
        return self.device.type == "cuda" and self.trainer.world_size == 1

    def validation_step(self, batches: Sequence[Batch], index: int) -> None:
        """Losses of some batches."""
        for batch in batches:
            self._validation_losses.append((self.task.loss(batch, False), len(batch[0])))

    def on_validation_epoch_end(self) -> None:
        """Keep the weights if they are the best ones, and what is needed to go on from here."""
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
        """The task's, as far as they had come."""
        optimiser, schedule = self.task.optimiser(self.plan.steps, self.plan.epoch(len(self.task.training)))
        if self.left:
            optimiser.load_state_dict(self.left["optimiser"])
            schedule.load_state_dict(self.left["schedule"])
        return {"optimizer": optimiser, "lr_scheduler": schedule}
