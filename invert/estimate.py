"""What every inverter returns: particles with uncertainty, agreement and provenance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from invert.quality import Signs
from msft.particle import Particles

FLAGS = {
    "radius_outside_training": 1,
    "poor_agreement": 2,
    "no_signal": 4,
    "ambiguous": 8,
    "radius_on_bound": 16,
    "not_explained": 32,
    "unreadable": 64,
    "beam_on_bound": 128,
    "not_refined": 256,
    "uncertain": 512,
}
"""Bits of `Estimates.flags`."""

FLAG_MEANINGS = {
    "radius_outside_training": "the network answers a radius that it was not trained on",
    "poor_agreement": "the re-simulated pattern correlates badly with the frame",
    "no_signal": "nothing in the frame can be compared; the particle means nothing",
    "ambiguous": "a different particle explains the frame almost as well: the alternative",
    "radius_on_bound": "the fitted radius lies at the end of the range that it was looked for in",
    "not_explained": "the score is low: no particle explains the frame",
    "unreadable": "the file did not give the frame; the particle means nothing",
    "beam_on_bound": "the beam lies as far off as it was looked for",
    "not_refined": "nothing could be fitted, the network's own answer stands",
    "uncertain": "the radius is no surer than one drawn from the range of the training",
}
"""What each of `FLAGS` says; docs/predictions.md has the thresholds."""

POOR_AGREEMENT, POOR_FIT = 0.56, 0.76
"""Correlation of the log patterns below which a network's estimate, and one that was fitted, is flagged. Of
simulated frames of the preset `experiment` 98 of 100 lie above 0.59 and 0.83 (benchmarks/quality.py, 180
icosahedra); measured ones agree less, and those of Barke et al. with a beam that is held 0.78."""


@dataclass(frozen=True)
class Alternatives:
    """A second particle for each of N frames, distinct from the first; NaN where none is known.

    Only fits look for them. For small particles two orientations can fit almost equally well.

    Attributes
    ----------
    radius
        In nm, shape (N,).
    orientation
        In the fundamental domain, shape (N, 4).
    agreement
        As of the first, shape (N,).
    bodies
        Names of the bodies, shape (N,); empty where no particle is known.
    """

    radius: NDArray[np.float64]
    orientation: NDArray[np.float64]
    agreement: NDArray[np.float64]
    bodies: NDArray[np.str_]

    @classmethod
    def none(cls, count: int) -> Alternatives:
        """No alternative for any of the frames."""
        unknown = np.full((count, 4), np.nan)
        return cls(np.full(count, np.nan), unknown, np.full(count, np.nan), np.full(count, ""))


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
    beam
        Where the beam meets the detector, in pixels (row, column) from its centre, shape (N, 2).
    alternatives
        What explains the frames almost as well.
    flags
        Bits of `FLAGS`, uint32, shape (N,).
    patterns_used
        Patterns that were simulated for each frame, int64, shape (N,).
    frames
        Number of each frame in its source, int64, shape (N,).
    score
        From 0 to 1, how likely a particle explains the frame at all, shape (N,); see `invert.quality`. None
        where no network was asked.
    signs
        What the score was made from.
    """

    particles: Particles
    radius_sigma: NDArray[np.float64]
    orientation_sigma: NDArray[np.float64]
    agreement: NDArray[np.float64]
    beam: NDArray[np.float64]
    alternatives: Alternatives
    flags: NDArray[np.uint32]
    patterns_used: NDArray[np.int64]
    frames: NDArray[np.int64]
    score: NDArray[np.float64] | None = None
    signs: Signs | None = None

    def __len__(self) -> int:
        """The number of frames."""
        return len(self.frames)

    @property
    def quaternions(self) -> Any:
        """The orientations as an array of numpy-quaternion, shape (N,)."""
        import quaternion

        return quaternion.as_quat_array(self.particles.orientation)


@dataclass(frozen=True)
class Inversion:
    """Estimates with the images that let a user believe them.

    Attributes
    ----------
    estimates
        Of the N frames.
    measured, resimulated
        Grey images in [0, 1], float32, shape (N, H, W).
    valid
        Pixels that were compared, bool, shape (N, H, W).
    alone
        What a network estimated, where forward fitting has polished it.
    """

    estimates: Estimates
    measured: NDArray[np.float32]
    resimulated: NDArray[np.float32]
    valid: NDArray[np.bool_]
    alone: Estimates | None = None


def flag_names(flags: int) -> list[str]:
    """Names of the bits that are set."""
    return [name for name, bit in FLAGS.items() if flags & bit]
