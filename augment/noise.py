"""Noise: uniform, salt and pepper, the shot noise of single photons, and that of reading them out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.fields import draw_seeds, normal_pixels, poisson_pixels, uniform_pixels
from augment.filter import Filter, Parameters, per_image
from augment.ranges import Range, check_range, draw, draw_logarithm
from augment.scaling import FLOOR_DECADES, check_decades, linear_scale, log_scale


@dataclass(frozen=True)
class UniformNoise(Filter):
    """Change every pixel by a random margin, uniform in [-amplitude, amplitude], and clip.

    Parameters
    ----------
    amplitude
        Range of the amplitude in grey values, within [0, 1]; 1 is the maximum signal.

    Raises
    ------
    ParameterError
        The range is not one within [0, 1].

    Notes
    -----
    Source: Stielow et al. 2020, appendix D, where the intensity is drawn up to half of the maximum. That the
    margin takes both signs is this package's reading.
    """

    amplitude: Range = (0.0, 0.5)

    def __post_init__(self) -> None:
        check_range("amplitude", self.amplitude, highest=1.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `amplitude` and the `seed` of the pixels; see `Filter.sample`."""
        return {"amplitude": draw(self.amplitude, (count,), generator), "seed": draw_seeds(count, generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        pixels = uniform_pixels(parameters["seed"], tuple(images.shape[1:]), images.device)
        margin = pixels.sub_(0.5).mul_(per_image(2.0 * parameters["amplitude"], images))
        return margin.add_(images).clamp_(0.0, 1.0)


@dataclass(frozen=True)
class SaltAndPepper(Filter):
    """Set random pixels to 0 or to 1, with equal chance.

    Parameters
    ----------
    fraction
        Range of the expected fraction of pixels that are set, within [0, 1].

    Raises
    ------
    ParameterError
        The range is not one within [0, 1].

    Notes
    -----
    Source: Stielow et al. 2020, appendix D; the paper gives no range.
    """

    fraction: Range = (0.0, 0.05)

    def __post_init__(self) -> None:
        check_range("fraction", self.fraction, highest=1.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `fraction` and the `seed` of the pixels; see `Filter.sample`."""
        return {"fraction": draw(self.fraction, (count,), generator), "seed": draw_seeds(count, generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        pixels = uniform_pixels(parameters["seed"], tuple(images.shape[1:]), images.device)
        fraction = per_image(parameters["fraction"], images)
        kept = pixels.clone().ge_(fraction)  # 1 or 0
        salt = pixels.ge_(fraction / 2).sub_(kept)
        return salt.addcmul_(images, kept)


@dataclass(frozen=True)
class ShotNoise(Filter):
    """Count single photons: grey values back to linear intensity, Poisson counts, and to grey values again.

    The result is scaled to its own maximum, as a measured pattern would be.

    Parameters
    ----------
    photons
        Range of the expected number of photons in the brightest pixel, within [1, 1e9]; drawn uniformly in
        its logarithm.
    floor_decades
        Decades between the maximum and the floor of the logarithmic grey scale; see `augment.log_scale`.

    Raises
    ------
    ParameterError
        The range is not one within [1, 1e9], or the decades are outside (0, 30].

    Notes
    -----
    Source: the photon noise of Stielow et al. 2020, section 2 and figure 2; the paper gives no photon number.
    """

    photons: Range = (1e3, 1e6)
    floor_decades: float = FLOOR_DECADES

    def __post_init__(self) -> None:
        check_range("photons", self.photons, lowest=1.0, highest=1e9)
        check_decades(self.floor_decades)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `photons` and the `seed` of the counts; see `Filter.sample`."""
        photons = draw_logarithm(self.photons, (count,), generator)
        return {"photons": photons, "seed": draw_seeds(count, generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        linear = linear_scale(images, self.floor_decades)
        peak = linear.amax(dim=(1, 2), keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        rates = linear.div_(peak).mul_(per_image(parameters["photons"], images))
        return log_scale(poisson_pixels(parameters["seed"], rates), self.floor_decades)


@dataclass(frozen=True)
class ReadoutNoise(Filter):
    """Add Gaussian noise of zero mean to counts; some fall below 0, as after dark subtraction.

    Parameters
    ----------
    sigma
        Range of the standard deviation in photons, >= 0.

    Raises
    ------
    ParameterError
        The range is not one of finite numbers >= 0.
    """

    sigma: Range = (0.0, 2.0)

    from_intensity: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("sigma", self.sigma)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `sigma` in photons and the `seed` of the pixels; see `Filter.sample`."""
        return {"sigma": draw(self.sigma, (count,), generator), "seed": draw_seeds(count, generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        pixels = normal_pixels(parameters["seed"], tuple(images.shape[1:]), images.device)
        return torch.addcmul(images, pixels, per_image(parameters["sigma"], images), out=pixels)
