"""Blur: limited detector resolution, and pixels read from the wrong place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn.functional import pad

from augment.fields import draw_seeds, uniform_pixels
from augment.filter import Filter, Parameters
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
        height, width = images.shape[1:]
        down = _gaussian_matrices(parameters["sigma"], height).to(images.device)
        across = down if width == height else _gaussian_matrices(parameters["sigma"], width).to(images.device)
        blurred = torch.empty_like(images)
        # One product per image, of tensors that begin their own memory: how a batched product rounds, or one
        # that begins elsewhere, depends on what is beside the image.
        for result, image, rows, columns in zip(blurred, images, down, across, strict=True):
            result.copy_(rows.clone() @ image.clone() @ columns.T.clone())
        # a mean does not exceed the largest value, but its rounding may
        return blurred.minimum(images.amax(dim=(1, 2), keepdim=True))


def _gaussian_matrices(sigma: torch.Tensor, length: int) -> torch.Tensor:
    """Return the matrices that blur an axis by each sigma: (B,) to float32 (B, length, length)."""
    reach = max(length, math.ceil(_CUT * float(sigma.amax() if len(sigma) else 0.0)) + 1)
    offsets = torch.arange(reach)
    wide = sigma.double().clamp_min(_NARROWEST)[:, None]
    taps = torch.exp(-0.5 * (offsets / wide) ** 2).where(offsets <= (_CUT * wide).ceil(), 0.0)
    taps /= 2.0 * taps.sum(dim=1, keepdim=True) - taps[:, :1]
    # the outermost pixels go on beyond the edges: theirs is the weight of everything out there
    beyond = taps.flip(1).cumsum(1).flip(1)[:, :length].float()
    side = taps[:, :length].float()
    matrices = torch.cat([side.flip(1), side[:, 1:]], dim=1).unfold(1, length, 1).flip(1).contiguous()
    matrices[:, :, 0] = beyond
    matrices[:, :, -1] = beyond.flip(1)
    return matrices if length > 1 else torch.ones_like(matrices)


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
        around = pad(images[:, None], (self.reach,) * 4, mode="replicate").flatten(1)
        stride = width + 2 * self.reach
        rows = torch.arange(height, dtype=torch.int32, device=images.device)[:, None] * stride
        corner = (rows + torch.arange(width, dtype=torch.int32, device=images.device)).flatten()
        pixels = uniform_pixels(parameters["seed"], (height * width,), images.device)
        moved = torch.empty_like(images)
        # one image at a time stays in the cache
        for k, reach in enumerate(parameters["reach"].tolist()):
            # every displacement has a number; the table says how far in memory it leads from the corner
            side = torch.arange(2 * reach + 1, dtype=torch.int32, device=images.device) + self.reach - reach
            table = (side[:, None] * stride + side).flatten()
            # rounding of a value just below 1 must not give one displacement too many
            number = pixels[k].mul_(len(table)).int().clamp_(max=len(table) - 1)
            source = table.index_select(0, number).add_(corner)
            moved[k] = around[k].index_select(0, source).reshape(height, width)
        return moved
