"""What a trainer trains, whatever is learned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from invert.training.plan import Draw
from invert.training.prepared import Batch

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
