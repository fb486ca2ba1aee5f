"""Uniform background noise of linear intensity, in the four levels of Zimmermann et al. 2019, section 5.3."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.fields import draw_seeds, uniform_pixels
from augment.filter import Filter, Parameters, per_image
from augment.ranges import Range, check_range, draw
from msft.errors import ParameterError

LEVELS = ("none", "mean", "mean + std", "maximum")
"""Names of the levels, from the least to the most noise."""


@dataclass(frozen=True)
class Background(Filter):
    """Add to every pixel a number that is uniform between 0 and a bound.

    Parameters
    ----------
    bound
        Range of the bound, >= 0, in the unit of the images; `levels` gives those of the paper.

    Raises
    ------
    ParameterError
        The range is not one of finite numbers >= 0.

    Notes
    -----
    Source: Zimmermann et al. 2019, section 5.3.
    """

    bound: Range

    from_intensity: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("bound", self.bound)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `bound` and the `seed` of the pixels; see `Filter.sample`."""
        return {"bound": draw(self.bound, (count,), generator), "seed": draw_seeds(count, generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        pixels = uniform_pixels(parameters["seed"], tuple(images.shape[1:]), images.device)
        return pixels.mul_(per_image(parameters["bound"], images)).add_(images)


def levels(batches: Iterable[torch.Tensor]) -> dict[str, float]:
    """Bounds of the noise for each of `LEVELS`, from a whole set of images.

    Medians over the images: of their means, the same plus that of their standard deviations, of their maxima.
    One bound serves all images, so they have to be in one unit, such as photons: patterns as the simulation
    gives them differ by orders of magnitude with the size of the particle.

    Parameters
    ----------
    batches
        Linear intensity, shape (B, H, W) each; NaN and infinities do not count.

    Returns
    -------
    One bound per level, 0 for the first.

    Raises
    ------
    ParameterError
        If there is no image with a finite value.
    """
    rows = []
    for images in batches:
        for image in images.double():
            light = image[image.isfinite()]
            if light.numel():
                rows.append(torch.stack([light.mean(), light.std(correction=0), light.max()]))
    if not rows:
        raise ParameterError("images", "none with a finite value", "at least one")
    # the mean of the middle two, where torch.median takes the lower
    mean, std, maximum = torch.stack(rows).quantile(0.5, dim=0).tolist()
    return dict(zip(LEVELS, (0.0, mean, mean + std, maximum), strict=True))
