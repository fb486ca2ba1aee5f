"""Small labelled images whose labels can be seen: a line through the middle, and a cross, not a block."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

PIXELS = 32
NAMES = ("line", "cross", "never")


def images_and_labels(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Intensities (N, 32, 32) over dim noise, and labels (N, 3) of which the last is never set."""
    generator = np.random.default_rng(seed)
    labels = np.zeros((count, len(NAMES)), dtype=np.uint8)
    labels[:, :2] = generator.random((count, 2)) < 0.4
    images = 0.2 * generator.random((count, PIXELS, PIXELS))
    y, x = np.mgrid[:PIXELS, :PIXELS] - PIXELS // 2
    for image, (line, cross, _) in zip(images, labels, strict=True):
        if line:
            angle = generator.random() * np.pi
            image += np.abs(x * np.sin(angle) - y * np.cos(angle)) < 1
        stamp(image, bool(cross), generator)
    return images.astype(np.float32), labels


def stamp(image: NDArray[np.float64], cross: bool, generator: np.random.Generator) -> tuple[int, int]:
    """Add a cross of 13 bright pixels at a random place, or a block of as many; its row and column."""
    row, column = map(int, generator.integers(4, PIXELS - 4, 2))
    if cross:
        image[row - 3 : row + 4, column] += 2
        image[row, column - 3 : column + 4] += 2
        image[row, column] -= 2
    else:  # so that brightness and contrast say nothing
        image[row - 1 : row + 2, column - 2 : column + 2] += 2
        image[row - 2, column] += 2
    return row, column


def write_labelled(path: Path, images: NDArray[Any], labels: NDArray[Any], names: Any = NAMES) -> Path:
    """A file of images and labels, nothing else."""
    with h5py.File(path, "w") as file:
        file["/entry_1/data_1/data"] = images
        file["/entry_1/sample_1/labels"] = labels
        if names is not None:
            file["/entry_1/sample_1/labels"].attrs["names"] = list(names)
    return path
