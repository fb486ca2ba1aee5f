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
        float32, shape (B, H, W): 1 there, 0 elsewhere. Exact up to distances of 4096 pixels.
    """
    return torch.le(*_squares(images, radius), out=torch.empty_like(images))


def beyond_radius(images: torch.Tensor, radius: torch.Tensor) -> torch.Tensor:
    """Return where the distance to the beam pixel is larger than the radius: 1 - `within_radius`."""
    return torch.gt(*_squares(images, radius), out=torch.empty_like(images))


def _squares(images: torch.Tensor, radius: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    height, width = images.shape[-2:]
    # The square of a float32 is exact in float64, so no pixel on the rim is lost to rounding; and squares of
    # distances are whole numbers.
    return _offsets(height, width, images.device)[2], radius.double().square().floor_().float()


def within_half(offsets: torch.Tensor, half: torch.Tensor) -> torch.Tensor:
    """Return where offsets from the beam, either way, are at most the distance: 1 there, 0 elsewhere.

    Parameters
    ----------
    offsets
        Rows or columns of `beam_offsets`.
    half
        In pixels, shape (B, 1, 1).

    Returns
    -------
    torch.Tensor
        float32, shape (B, H, 1) or (B, 1, W).
    """
    return (offsets.abs() <= half).float()
