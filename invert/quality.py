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
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from invert.contrast import above_zero
from msft.particle import Particles

FloatArray = NDArray[np.float64]

RING = 0.5
"""Width in pixels of the rings that a frame is averaged over."""

ROUNDING = 1e-6
"""Of the largest value of a frame: less than that is no difference."""

MARGIN = 0.02
"""How far beyond the range of a training a radius may lie, in units of the range."""

CALM = -1.0
"""Answers that turn with the frame better than so are alike."""


@dataclass(frozen=True)
class Signs:
    """What speaks for and against each of N frames, shapes (N,).

    Attributes
    ----------
    agreement
        Correlation with the re-simulated pattern.
    roundness
        Correlation with the frame's own mean over rings around the beam.
    restlessness
        How far the answers to the frame in several symmetries of the square are apart, by what is usual for
        the network; see `invert.model.Answers`.
    smoothness
        Correlation of neighbouring pixels: what noise destroys.
    fringes
        Of two particles at once; see `invert.fringes`.
    """

    agreement: FloatArray
    roundness: FloatArray
    restlessness: FloatArray
    smoothness: FloatArray
    fringes: FloatArray

    def columns(self) -> FloatArray:
        """As the score takes them, shape (N, 6), the last one constant."""
        restlessness = np.maximum(self.restlessness, CALM)
        ones = np.ones_like(self.agreement)
        signs = [self.agreement, self.roundness, restlessness, self.smoothness, self.fringes, ones]
        return np.stack(signs, axis=1)


def joined(parts: Sequence[Signs]) -> Signs:
    """The signs of several batches of frames as one."""
    return Signs(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Signs)))


NETWORK = (17.06, -4.06, -1.74, -11.26, -2.29, 2.65)
REFINED = (31.49, -3.83, -1.47, -24.13, -2.59, -1.14)
"""Weights of the signs, for the network's own answers and for polished ones, fitted to what the weights that
ship and a network of the preset `quick` said. The last of `NETWORK` is 1 less than fitted, and that of
`REFINED` 1.4 more: answers to measured frames are more restless than those to simulated ones. Both are older
than the fit in benchmarks/records/quality.json, `REFINED` than the spread of light in all fits. That fit
flags more of the others, but only while it flags measured icosahedra, too; moved to where these pass, it
flags no more."""

LEAST_AGREEMENT = 0.3
"""A pattern that correlates less with the frame explains nothing, whatever the other signs say: small
networks can be calmer about noise than about what they know."""

LEAST_SCORE = 0.15
"""Frames below are flagged ``not_explained``. Chosen with the measured frames of Barke et al. in sight: with
the weights that ship their two icosahedra have 0.25 and 0.26, their six other clusters at most 0.11; after
polishing 0.20 and 0.30, and at most 0.02."""


def score(signs: Signs, weights: tuple[float, ...] = NETWORK) -> FloatArray:
    """Odds, as a number from 0 to 1, that a particle explains each frame, if half of the frames are such.

    Parameters
    ----------
    signs
        Of N frames.
    weights
        Of the columns of `Signs.columns`: `NETWORK`, or `REFINED` for polished answers.

    Returns
    -------
    Float64 array (N,); 0 where the agreement is below `LEAST_AGREEMENT`.
    """
    return odds(signs.columns(), np.asarray(weights))


def odds(columns: FloatArray, weights: FloatArray) -> FloatArray:
    """The score of signs as `Signs.columns` gives them."""
    return np.where(columns[:, 0] < LEAST_AGREEMENT, 0.0, 1 / (1 + np.exp(-(columns @ weights))))


def polished(signs: Signs, agreement: FloatArray) -> FloatArray:
    """The scores once forward fitting has reached an agreement (N,)."""
    return score(replace(signs, agreement=agreement), REFINED)


def roundness(grey: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Correlation of frames with their means over rings around pixel [n/2, n/2], shape (N,).

    Parameters
    ----------
    grey, weight
        Frames (N, H, W), and 1 where a pixel counts, 0 elsewhere, float32.
    """
    ring, count = _rings(*grey.shape[1:], grey.device)
    seen, weight = _from_mean(grey, weight).flatten(1), weight.flatten(1)
    sums, pixels = (
        grey.new_zeros((len(grey), count)).scatter_add_(1, ring.expand_as(part), part)
        for part in (seen, weight)
    )
    # what the means explain of the variance is the square of their correlation with the frame
    means = torch.linalg.vecdot(sums, sums / pixels.clamp_min(1.0))
    result: torch.Tensor = (means / above_zero(torch.linalg.vecdot(seen, seen))).sqrt()
    return result


def smoothness(grey: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Correlation of horizontal neighbours in frames, shape (N,); see `roundness`."""
    both = weight[:, :, 1:] * weight[:, :, :-1]
    seen = _from_mean(grey, weight)
    right, left = (
        _from_mean(part, both).flatten(1) for part in (seen[:, :, 1:] * both, seen[:, :, :-1] * both)
    )
    norm = torch.linalg.vecdot(right, right) * torch.linalg.vecdot(left, left)
    result: torch.Tensor = torch.linalg.vecdot(right, left) / above_zero(norm.sqrt())
    return result


def _from_mean(images: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Images (N, H, W) less the mean of those pixels that count, and 0 in the others.

    Of a constant image nothing is left, however it was rounded.
    """
    seen = images * weight
    mean = seen.sum(dim=(1, 2), keepdim=True) / weight.sum(dim=(1, 2), keepdim=True).clamp_min(1.0)
    least = ROUNDING * seen.abs().amax(dim=(1, 2), keepdim=True)
    seen = seen.sub_(mean * weight)
    return seen * (seen.abs().amax(dim=(1, 2), keepdim=True) > least)


@lru_cache(maxsize=4)
def _rings(rows: int, columns: int, device: torch.device) -> tuple[torch.Tensor, int]:
    """The ring of each pixel, int64 (rows * columns,), and how many there are."""
    row, column = (torch.arange(length) - length // 2 for length in (rows, columns))
    distance = torch.hypot(row[:, None].double(), column[None, :].double())
    ring = (distance / RING).round().long().ravel()
    return ring.to(device), int(ring.max()) + 1


def outside(particles: Particles, radius_range: tuple[float, float]) -> NDArray[np.bool_]:
    """Which radii (N,) in nm lie outside of the range of a training by more than `MARGIN`, bool (N,)."""
    low, high = radius_range
    reach = MARGIN * (high - low)
    return np.asarray((particles.radius < low - reach) | (particles.radius > high + reach))
