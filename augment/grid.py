"""Pixel offsets from the beam, which goes through pixel [H // 2, W // 2]."""

from __future__ import annotations

import torch


def beam_offsets(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return rows and columns counted from the beam pixel: int64, shapes (H, 1) and (1, W)."""
    height, width = images.shape[-2:]
    rows = torch.arange(height, device=images.device) - height // 2
    columns = torch.arange(width, device=images.device) - width // 2
    return rows[:, None], columns[None, :]


def within_radius(images: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return where the distance to the beam pixel is at most the radius.

    Parameters
    ----------
    images
        Gives size and device, shape (B, H, W).
    radius
        In pixels, float32, shape (B, 1, 1).

    Returns
    -------
    torch.Tensor
        bool, shape (B, H, W).
    """
    rows, columns = beam_offsets(images)
    # The square of a float32 is exact in float64, so no pixel on the rim is lost to rounding; and squares of
    # distances are whole numbers, which compare fast.
    limit = (radius.double() ** 2).floor_().clamp_max_(2.0**31 - 1).int()
    return (rows**2 + columns**2).int() <= limit
