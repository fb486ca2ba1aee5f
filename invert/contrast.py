"""Simulated patterns as frames would show them: with the contrast and offset that no log pattern fixes."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from msft.pattern import Simulation


class Compared(NamedTuple):
    """N frames beside their re-simulated patterns.

    Attributes
    ----------
    agreement
        Correlation of the log patterns over the compared pixels, shape (N,); 0 where there is nothing to
        compare.
    resimulated
        Grey images (N, H, W) in [0, 1] with the frames' contrast and offset.
    """

    agreement: torch.Tensor
    resimulated: torch.Tensor


def with_contrast_of(
    grey: torch.Tensor,
    weight: torch.Tensor,
    intensity: torch.Tensor,
    seeing: torch.Tensor,
    floors: torch.Tensor,
) -> Compared:
    """Simulated patterns with the contrast and the offset of frames, and how well they correlate.

    Parameters
    ----------
    grey, weight
        Frames (N, H, W) in grey values, and 1 where they are compared, 0 elsewhere, float32.
    intensity
        The patterns, float32, shape (N, H, W).
    seeing
        Pixels that see light, bool (H, W), all the compared ones among them; the others stay 0.
    floors
        Decades down to the floors under the logarithm, shape (N,).
    """
    shape, weight = grey.shape, weight.flatten(1)
    light = intensity.flatten(1)
    # the floor is relative to the brightest pixel that was compared, as in the fit
    peak = (light * weight).amax(dim=1, keepdim=True)
    scale = torch.pow(10.0, floors)[:, None] / above_zero(peak)
    log = (torch.minimum(light, peak) * scale).log1p_()
    measured, mean, squares = centred(grey.flatten(1), weight)
    pattern, level, power = centred(log, weight)
    common = torch.linalg.vecdot(measured, pattern)
    contrast = common / above_zero(power)
    image = (log - level[:, None]).mul_(contrast[:, None]).add_(mean[:, None]).clamp_(0.0, 1.0)
    return Compared(common / above_zero(squares * power).sqrt(), image.view(shape) * seeing)


def centred(values: torch.Tensor, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Values (N, P) less their mean where the weight is 1, 0 elsewhere; the mean; and the sum of squares."""
    seen = values * weight
    mean = seen.sum(dim=1) / weight.sum(dim=1).clamp_min(1.0)
    seen = seen.sub_(mean[:, None] * weight)
    return seen, mean, torch.linalg.vecdot(seen, seen)


def above_zero(values: torch.Tensor) -> torch.Tensor:
    """The values, and 1 in place of 0."""
    return values.masked_fill(values == 0, 1.0)


@lru_cache(maxsize=4)
def lit(simulation: Simulation, device: torch.device) -> torch.Tensor:
    """Pixels that see light, bool (n, n), on a device."""
    pixels = simulation.detector.pixels
    result = torch.zeros(pixels * pixels, dtype=torch.bool)
    result[torch.from_numpy(simulation.scattering_vectors().pixel)] = True
    return result.view(pixels, pixels).to(device)
