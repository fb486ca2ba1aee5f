"""Frames with pixels that mislead and that no mask names, and what is told and hidden of them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from invert.frames import Reading, open_frames
from msft.detector import EwaldDetector

DEFAULT = EwaldDetector()
HOT = ((20, 30), (90, 100), (0, 127))
TOLD = "frames: pixels [0, 127], [20, 30], [90, 100], 3 in all"
HIDDEN = "; they are hidden, --defects tell lets them count"

ROWS, COLUMNS = np.mgrid[:128, :128] - 64
SEEING = {
    "round": np.hypot(ROWS, COLUMNS) < 50,
    "beside a hole": np.hypot(ROWS, COLUMNS) > 8,
    "window": (abs(ROWS) < 36) & (abs(COLUMNS) < 50),
}
SMALL = {
    "hole": np.hypot(ROWS, COLUMNS) < 3,
    "gap": abs(COLUMNS - 20) < 2,
}


def photons(patterns: NDArray[np.float32], number: float) -> NDArray[np.float32]:
    rates = patterns / patterns.sum(axis=(1, 2), keepdims=True) * number
    return np.asarray(np.random.default_rng(1).poisson(rates), dtype=np.float32)


def warnings_of(
    path: Path, stack: NDArray[np.float32], detector: EwaldDetector = DEFAULT, **options: object
) -> list[str]:
    """What is warned of frames as a model with that detector takes them."""
    with h5py.File(path, "w") as file:
        file["data"] = stack
    with open_frames(path, Reading(**options)) as source:  # type: ignore[arg-type]
        before = len(source.warnings)
        source.doubt(detector, 13.5)
        return source.warnings[before:]


def counted(path: Path, detector: EwaldDetector = DEFAULT, **options: object) -> NDArray[np.bool_]:
    """Which pixels (H, W) of the last frame of a file count, once the frames were looked at."""
    with open_frames(path, Reading(**options)) as source:  # type: ignore[arg-type]
        source.doubt(detector, 13.5)
        return np.asarray(source.read(range(len(source))).valid[-1])


def spoilt(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    stack = counts.copy()
    for row, column in HOT:
        around = stack[:, max(row - 1, 0) : row + 2, column - 1 : column + 2]
        stack[:, row, column] = 10 * around.max() + 19
    return stack
