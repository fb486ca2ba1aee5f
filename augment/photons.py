"""Photon statistics of linear intensity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.compiled import on_processor
from augment.fields import draw_seeds, poisson_pixels, poisson_tables
from augment.filter import Filter, Parameters, per_image
from augment.ranges import Range, check_range, draw, draw_logarithm


@dataclass(frozen=True)
class PhotonStatistics(Filter):
    """Linear intensity to the photons that arrive: Poisson counts, with some stray light among them.

    Parameters
    ----------
    photons
        Range of the number of photons expected in the whole image, within [1, 1e12]; drawn uniformly in its
        logarithm. Within a `Recording` the image is what the detector sees.
    stray
        Range of the stray photons expected in each pixel, within [0, 1e6], the same over the image.

    Raises
    ------
    ParameterError
        A range is not as described.

    Notes
    -----
    Source: photon noise and background of Stielow et al. 2020, section 2 and appendix B, without numbers.
    """

    photons: Range = (1e5, 1e8)
    stray: Range = (0.0, 1.0)

    from_intensity: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("photons", self.photons, lowest=1.0, highest=1e12)
        check_range("stray", self.stray, highest=1e6)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `photons`, `stray` and the `seed` of the counts; see `Filter.sample`."""
        return {
            "photons": draw_logarithm(self.photons, (count,), generator),
            "stray": draw(self.stray, (count,), generator),
            "seed": draw_seeds(count, generator),
        }

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        if on_processor(images):
            from augment.compiled import fields as compiled

            counts = compiled.photon_pixels(
                parameters["seed"],
                images.flatten(1),
                parameters["photons"],
                parameters["stray"],
                *poisson_tables(images.device),
            )
            return counts.view(images.shape)
        # first to the maximum, so that no sum of large numbers overflows
        peak = images.amax(dim=(1, 2), keepdim=True)
        light = images / peak.where(peak > 0.0, 1.0)
        total = light.sum(dim=2, keepdim=True).sum(dim=1, keepdim=True).clamp_min_(1.0)
        rates = light.mul_(per_image(parameters["photons"], images) / total)
        return poisson_pixels(parameters["seed"], rates.add_(per_image(parameters["stray"], images)))
