"""Training as such, whatever is learned: a loop of Lightning that keeps the best weights.

A `Task` says what is trained, on what, with which loss and schedule; the trainer knows nothing else of it.
All random numbers of a training depend on the seed and on the step alone: the order of the examples, what a
task draws through its `Draw`, and dropout.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

import lightning
import torch
import torch.distributed
from lightning.pytorch.loggers import Logger
from torch.utils.data import DataLoader

from invert.training.hardware import Hardware, precision
from invert.training.kept_memory import keep_freed_memory
from invert.training.loop import Loop
from invert.training.plan import Draw, Order, Plan
from invert.training.prepared import Batch, Prepared
from invert.training.quiet import interruptible, quiet_lightning
from invert.training.synchronised import synchronise
from invert.training.task import Examples, Left, Progress, State, Task
from msft.errors import ParameterError

__all__ = [
    "Batch",
    "Draw",
    "Examples",
    "Left",
    "Outcome",
    "Plan",
    "Progress",
    "train",
]

VALIDATED = 1024
"""Images that a GPU validates at a time, which takes it hardly longer than a few."""


class Outcome(NamedTuple):
    """What training leaves: the state of the best weights, and the losses over the images shown."""

    state: State
    history: list[dict[str, float]]


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
        Called after every validation with what is needed to go on from there; see `resumption`.
    logger
        Of Lightning, which is given the losses of every validation over the number of images shown.

    Raises
    ------
    ParameterError
        If there are fewer examples than a batch, or none to validate with, or a batch cannot be shared; or
        if no validation loss was finite.

    Notes
    -----
    On a CPU the process keeps the memory that it frees from then on; see `invert.training.kept_memory`.
    """
    if isinstance(hardware, torch.device):
        hardware = Hardware(hardware)
    plan.epoch(len(task.training))
    if not len(task.validation):
        raise ParameterError("dataset", "0 examples for validation", "1 or more")
    if plan.batch % hardware.processes:
        raise ParameterError("training.batch", plan.batch, f"a multiple of {hardware.processes} processes")
    # whatever is left to learn, or the same weights answer with other roundings
    loop = Loop(task, plan, progress, left, keep).to(memory_format=torch.channels_last)
    progress(0)
    if loop.step:
        progress(min(loop.step * plan.batch, plan.images))
    if loop.step < plan.steps:
        _run(loop, hardware, logger)
    if not loop.best_state:
        allowed = "a finite loss; a smaller training.learning_rate may give one"
        raise ParameterError("training", "a validation loss that was never a number", allowed)
    return Outcome(loop.best_state, loop.history)


def _run(loop: Loop, hardware: Hardware, logger: Logger | None) -> None:
    plan, task, together = loop.plan, loop.task, hardware.processes > 1
    on_gpu = hardware.kind.type == "cuda"
    if not on_gpu:
        keep_freed_memory()
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
