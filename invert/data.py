"""Datasets as the intensities and particles that training and evaluation use, in memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

from augment.files import check_linear
from msft.dataset import PatternFile, open_patterns, read_recipe
from msft.errors import ParameterError
from msft.particle import Particles
from msft.pattern import Simulation
from msft.shots import Recipe

_CHUNK = 256


@dataclass(frozen=True)
class PatternDataset:
    """Patterns and what they show.

    Attributes
    ----------
    intensity
        Linear intensity, float32 tensor (N, H, W). 25,000 of 128 x 128 pixels take 1.6 GB. A recording
        (`augment.presets.recording_named`) makes grey images of it.
    particles
        The N particles.
    simulation
        How they were simulated.
    recipe
        What they were generated from, if that is known.
    """

    intensity: torch.Tensor
    particles: Particles
    simulation: Simulation
    recipe: Recipe | None = None

    def __len__(self) -> int:
        """The number of patterns."""
        return len(self.intensity)

    def part(self, rows: slice) -> PatternDataset:
        """Some of the patterns, without a copy."""
        return PatternDataset(self.intensity[rows], self.particles[rows], self.simulation, self.recipe)


def read_dataset(path: Path) -> PatternDataset:
    """Read a dataset of this toolkit's layout.

    Parameters
    ----------
    path
        Of the HDF5 file.

    Raises
    ------
    ParameterError
        If the file cannot be used.
    """
    with open_patterns(path) as patterns:
        check_linear(patterns)
        intensity = torch.empty((len(patterns), patterns.pixels, patterns.pixels))
        for start in range(0, len(patterns), _CHUNK):
            rows = slice(start, start + _CHUNK)
            intensity[rows] = torch.from_numpy(patterns.patterns(rows))
            finite = torch.isfinite(intensity[rows]).all(dim=(1, 2))
            if not finite.all():
                number = start + int(finite.logical_not().nonzero()[0])
                raise ParameterError("dataset", f"{path} with pattern {number} that is not finite", "numbers")
        return PatternDataset(intensity, patterns.particles, patterns.simulation, _recipe(patterns))


def _recipe(patterns: PatternFile) -> Recipe | None:
    try:
        return read_recipe(patterns.provenance)
    except (KeyError, ParameterError):  # made by other means
        return None
