"""From a backbone's features to answers."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import nn


class VectorHead(nn.Module):
    """One linear layer: features (B, F) to numbers (B, size), to be regressed.

    Its numbers are as precise as its weights, whatever precision the features were computed in: next to 1,
    bfloat16 knows numbers 0.4 % away only, which is as much as all of a good answer's error.
    """

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Numbers (B, size)."""
        kind = features.device.type
        mixed = torch.amp.is_autocast_available(kind)
        with torch.autocast(kind, enabled=False) if mixed else nullcontext():
            result: torch.Tensor = self.linear(features.to(self.linear.weight.dtype))
        return result


class UncertaintyHead(nn.Module):
    """From signs (B, S) to the uncertainties (B, 2) of the radius in nm and the orientation in radians.

    It is trained when the rest is (`invert.uncertainty`), on signs that do not change any more: the
    features, and how far the answers to the views of an image are apart (`invert.model`).

    Attributes
    ----------
    shift
        Logarithm of the factors by which calibration corrects the uncertainties, shape (2,).
    """

    shift: torch.Tensor

    def __init__(self, signs: int, hidden: int = 64) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.BatchNorm1d(signs, affine=False),  # by `standardise`, in evaluation mode always
            nn.Linear(signs, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2),
        )
        self.register_buffer("shift", torch.zeros(2))

    @torch.no_grad()
    def standardise(self, signs: torch.Tensor) -> None:
        """Take signs in units of their spread over these, (N, S)."""
        normalisation: Any = self.layers[0]
        normalisation.running_mean.copy_(signs.mean(dim=0))
        normalisation.running_var.copy_(signs.var(dim=0))

    def standard(self, signs: torch.Tensor) -> torch.Tensor:
        """Signs (B, S) in standard deviations from the mean over those that were learned from."""
        result: torch.Tensor = self.layers[0](signs)
        return result

    def logarithm(self, signs: torch.Tensor) -> torch.Tensor:
        """Natural logarithms (B, 2) of the uncertainties."""
        result: torch.Tensor = self.layers(signs) + self.shift
        return result

    def forward(self, signs: torch.Tensor) -> torch.Tensor:
        """Uncertainties (B, 2)."""
        return self.logarithm(signs).exp()
