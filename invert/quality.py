"""Whether a frame shows what the network was trained on: a score from five signs that need no truth.

A network answers whatever it is shown. Frames that no particle explains give themselves away: the simulated
pattern agrees badly; rings around the beam explain the frame better than the particle does; the answer does
not turn with the frame; and there are fringes finer than the particle makes. How much each sign weighs is
fitted by benchmarks/quality.py to frames of the preset `experiment`: icosahedra against spheres, spheroids,
two particles at once, other polyhedra, halos and noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from msft.particle import Particles

FloatArray = NDArray[np.float64]
Images = NDArray[np.float32]
Masks = NDArray[np.bool_]

RING = 0.5
"""Width in pixels of the rings that a frame is averaged over."""

SMALLEST_SPREAD = 0.1
"""Degrees; smaller ones are alike."""


@dataclass(frozen=True)
class Signs:
    """What speaks for and against each of N frames, shapes (N,).

    Attributes
    ----------
    agreement
        Correlation with the re-simulated pattern.
    roundness
        Correlation with the frame's own mean over rings around the beam.
    spread_degrees
        How far the answers to the frame in several symmetries of the square are apart.
    smoothness
        Correlation of neighbouring pixels: what noise destroys.
    fringes
        Of two particles at once; see `invert.fringes`.
    """

    agreement: FloatArray
    roundness: FloatArray
    spread_degrees: FloatArray
    smoothness: FloatArray
    fringes: FloatArray

    def columns(self) -> FloatArray:
        """As the score takes them, shape (N, 6), the last one constant."""
        spread = np.log10(np.maximum(self.spread_degrees, SMALLEST_SPREAD))
        ones = np.ones_like(self.agreement)
        signs = [self.agreement, self.roundness, spread, self.smoothness, self.fringes, ones]
        return np.stack(signs, axis=1)


def joined(parts: Sequence[Signs]) -> Signs:
    """The signs of several batches of frames as one."""
    return Signs(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Signs)))


NETWORK = (16.21, -7.34, -8.33, -7.99, -1.92, 3.08)
REFINED = (29.49, -5.32, -4.66, -19.28, -2.01, -4.87)
"""Weights of the signs, for the network's own answers and for polished ones."""

LEAST_SCORE = 0.15
"""Frames below are flagged ``not_explained``. Chosen with the measured frames of Barke et al. in sight: after
polishing, their two icosahedra have 0.31 and 0.27, their six other clusters 0.07 and less."""


def score(signs: Signs, weights: tuple[float, ...] = NETWORK) -> FloatArray:
    """Odds, as a number from 0 to 1, that a particle explains each frame, if half of the frames are such."""
    return np.asarray(1 / (1 + np.exp(-(signs.columns() @ np.asarray(weights)))))


def polished(signs: Signs, agreement: FloatArray) -> FloatArray:
    """The scores once forward fitting has reached an agreement (N,)."""
    return score(replace(signs, agreement=agreement), REFINED)


def roundness(grey: Images, valid: Masks) -> FloatArray:
    """Correlation of frames (N, H, W) with their means over rings around pixel [n/2, n/2], shape (N,)."""
    row, column = (np.arange(length) - length // 2 for length in grey.shape[1:])
    ring = np.rint(np.hypot(row[:, None], column[None, :]) / RING).astype(np.int64)
    result = np.zeros(len(grey))
    for index, (image, usable) in enumerate(zip(grey, valid, strict=True)):
        seen, rings = image[usable].astype(np.float64), ring[usable]
        mean = np.bincount(rings, seen) / np.maximum(np.bincount(rings), 1)
        result[index] = _correlation(seen, mean[rings])
    return result


def smoothness(grey: Images, valid: Masks) -> FloatArray:
    """Correlation of horizontal neighbours in frames (N, H, W), shape (N,)."""
    result = np.zeros(len(grey))
    for index, (image, usable) in enumerate(zip(grey, valid, strict=True)):
        both = usable[:, 1:] & usable[:, :-1]
        result[index] = _correlation(
            image[:, 1:][both].astype(np.float64), image[:, :-1][both].astype(np.float64)
        )
    return result


def _correlation(first: FloatArray, second: FloatArray) -> float:
    if first.size < 2:
        return 0.0
    first, second = first - first.mean(), second - second.mean()
    norm = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / norm if norm > 0 else 0.0


def outside(
    particles: Particles, radius_range: tuple[float, float], margin: float = 0.02
) -> NDArray[np.bool_]:
    """Which radii lie further outside of a range than a part of its width."""
    low, high = radius_range
    reach = margin * (high - low)
    return np.asarray((particles.radius < low - reach) | (particles.radius > high + reach))
