"""The gradients of a batch as one CUDA graph, which the host starts with a single call.

A network of the papers' size is some thousand small operations, forward and backward. A GPU takes a few
microseconds for each, and the host, which has to tell it each, more than ten: captured once, all of them are
told at once (PyTorch documentation, "CUDA Graphs").
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from invert.training.prepared import Batch

WARM_UP = 3
"""Passes before the one that is captured, in which libraries choose their kernels and take memory."""


class Captured:
    """A loss and its gradients for batches of one size.

    What a pass leaves in the model's buffers is that of the batches that it is called with.

    Parameters
    ----------
    model
        Whose parameters get gradients; on a GPU.
    loss
        Mean loss of a batch. It must not ask the GPU for values, and the same operations have to serve every
        batch. The precision is the surrounding one (`torch.autocast`), without a cache of weights.
    batch
        One of those batches.
    """

    def __init__(self, model: nn.Module, loss: Callable[[Batch], torch.Tensor], batch: Batch) -> None:
        self._batch = tuple(torch.empty_like(part).copy_(part) for part in batch)
        buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]

        def prepare() -> None:
            for buffer, before in buffers:
                buffer.copy_(before)
            model.zero_grad(set_to_none=True)

        self._replay, self._loss = recorded(lambda: _passed(loss, self._batch), prepare)
        self._gradients = [(one, one.grad) for one in model.parameters() if one.grad is not None]

    def __call__(self, batch: Batch) -> torch.Tensor:
        """The loss of a batch, whose gradients the parameters have afterwards; nothing waits for the GPU."""
        for own, part in zip(self._batch, batch, strict=True):
            own.copy_(part)
        self._replay()
        # the graph writes where they were captured, and knows nothing of who has taken them away meanwhile
        for parameter, gradient in self._gradients:
            parameter.grad = gradient
        return self._loss.clone()


def recorded(
    work: Callable[[], torch.Tensor], prepare: Callable[[], None]
) -> tuple[Callable[[], None], torch.Tensor]:
    """A CUDA graph of some work, and where it leaves what that returns; `prepare` undoes the warming up.

    Other threads may use the GPU meanwhile, on other streams: those that make the next batches take memory
    there, which by default would fail, and the graph with it.
    """
    here, aside = torch.cuda.current_stream(), torch.cuda.Stream()  # type: ignore[no-untyped-call]
    aside.wait_stream(here)
    with torch.cuda.stream(aside):
        for _ in range(WARM_UP):
            prepare()
            work()
    here.wait_stream(aside)
    prepare()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = work()
    return graph.replay, result


def gradients_of(
    model: nn.Module,
    loss: Callable[[Batch], torch.Tensor],
    batch: Batch,
    captured: bool,
    backward: Callable[[torch.Tensor], Any] = torch.Tensor.backward,
) -> Callable[[Batch], torch.Tensor]:
    """What gives a model's parameters the gradients of a batch like this one, and returns its loss.

    Either `Captured`, or told anew every time, with `backward` in the place of the tensor's own.
    """
    if captured:
        return Captured(model, loss, batch)

    def told(batch: Batch) -> torch.Tensor:
        model.zero_grad()
        return _passed(loss, batch, backward)

    return told


def _passed(
    loss: Callable[[Batch], torch.Tensor],
    batch: Batch,
    backward: Callable[[torch.Tensor], Any] = torch.Tensor.backward,
) -> torch.Tensor:
    """The loss of a batch after the pass backward, each operation in the precision that it had forward."""
    found = loss(batch)
    with torch.autocast(found.device.type, enabled=False):
        backward(found)
    return found.detach()
