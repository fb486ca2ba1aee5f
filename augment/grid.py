"""Pixel offsets and distances from the beam, which goes through pixel [H // 2, W // 2]."""

from __future__ import annotations

from functools import lru_cache

import torch


@lru_cache(16)
def _offsets(height: int, width: int, device: torch.device) -> tuple[torch.Tensor, ...]:
    """Return rows (H, 1), columns (1, W) and squared distances (H, W) from the beam pixel: float32."""
    rows = torch.arange(height, dtype=torch.float32, device=device)[:, None] - height // 2
    columns = torch.arange(width, dtype=torch.float32, device=device)[None, :] - width // 2
    return rows, columns, rows * rows + columns * columns


def beam_offsets(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows and columns counted from the beam pixel: float32 (H, 1) and (1, W), not to be changed."""
    height, width = images.shape[-2:]
    rows, columns, _ = _offsets(height, width, images.device)
    return rows, columns


def squared_distances(images: torch.Tensor) -> torch.Tensor:
    """Return squared distances from the beam pixel: float32 (H, W), not to be changed. Exact up to 2^24."""
    height, width = images.shape[-2:]
    return _offsets(height, width, images.device)[2]


def largest_square(radius: torch.Tensor) -> torch.Tensor:
    """Return the largest squared distance that is within a radius, float32: distances' are whole numbers.

    The square of a float32 is exact in float64, so no pixel on the rim is lost to rounding.
    """
    return radius.double().square().floor_().float()
