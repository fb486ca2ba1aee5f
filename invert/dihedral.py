"""The symmetries of the square: one pattern of a centrosymmetric body is eight, each of another orientation.

Mirrored in a plane that holds the beam, a particle's pattern is mirrored too. A centrosymmetric body mirrored
in a plane is the body turned by 180 degrees about the plane's normal. So rows, columns or both may be
reversed, and exchanged where no polarisation tells them apart: not an approximation, but patterns that a
simulation would give.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from augment.compiled import on_processor
from msft.detector import Detector
from msft.rotation import from_axis_angle, multiply

FloatArray = NDArray[np.float64]

_ROWS, _COLUMNS, _EXCHANGE = 1, 2, 4
"""Bits of a symmetry's number. Rows and columns are exchanged first, then reversed."""

_NORMALS = {_EXCHANGE: (1.0, -1.0, 0.0), _ROWS: (0.0, 1.0, 0.0), _COLUMNS: (1.0, 0.0, 0.0)}


def _turns() -> FloatArray:
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (8, 1))
    for symmetry in range(8):
        for bit, normal in _NORMALS.items():
            if symmetry & bit:
                turns[symmetry] = multiply(from_axis_angle(normal, math.pi), turns[symmetry])
    return turns


TURNS = _turns()
"""How each symmetry of a pattern turns the body: unit quaternions (8, 4). The first changes nothing."""

HALF_TURN = _ROWS | _COLUMNS
"""The symmetry that turns by 180 degrees about the beam."""


def order(detector: Detector) -> int:
    """How many symmetries a detector's patterns have: 8, or 4 where the light is polarised linearly."""
    return 4 if detector.polarisation in ("x", "y") else 8


def turned_orientations(orientation: FloatArray, symmetries: int) -> FloatArray:
    """The orientations that a centrosymmetric body has in the patterns of each symmetry.

    Parameters
    ----------
    orientation
        Unit quaternions (N, 4).
    symmetries
        How many; see `order`.

    Returns
    -------
    Float64 array (N, symmetries, 4); symmetry 0 changes nothing.
    """
    return multiply(TURNS[:symmetries], orientation[:, None])


def turned_patterns(images: torch.Tensor, symmetry: torch.Tensor) -> torch.Tensor:
    """Patterns as each one's symmetry shows them, about the pixel of q = 0.

    With an even number of pixels the first row and column have no partner: there a reversed pattern keeps
    what it had.

    Parameters
    ----------
    images
        Tensor (B, n, n).
    symmetry
        Number of each one's symmetry, int64 tensor (B,).
    """
    sources = _sources(images.shape[-1], images.device)
    if not on_processor(images) or images.dtype != torch.float32:
        sources = sources[symmetry.to(images.device, non_blocking=True)]
        return images.flatten(1).gather(1, sources).view_as(images)
    # image by image: the places of all of them would take twice the memory of the images
    pixels, places = images.flatten(1).numpy(), sources.numpy()
    turned = np.empty_like(pixels)
    for one, its_own, number in zip(turned, pixels, symmetry.tolist(), strict=True):
        np.take(its_own, places[number], out=one, mode="wrap")  # "raise" would need a copy
    return torch.from_numpy(turned).view_as(images)


def view(images: torch.Tensor, symmetry: int) -> torch.Tensor:
    """Patterns (B, n, n) as one symmetry shows them all; see `turned_patterns`."""
    sources = _sources(images.shape[-1], images.device)[symmetry]
    return images.flatten(1).index_select(1, sources).view_as(images)


@cache
def _sources(pixels: int, device: torch.device) -> torch.Tensor:
    """Where each symmetry takes the pixels of a flat image from, int64 (8, pixels * pixels)."""
    own = np.arange(pixels)
    partner = 2 * (pixels // 2) - own
    partner[partner == pixels] = 0
    sources = np.empty((8, pixels, pixels), dtype=np.int64)
    for symmetry in range(8):
        row = (partner if symmetry & _ROWS else own)[:, None]
        column = (partner if symmetry & _COLUMNS else own)[None, :]
        sources[symmetry] = column * pixels + row if symmetry & _EXCHANGE else row * pixels + column
    with torch.inference_mode(False):  # training asks for them, too
        return torch.from_numpy(sources.reshape(8, -1)).to(device)
