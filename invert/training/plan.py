"""How long is trained, in which order, and where each batch stands in it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch

from msft.errors import ParameterError
from msft.seeding import check_seed, generator_of

VALIDATIONS = 30
"""Validations over a training, at most one an epoch."""

TOGETHER = 16384
"""Examples whose random numbers are drawn at once, in whole batches: all take hardly longer than one."""

_ORDER, _LEARNING, _VALIDATING, _DROPOUT = range(4)


def together(batch: int) -> int:
    """Batches of so many examples whose random numbers are drawn at once: a group."""
    return max(1, TOGETHER // batch)


class Draw(NamedTuple):
    """Where a batch stands in the training: what its random numbers depend on, besides the seed.

    Attributes
    ----------
    training
        Whether the network learns from it. Validation draws the same every time, so that losses compare.
    number
        The step, or the number of the batch within the validation set.
    batch
        Examples of a whole batch.
    rank, processes
        Of `processes` that share the batch of a step, this one has every example `rank`, `rank + processes`
        and so on.
    """

    training: bool
    number: int
    batch: int
    rank: int = 0
    processes: int = 1

    @property
    def group(self) -> int:
        """Number of the group of batches whose random numbers are drawn at once."""
        return self.number // together(self.batch)

    @property
    def examples(self) -> int:
        """Of all batches of the group."""
        return together(self.batch) * self.batch

    def generator(self, seed: int) -> torch.Generator:
        """The generator of the whole group, on the CPU; the same in every process."""
        stream = _LEARNING if self.training else _VALIDATING
        return torch.Generator().manual_seed(_number(seed, stream, self.group))

    def own(self, examples: int) -> torch.Tensor:
        """Which examples of the group these `examples` of a batch are: int64 tensor (examples,)."""
        first = self.number % together(self.batch) * self.batch
        return first + torch.arange(examples) * self.processes + self.rank


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
        check_seed(self.seed, "training.seed")
        for name, least in (("images", 1), ("batch", 1), ("validations", 1)):
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
        least = self.epoch(examples) if examples < self.images else 1
        return min(self.steps, max(least, math.ceil(self.steps / self.validations)))

    def dropout_seed(self, step: int, rank: int) -> int:
        """Seed of the random numbers that a network draws by itself."""
        return _number(self.seed, _DROPOUT, step, rank)


class Order:
    """Batches of indices, a round at every iteration: each epoch in a new order, by the seed alone.

    Parameters
    ----------
    plan, examples
        How long is trained, on how many examples.
    step
        Where to begin.
    rank, processes
        Which examples of each batch are this process's; see `Draw`.
    """

    def __init__(self, plan: Plan, examples: int, step: int = 0, rank: int = 0, processes: int = 1) -> None:
        self.plan, self.examples, self.rank, self.processes = plan, examples, rank, processes
        self.epoch, self.round = plan.epoch(examples), plan.round(examples)
        self.step = step

    def __iter__(self) -> Iterator[list[int]]:
        """The batches of the next round."""
        batch, end = self.plan.batch, min(self.step + self.round, self.plan.steps)
        while self.step < end:
            epoch, place = divmod(self.step, self.epoch)
            order = generator_of(self.plan.seed, _ORDER, epoch).permutation(self.examples)
            for _ in range(min(self.epoch - place, end - self.step)):
                whole = order[place * batch : (place + 1) * batch]
                place, self.step = place + 1, self.step + 1
                yield whole[self.rank :: self.processes].tolist()


def _number(seed: int, *stream: int) -> int:
    return int(generator_of(seed, *stream).integers(2**32))
