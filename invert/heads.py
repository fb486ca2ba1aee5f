"""From a backbone's features to answers."""

from __future__ import annotations

import torch
from torch import nn


class VectorHead(nn.Module):
    """One linear layer: features (B, F) to numbers (B, size), to be regressed."""

    def __init__(self, features: int, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, size)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Numbers (B, size)."""
        result: torch.Tensor = self.linear(features)
        return result
