"""What a regression learns from: the patterns of a dataset, or new ones that are simulated meanwhile."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch.utils.dlpack import from_dlpack

from invert.beside import backend_beside
from invert.data import PatternDataset
from invert.dihedral import turned_orientations
from invert.targets import Target
from invert.training.trainer import Batch
from msft.backends.choice import Backend
from msft.particle import Particles
from msft.seeding import generator_of
from msft.shots import Recipe
from msft.symmetry import to_fundamental_domain

CPU = torch.device("cpu")


class Stored:
    """Intensities of a dataset with their encoded targets, of each symmetry that a pattern is shown in.

    Parameters
    ----------
    dataset
        Of a centrosymmetric body, if there are symmetries.
    target
        What the particles are encoded as.
    symmetries
        How many; see `invert.dihedral`.
    device
        Where the network learns: on a GPU the patterns lie there if they take a small part of its memory.
    """

    def __init__(
        self, dataset: PatternDataset, target: Target, symmetries: int = 1, device: torch.device = CPU
    ) -> None:
        there = device if _fits(dataset.intensity, device) else CPU
        self.intensity = dataset.intensity.to(there)
        self.numbers = _encoded(target, dataset.particles, symmetries).to(there)

    def __len__(self) -> int:
        """The number of patterns."""
        return len(self.intensity)

    def __getitems__(self, indices: list[int]) -> Batch:
        """Intensities (B, H, W) and numbers (B, symmetries, size)."""
        rows = torch.tensor(indices).to(self.intensity.device, non_blocking=True)
        return self.intensity.index_select(0, rows), self.numbers.index_select(0, rows)


class Fresh:
    """New patterns by the recipe of a dataset: pattern i is simulated when it is asked for.

    Parameters
    ----------
    recipe
        Of the dataset, whose own patterns do not occur again.
    count
        How many there are.
    target
        What the particles are encoded as.
    seed
        Of the training: another seed has other patterns.
    device
        Where the network learns: on a GPU the patterns are computed there and stay.
    """

    def __init__(
        self, recipe: Recipe, count: int, target: Target, seed: int, device: torch.device = CPU
    ) -> None:
        fresh = int(generator_of(recipe.seed, 2**32 - 1, seed).integers(2**62))
        simulation = replace(recipe.simulation, backend=backend_for(recipe, device))
        self.recipe = replace(recipe, seed=fresh, simulation=simulation)
        self.count, self.target = count, target

    def __len__(self) -> int:
        """The number of patterns."""
        return self.count

    def __getitems__(self, indices: list[int]) -> Batch:
        """Intensities (B, H, W) and numbers (B, 1, size)."""
        shots = self.recipe.shots(np.array(indices, dtype=np.int64))
        return from_dlpack(shots.intensity_on_device()), _encoded(self.target, shots.particles)


def _fits(patterns: torch.Tensor, device: torch.device) -> bool:
    """Whether patterns may lie on a device: on a GPU, if they take at most a third of what is free there."""
    return device.type != "cuda" or 3 * patterns.nbytes < torch.cuda.mem_get_info(device)[0]


def backend_for(recipe: Recipe, device: torch.device) -> Backend:
    """The back end for patterns that a network on a device learns from; see `invert.beside`.

    Optics that differ from pattern to pattern are simulated one by one, which a GPU is no good at.
    """
    varying = recipe.uncertainty.varying
    return backend_beside(recipe.simulation, CPU if varying else device)


def _encoded(target: Target, particles: Particles, symmetries: int = 1) -> torch.Tensor:
    """Numbers (N, symmetries, size)."""
    turned = turned_orientations(particles.orientation, symmetries)
    orientation = to_fundamental_domain(turned.reshape(-1, 4))
    numbers = target.encode(np.repeat(particles.radius, symmetries), orientation)
    return torch.from_numpy(np.asarray(numbers, dtype=np.float32)).reshape(len(particles), symmetries, -1)
