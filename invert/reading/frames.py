"""Frames in memory, and their grey values."""

from __future__ import annotations

from dataclasses import dataclass

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

    def grey(self, floor_decades: float) -> torch.Tensor:
        """Grey images (N, H, W) in [0, 1] with invalid pixels 0, as the networks were trained on.

        A linear frame is log-scaled over the decades below its maximum. A log frame that lies in [0, 1] is
        taken as it is, another one is shifted and divided to fill [0, 1], since its contrast is unknown.
        """
        valid = torch.from_numpy(self.valid)
        if self.scale == "linear":
            return log_scale(torch.from_numpy(self.images), floor_decades, valid)
        images = np.where(self.valid, self.images, np.nan)
        grey = np.zeros_like(images)
        for result, image, usable in zip(grey, images, self.valid, strict=True):
            if usable.any():
                low, high = image[usable].min(), image[usable].max()
                if low < 0 or high > 1:
                    result[usable] = (image[usable] - low) / ((high - low) or 1.0)
                else:
                    result[usable] = image[usable]
        return torch.from_numpy(grey)
