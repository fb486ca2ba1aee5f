"""Blur: limited detector resolution, and pixels read from the wrong place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from augment.compiled import on_processor
from augment.fields import draw_seeds, random_words
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
        if on_processor(images):
            from augment.compiled import blur as compiled

            return compiled.blurred(images, *_gaussian_taps(parameters["sigma"]))
        return _blurred_together(images, parameters["sigma"])


def _blurred_together(images: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Return each image convolved with its own Gaussian, all of them together."""
    # the widest first: every neighbour that fewer images need costs less
    order = sigma.argsort(descending=True)
    taps, reach = _gaussian_taps(sigma[order])
    needed = (torch.arange(1, taps.shape[1])[:, None] <= reach).sum(dim=1).tolist()
    sorted_images = images.index_select(0, order.to(images.device, non_blocking=True))
    weights = taps.T.to(images.device, non_blocking=True)[:, :, None, None]
    blurred = _weighted(_weighted(sorted_images, weights, needed, axis=1), weights, needed, axis=2)
    # a mean does not exceed the largest value, but its rounding may
    blurred = blurred.minimum(sorted_images.amax(dim=(1, 2), keepdim=True))
    return blurred.index_select(0, order.argsort().to(images.device, non_blocking=True))


def _gaussian_taps(sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights of the pixels at distance 0, 1, ... on one side, and the largest that counts.

    Parameters
    ----------
    sigma
        In pixels: float32, shape (B,), on the CPU.

    Returns
    -------
    tuple of torch.Tensor and torch.Tensor
        float32, shape (B, distances), 0 beyond the cut; int64, shape (B,).
    """
    wide = sigma.double().clamp_min(_NARROWEST)[:, None]
    reach = (_CUT * wide).ceil().long()
    distance = torch.arange(int(reach.amax()) + 1 if len(reach) else 1)
    taps = torch.exp(-0.5 * (distance / wide).square()).where(distance <= reach, 0.0)
    taps /= 2.0 * taps.sum(dim=1, keepdim=True) - taps[:, :1]
    return taps.float(), reach[:, 0]


def _weighted(images: torch.Tensor, weights: torch.Tensor, needed: list[int], axis: int) -> torch.Tensor:
    """Return sums of each pixel and its neighbours along an axis, each image with its own symmetric weights.

    Neighbour by neighbour. A product of matrices for each image takes longer, and a batched one rounds in
    another way beside other images.
    """
    reach, length = len(needed), images.shape[axis]
    ends = (0, 0, reach, reach) if axis == 1 else (reach, reach, 0, 0)
    around = pad(images[:, None], ends, mode="replicate")[:, 0]
    total, both = images * weights[0], torch.empty_like(images)
    for distance, count in enumerate(needed, start=1):
        before, after = (around[:count].narrow(axis, reach + side * distance, length) for side in (-1, 1))
        total[:count].addcmul_(torch.add(before, after, out=both[:count]), weights[distance, :count])
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
        height, width = images.shape[1:]
        around = pad(images[:, None], (self.reach,) * 4, mode="replicate")
        # the halves of a word are the displacements along the two axes, as fractions of what is allowed
        words = random_words(parameters["seed"], (height, width), images.device)
        reach = per_image(parameters["reach"].int(), images)
        side = 2 * reach + 1
        down = (words >> 16).add_(1 << 15).mul_(side).bitwise_right_shift_(16).sub_(reach)
        across = words.bitwise_and_(0xFFFF).mul_(side).bitwise_right_shift_(16).sub_(reach)
        stride, rows = width + 2 * self.reach, height + 2 * self.reach
        # places in the memory of all images; small numbers are read faster
        kind = torch.int32 if around.numel() < 2**31 else torch.int64
        image, row, column = (
            torch.arange(length, dtype=kind, device=images.device) for length in images.shape
        )
        corner = (image * rows)[:, None, None] + (row + self.reach)[:, None]
        corner = corner * stride + column + self.reach
        source = corner.add_(down.mul_(stride)).add_(across)
        return around.flatten().index_select(0, source.flatten()).reshape(images.shape)
