"""Frames in memory, and their grey values."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import log_scale
from msft.particle import Particles
from msft.pattern import Simulation


@dataclass(frozen=True)
class Frames:
    """Frames as measured, with what their file says about them.

    Attributes
    ----------
    images
        Float32, shape (N, H, W); invalid pixels may hold anything.
    valid
        Pixels that were measured and are finite, bool, shape (N, H, W).
    scale
        ``linear`` or ``log``.
    numbers
        Number of each frame in its file, int64, shape (N,).
    source
        The file and the array in it.
    wavelength, q_step, geometry
        In nm and nm^-1, and of the detector, if the file says.
    truth, simulation
        The particles and how their patterns were computed, if the file is of this toolkit.
    center
        Row and column of the beam in pixels, whole numbers in the middle of a pixel, if it is known.
    pixel_size, distance
        Height and width of a flat detector's pixel, and the distance to it, in mm, if they are known.
    readable
        Frames that the file gave, bool, shape (N,); None for all. The others have no valid pixel.
    """

    images: NDArray[np.float32]
    valid: NDArray[np.bool_]
    scale: str
    numbers: NDArray[np.int64]
    source: str
    wavelength: float | None
    q_step: float | None
    geometry: str | None
    truth: Particles | None
    simulation: Simulation | None = None
    center: tuple[float, float] | None = None
    readable: NDArray[np.bool_] | None = None
    pixel_size: tuple[float, float] | None = None
    distance: float | None = None

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which frames the file gave with a valid pixel, bool, shape (N,)."""
        valid = np.asarray(self.valid.any(axis=(1, 2)))
        return valid if self.readable is None else valid & self.readable

    def part(self, rows: NDArray[np.intp]) -> Frames:
        """Some of these frames."""
        return replace(
            self,
            images=self.images[rows],
            valid=self.valid[rows],
            numbers=self.numbers[rows],
            truth=None if self.truth is None else self.truth[rows],
            readable=None if self.readable is None else self.readable[rows],
        )

    def grey(self, floor_decades: float) -> torch.Tensor:
        """Grey images (N, H, W) in [0, 1] with invalid pixels 0, as the networks were trained on.

        A linear frame is log-scaled over the decades below its maximum. A log frame that lies in [0, 1] is
        taken as it is, another one is shifted and divided to fill [0, 1], since its contrast is unknown.
        """
        images, valid = torch.from_numpy(self.images), torch.from_numpy(self.valid)
        return grey_values(images, valid, self.scale, floor_decades)


def grey_values(images: torch.Tensor, valid: torch.Tensor, scale: str, floor_decades: float) -> torch.Tensor:
    """Grey images as `Frames.grey` gives them, of images (N, H, W) and their valid pixels on any device."""
    if scale == "linear":
        return log_scale(images, floor_decades, valid)
    low = images.where(valid, math.inf).amin(dim=(1, 2), keepdim=True)
    high = images.where(valid, -math.inf).amax(dim=(1, 2), keepdim=True)
    span = high - low
    filling = (images - low) / span.where(span != 0, 1.0)
    return filling.where((low < 0) | (high > 1), images).where(valid, 0.0)
