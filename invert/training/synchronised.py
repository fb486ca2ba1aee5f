"""Batch normalisation over the examples of all processes, on processors as on GPUs."""

from __future__ import annotations

import torch
import torch.distributed
import torch.distributed.nn.functional as collective
from torch import nn


class SynchronisedBatchNorm(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose mean and variance in training are those of all processes' batches together.

    All processes have equally many examples. `nn.SyncBatchNorm` does the same, but for GPUs only.
    """

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to the same shape."""
        if not self.training or not torch.distributed.is_initialized():
            return super().forward(input)
        count = input.numel() // input.shape[1] * torch.distributed.get_world_size()
        sums = torch.stack([input.sum(dim=(0, 2, 3)), input.square().sum(dim=(0, 2, 3))])
        mean, square = collective.all_reduce(sums) / count  # type: ignore[no-untyped-call]
        variance = (square - mean.square()).clamp_min(0.0)
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = self.weight * (variance + self.eps).rsqrt()
        result: torch.Tensor = input * scale[:, None, None] + (self.bias - mean * scale)[:, None, None]
        return result

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        momentum = self.momentum if self.momentum is not None else 1.0 / float(self.num_batches_tracked)
        self.running_mean.lerp_(mean, momentum)
        self.running_var.lerp_(variance, momentum)


def synchronise(model: nn.Module) -> None:
    """Replace every `nn.BatchNorm2d` in a model, in place; parameters and state stay."""
    for name, module in list(model.named_modules()):
        if type(module) is not nn.BatchNorm2d:
            continue
        twin = SynchronisedBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
        )
        twin.load_state_dict(module.state_dict())
        above, _, last = name.rpartition(".")
        setattr(model.get_submodule(above), last, twin)
