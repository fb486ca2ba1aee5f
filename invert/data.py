"""Datasets as the grey images and particles that training and evaluation use, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from augment.scaling import log_scale
from msft.dataset import open_patterns
from msft.errors import ParameterError
from msft.particle import Particles
from msft.pattern import Simulation

_CHUNK = 256


@dataclass(frozen=True)
class GreyDataset:
    """Grey images and what they show.

    Attributes
    ----------
    images
        Float32 tensor (N, H, W) in [0, 1]. 25,000 of 128 x 128 pixels take 1.6 GB.
    particles
        The N particles.
    simulation
        How they were simulated.
    """

    images: torch.Tensor
    particles: Particles
    simulation: Simulation

    def __len__(self) -> int:
        """The number of images."""
        return len(self.images)

    def part(self, rows: slice) -> GreyDataset:
        """Some of the images, without a copy."""
        return GreyDataset(self.images[rows], self.particles[rows], self.simulation)


def read_grey(path: Path, floor_decades: float) -> GreyDataset:
    """Read a dataset of this toolkit's layout and scale its intensities to grey values.

    Parameters
    ----------
    path
        Of the HDF5 file.
    floor_decades
        Decades of intensity between black and white.

    Raises
    ------
    ParameterError
        If the file cannot be used.
    """
    with open_patterns(path) as patterns:
        if len(patterns) == 0:
            raise ParameterError("dataset", f"{path} with 0 patterns", "one pattern or more")
        if patterns.scale != "linear":
            raise ParameterError(
                "dataset",
                f"{path} of scale {patterns.scale}",
                "linear intensities, as `msft generate` writes them",
            )
        images = torch.empty((len(patterns), patterns.pixels, patterns.pixels))
        for start in range(0, len(patterns), _CHUNK):
            rows = slice(start, start + _CHUNK)
            values = torch.from_numpy(patterns.patterns(rows))
            images[rows] = log_scale(values, floor_decades)
        return GreyDataset(images, patterns.particles, patterns.simulation)
