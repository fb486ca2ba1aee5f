"""Fringes finer than one particle makes: those of two, a distance d apart, have the period 2 pi / d.

A pattern's Fourier transform holds what lies within twice the particle's radius, and a second particle's
interference outside of it. Patterns are whitened first: smaller structure than the fringes' is all that is
left, as strong everywhere.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch

FINE, EVEN, SMOOTH = 0.8, 2.0, 1.0
"""Widths of Gaussians in pixels: of what is subtracted, of the strength that is divided by, and of what the
power is averaged over. With 0.6 to 1, 2 to 3 and 0.7 to 1.5 in their place the ROC's area varied by 0.03."""

WIDEST = 0.6
"""Part of the widest particle's width beyond which fringes count at least: a logarithm's overtones of smaller
particles are no fringes."""

CUT = 4
"""Widths of a Gaussian beyond which it counts as 0."""


def fringes(
    grey: torch.Tensor,
    weight: torch.Tensor,
    radius: torch.Tensor,
    largest_radius: float,
    q_step: float,
) -> torch.Tensor:
    """How strong the strongest period outside of a particle's reach is, beside the strongest inside.

    Parameters
    ----------
    grey, weight
        Frames (N, n, n) in grey values, and 1 where a pixel counts, 0 elsewhere, float32.
    radius
        Of the particles, in nm, shape (N,).
    largest_radius
        Of all particles that are expected, in nm.
    q_step
        Width of a pixel in nm^-1, on the axis.

    Returns
    -------
    Decimal logarithms of the powers' ratios, (N,); 0 where the detector resolves no such period.
    """
    transform = torch.fft.rfft2(_whitened(grey, weight))
    power = (transform * transform.conj()).real.contiguous()
    # periods up and down repeat; of those to the right the rest is the mirror image
    power = _gaussian(_gaussian(power, SMOOTH, 1, "wrap"), SMOOTH, 2, "nearest")
    reach = 2 * radius.clamp_min(WIDEST * largest_radius)
    beyond = (_distances(grey.shape[-1], q_step, grey.device) > reach[:, None, None]).float()
    strongest = (power * beyond).amax(dim=(1, 2))
    ratio = strongest / (power * (1 - beyond)).amax(dim=(1, 2)).clamp_min(1e-30)
    return torch.log10(ratio.clamp_min(1e-6)).masked_fill(ratio == 0, 0.0)


def _whitened(grey: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """What is finer than `FINE`, over its own strength nearby, and 0 beside pixels that do not count."""
    inside = torch.zeros_like(weight)
    rows = weight[:, :-2] * weight[:, 1:-1] * weight[:, 2:]
    inside[:, 1:-1, 1:-1] = rows[:, :, :-2] * rows[:, :, 1:-1] * rows[:, :, 2:]

    def mean(values: torch.Tensor, width: float) -> torch.Tensor:
        above, below = (
            _gaussian(_gaussian(part, width, 1, "reflect"), width, 2, "reflect") for part in (values, inside)
        )
        return above.div_(below.clamp_min_(1e-3))

    fine = mean(grey * inside, FINE).neg_().add_(grey).mul_(inside)
    return fine.mul_(mean(fine.square(), EVEN).add_(1e-12).rsqrt_())


def _gaussian(values: torch.Tensor, width: float, axis: int, edge: str) -> torch.Tensor:
    """Values smoothed along an axis; at its ends they are reflected, repeated, or begin anew ("wrap")."""
    reach, length = int(CUT * width + 0.5), values.shape[axis]
    first, last = values.narrow(axis, 0, reach), values.narrow(axis, length - reach, reach)
    if edge == "reflect":
        ends = first.flip(axis), last.flip(axis)
    elif edge == "wrap":
        ends = last, first
    else:
        ends = first.narrow(axis, 0, 1).expand_as(first), last.narrow(axis, reach - 1, 1).expand_as(last)
    padded = torch.cat([ends[0], values, ends[1]], dim=axis)
    weights = [math.exp(-0.5 * (step / width) ** 2) for step in range(reach + 1)]
    total = 2 * sum(weights) - weights[0]
    result = padded.narrow(axis, reach, length) * (weights[0] / total)
    for step in range(1, reach + 1):
        pair = padded.narrow(axis, reach - step, length) + padded.narrow(axis, reach + step, length)
        result.add_(pair, alpha=weights[step] / total)
    return result


@lru_cache(maxsize=4)
def _distances(pixels: int, q_step: float, device: torch.device) -> torch.Tensor:
    """Distance in nm that each period of a real transform (n, n // 2 + 1) belongs to."""
    down, right = (
        2 * math.pi * frequency(pixels, d=q_step, dtype=torch.float64)
        for frequency in (torch.fft.fftfreq, torch.fft.rfftfreq)
    )
    return torch.hypot(down[:, None], right[None, :]).float().to(device)
