"""How the detector answers: blind spots, amplification, and saturation of linear intensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.compiled import on_processor
from augment.filter import Filter, Parameters, per_image
from augment.grid import largest_square, squared_distances
from augment.ranges import Range, check_count, check_range, draw
from msft.errors import ParameterError

_NARROWEST = 1e-3  # pixels; a spot of one pixel, and no division by zero


@dataclass(frozen=True)
class UnevenSensitivity(Filter):
    """Attenuate the image around random places by 1 - depth exp(-distance^2 / (2 sigma^2)).

    Parameters
    ----------
    spots
        Largest number of blind spots, >= 1; each image draws its own from 1 to this.
    sigma
        Range of the width of a spot as a fraction of the image width, >= 0.
    depth
        Range of the attenuation in the middle of a spot, within [0, 1]; 1 is blind.

    Raises
    ------
    ParameterError
        A range or the number of spots is not as described.

    Notes
    -----
    Source: Stielow et al. 2020, appendix D: uneven sensitivity, the blind spots of section 2; the
    paper gives no ranges.
    """

    spots: int = 3
    sigma: Range = (0.0, 0.125)
    depth: Range = (0.0, 1.0)

    def __post_init__(self) -> None:
        check_count("spots", self.spots)
        if self.spots < 1:
            raise ParameterError("spots", self.spots, "a whole number >= 1")
        check_range("sigma", self.sigma)
        check_range("depth", self.depth, highest=1.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `y`, `x`, `sigma` in pixels and `depth` of each spot, (count, spots); see `Filter.sample`.

        Spots beyond an image's own number have depth 0.
        """
        height, width = size
        shape = (count, self.spots)
        number = torch.randint(1, self.spots + 1, (count, 1), generator=generator)
        depth = draw(self.depth, shape, generator).where(torch.arange(self.spots) < number, 0.0)
        return {
            "y": draw((0.0, height - 1.0), shape, generator),
            "x": draw((0.0, width - 1.0), shape, generator),
            "sigma": draw(self.sigma, shape, generator) * width,
            "depth": depth,
        }

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        height, width = images.shape[1:]
        y, x, sigma, depth = (
            parameters[name].to(images.device, non_blocking=True)[..., None]
            for name in ("y", "x", "sigma", "depth")
        )
        narrow = sigma.clamp_min(_NARROWEST)
        # A Gaussian is a product over the axes: exponentials of H + W numbers instead of H x W.
        rows, columns = (torch.arange(length, device=images.device) for length in (height, width))
        along_y = depth * torch.exp(-0.5 * ((rows - y) / narrow).square())
        along_x = torch.exp(-0.5 * ((columns - x) / narrow).square())
        if on_processor(images):
            from augment.compiled import response as compiled

            return compiled.attenuated(images, along_y, along_x)
        return _attenuated(images, along_y, along_x)


def _attenuated(images: torch.Tensor, along_y: torch.Tensor, along_x: torch.Tensor) -> torch.Tensor:
    """Return images (B, H, W) without what each spot takes, of factors (B, spots, H) and (B, spots, W)."""
    for spot in range(along_y.shape[1]):
        lost = along_y[:, spot, :, None] * along_x[:, spot, None, :]
        images = torch.addcmul(images, images, lost, value=-1.0, out=lost)
    return images


@dataclass(frozen=True)
class Saturation(Filter):
    """Amplify the grey values and clip them at 1.

    Parameters
    ----------
    gain
        Range of the factor, >= 1.

    Raises
    ------
    ParameterError
        The range is not one of finite numbers >= 1.

    Notes
    -----
    A step of the experiment-like order of Stielow et al. 2020, appendix D; the paper does not list its steps.
    """

    gain: Range = (1.0, 1.5)

    def __post_init__(self) -> None:
        check_range("gain", self.gain, lowest=1.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `gain`; see `Filter.sample`."""
        return {"gain": draw(self.gain, (count,), generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return (images * per_image(parameters["gain"], images)).clamp_(0.0, 1.0)


@dataclass(frozen=True)
class FullWell(Filter):
    """Clip linear intensity at what the brightest pixel outside a halo around the beam holds.

    Parameters
    ----------
    halo
        Range of the radius of the halo in pixels, >= 0: inside it every brighter pixel saturates.

    Raises
    ------
    ParameterError
        The range is not one of finite numbers >= 0.

    Notes
    -----
    A level in photons would leave small particles black and large ones white; a radius gives every pattern
    the saturated halo that measured ones have around their hole.
    """

    halo: Range = (0.0, 14.0)

    from_intensity: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("halo", self.halo)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `halo` in pixels; see `Filter.sample`."""
        return {"halo": draw(self.halo, (count,), generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        if on_processor(images):
            from augment.compiled import response as compiled

            return compiled.clipped(images, squared_distances(images), largest_square(parameters["halo"]))
        outside = squared_distances(images) > largest_square(per_image(parameters["halo"], images))
        level = images.where(outside, 0.0).amax(dim=(1, 2), keepdim=True)
        return images.minimum(level)
