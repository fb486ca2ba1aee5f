"""Synthetic helium images for the classifier's benchmarks: simulated once, recorded as a detector does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import record  # noqa: F401  takes benchmarks/augment.py out of the way of the package
import torch

from augment.hidden import hide
from augment.noise import ReadoutNoise
from augment.photons import PhotonStatistics
from invert.labelling.labels import read_labelled
from msft.configuration import read_toml
from msft.generate import generate
from msft.helium import PRESET
from msft.shots import recipe_of

PHOTONS, STRAY, READOUT = (1e4, 1e6), (0.0, 0.5), (0.0, 1.0)
"""Photons in an image, stray ones in a pixel, standard deviation of the readout."""

HOLE = 0.04
"""Radius of the hole, of the image's width."""


@dataclass(frozen=True)
class Sizes:
    """How large everything is."""

    train: int
    pixels: int
    width: int
    epochs: int
    seeds: int

    @property
    def chosen(self) -> int:
        """Images that choose the weights."""
        return max(40, self.train // 6)

    @property
    def test(self) -> int:
        """Images that judge."""
        return max(100, self.train // 2)


class Images(NamedTuple):
    """Photons counted (N, n, n) and labels (N, 11)."""

    photons: torch.Tensor
    labels: torch.Tensor

    def part(self, rows: slice) -> Images:
        """Some of them."""
        return Images(self.photons[rows], self.labels[rows])


class Data(NamedTuple):
    """What is learned from, what chooses the weights, what judges."""

    train: Images
    chosen: Images
    test: Images


def data(folder: Path, sizes: Sizes) -> Data:
    """Images of the preset, simulated unless they are there, and recorded."""
    count = sizes.train + sizes.chosen + sizes.test
    path = folder / f"helium_{count}_{sizes.pixels}.h5"
    if not path.exists():
        table = read_toml(PRESET)
        detector = table["detector"]
        scale = detector["pixels"] / sizes.pixels
        detector.update(pixels=sizes.pixels, pixel_size=detector["pixel_size"] * scale)
        started = time.perf_counter()
        recipe = recipe_of(table, seed=1)
        generate(path, count, recipe.seed, recipe.distribution, recipe.simulation, recipe.uncertainty)
        print(f"simulated {count} images in {time.perf_counter() - started:.0f} s", flush=True)
    labelled = read_labelled(path)
    images = Images(
        detected(torch.from_numpy(labelled.frames.images)), torch.from_numpy(labelled.labels).float()
    )
    first, second = sizes.train, sizes.train + sizes.chosen
    return Data(
        images.part(slice(first)), images.part(slice(first, second)), images.part(slice(second, None))
    )


def detected(intensity: torch.Tensor) -> torch.Tensor:
    """Photons as a detector counts them; what falls below 0 in the readout is dark."""
    generator = torch.Generator().manual_seed(1)
    photons, _ = PhotonStatistics(PHOTONS, STRAY)(intensity, generator)
    photons, _ = ReadoutNoise(READOUT)(photons, generator)
    hole = torch.full((len(photons),), HOLE * photons.shape[-1])
    return hide(photons, 0.0, beyond=hole).clamp_(min=0.0)
