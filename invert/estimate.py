"""What every inverter returns: particles with uncertainty, agreement and provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.particle import Particles

FLAGS = {
    "radius_outside_training": 1,
    "poor_agreement": 2,
    "no_signal": 4,
}
"""Bits of `Estimates.flags`."""

POOR_AGREEMENT = 0.5
"""Correlation of the log patterns below which an estimate is flagged."""


@dataclass(frozen=True)
class Estimates:
    """The particles that N frames show.

    Attributes
    ----------
    particles
        Radii in nm and orientations in the fundamental domain.
    radius_sigma, orientation_sigma
        Uncertainties in nm and in radians about each axis, shape (N,); NaN where the inverter has none.
    agreement
        Correlation of the measured and the re-simulated log pattern over the valid pixels, shape (N,).
    flags
        Bits of `FLAGS`, uint32, shape (N,).
    patterns_used
        Patterns that were simulated for each frame, int64, shape (N,).
    frames
        Number of each frame in its source, int64, shape (N,).
    """

    particles: Particles
    radius_sigma: NDArray[np.float64]
    orientation_sigma: NDArray[np.float64]
    agreement: NDArray[np.float64]
    flags: NDArray[np.uint32]
    patterns_used: NDArray[np.int64]
    frames: NDArray[np.int64]

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.frames)

    @property
    def quaternions(self) -> Any:
        """The orientations as an array of numpy-quaternion, shape (N,)."""
        import quaternion

        return quaternion.as_quat_array(self.particles.orientation)


def flag_names(flags: int) -> list[str]:
    """Names of the bits that are set."""
    return [name for name, bit in FLAGS.items() if flags & bit]


def correlation(
    first: NDArray[np.float32], second: NDArray[np.float32], valid: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Pearson correlation of images (N, H, W) over their valid pixels; 0 where one of them is constant."""
    result = np.zeros(len(first))
    for index, (a, b, mask) in enumerate(zip(first, second, valid, strict=True)):
        x, y = a[mask].astype(np.float64), b[mask].astype(np.float64)
        if x.size > 1 and x.std() > 0 and y.std() > 0:
            result[index] = np.corrcoef(x, y)[0, 1]
    return result
