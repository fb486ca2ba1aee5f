"""Blur: limited detector resolution, and pixels read from the wrong place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from augment.fields import draw_seeds, uniform_pixels
from augment.filter import Filter, Parameters, per_image
from augment.ranges import Range, check_count, check_range, draw

_CUT = 4.0  # sigmas; less than 1e-4 of a Gaussian lies beyond
_NARROWEST = 1e-3  # pixels; as good as no blur, and no division by zero


@dataclass(frozen=True)
class GaussianBlur(Filter):
    """Convolve with a normalised Gaussian; beyond the edges the outermost pixels go on.

    Parameters
    ----------
    sigma
        Range of the standard deviation in pixels, within [0, 100].

    Raises
    ------
    ParameterError
        The range is not one within [0, 100].

    Notes
    -----
    Source: Stielow et al. 2020, appendix D: a kernel of up to five pixels radius, read
    here as the standard deviation.
    """

    sigma: Range = (0.0, 5.0)

    def __post_init__(self) -> None:
        check_range("sigma", self.sigma, highest=100.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `sigma`; see `Filter.sample`."""
        return {"sigma": draw(self.sigma, (count,), generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        # One image at a time stays in the cache, needs no more taps than its own sigma, and is independent of
        # the batch. Sums of shifted copies, not matrix products, whose rounding depends on memory alignment.
        blurred = [
            _blur_rows(_blur_rows(image, taps).T.contiguous(), taps).T
            for image, taps in zip(images, map(_gaussian_taps, parameters["sigma"].tolist()), strict=True)
        ]
        return torch.stack(blurred).clamp_(0.0, 1.0) if blurred else images


def _gaussian_taps(sigma: float) -> list[float]:
    """Return the weights of offsets 0, 1, 2, ...; both sides together sum to 1."""
    sigma = max(sigma, _NARROWEST)
    side = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(1, math.ceil(_CUT * sigma) + 1)]
    total = 1.0 + 2.0 * math.fsum(side)
    return [1.0 / total, *(weight / total for weight in side)]


def _blur_rows(image: torch.Tensor, taps: list[float]) -> torch.Tensor:
    """Convolve each column of an (H, W) image with symmetric taps."""
    height, reach = len(image), len(taps) - 1
    padded = functional.pad(image.T[None], (reach, reach), mode="replicate")[0].T.contiguous()
    total = padded[reach : reach + height] * taps[0]
    for offset, weight in enumerate(taps[1:], start=1):
        below = padded[reach - offset : reach - offset + height]
        above = padded[reach + offset : reach + offset + height]
        total += (below + above) * weight
    return total


@dataclass(frozen=True)
class Jitter(Filter):
    """Read each pixel from a random neighbour, uniform in a square around it; coordinates stop at the edges.

    Parameters
    ----------
    reach
        Largest displacement along each axis in whole pixels. Each image draws its own from 1 to this (0 only
        if this is 0).

    Raises
    ------
    ParameterError
        The reach is negative or not a whole number.

    Notes
    -----
    Source: the "jitter distortion" of Stielow et al. 2020, appendix D; the paper gives no range.
    """

    reach: int = 3

    def __post_init__(self) -> None:
        check_count("reach", self.reach)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `reach` in pixels and the `seed` of the displacements; see `Filter.sample`."""
        reach = torch.randint(min(1, self.reach), self.reach + 1, (count,), generator=generator)
        return {"reach": reach, "seed": draw_seeds(count, generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        count, height, width = images.shape
        reach = per_image(parameters["reach"], images)[:, None]
        pixels = uniform_pixels(parameters["seed"], (2, height, width), images.device)
        # Rounding of a value just below 1 must not give one displacement too many.
        moved = torch.minimum((pixels * (2 * reach + 1)).long() - reach, reach)
        rows = (moved[:, 0] + torch.arange(height, device=images.device)[:, None]).clamp_(0, height - 1)
        columns = (moved[:, 1] + torch.arange(width, device=images.device)).clamp_(0, width - 1)
        source = (rows * width + columns).reshape(count, height * width)
        return images.reshape(count, height * width).gather(1, source).reshape(images.shape)
