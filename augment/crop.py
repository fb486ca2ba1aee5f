"""Crops: a detector of limited size, centred on the beam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.filter import Filter, Parameters, per_image
from augment.grid import beam_offsets
from augment.hidden import hide
from augment.ranges import Range, check_number, check_range, draw


@dataclass(frozen=True)
class CenterCrop(Filter):
    """Set everything outside a rectangle or a circle around the beam to 0; the image keeps its size.

    Parameters
    ----------
    margin
        Range of what a rectangle cuts off at each side, as a fraction of the height or width, within
        [0, 0.5]; drawn for the two axes independently.
    radius
        Range of the radius of a circle as a fraction of the width, >= 0.
    circle_probability
        Probability of a circle rather than a rectangle.

    Raises
    ------
    ParameterError
        A range or the probability is not as described.

    Notes
    -----
    Source: Stielow et al. 2020, appendix D: for a detector of limited size; the paper gives no
    ranges.
    """

    margin: Range = (0.0, 0.25)
    radius: Range = (0.25, 0.5)
    circle_probability: float = 0.5

    moves_or_hides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("margin", self.margin, highest=0.5)
        check_range("radius", self.radius)
        check_number("circle_probability", self.circle_probability, 0.0, 1.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw the pixels kept: distances up to `half_height`, `half_width`, `radius`; see `Filter.sample`.

        Of the two shapes, the one that an image does not get is drawn too large to cut anything off.
        """
        height, width = size
        circle = torch.rand(count, generator=generator) < self.circle_probability
        margins = draw(self.margin, (count, 2), generator) * torch.tensor(size)
        half = (torch.tensor(size) // 2 - margins.floor().long()).clamp_min_(0)
        half[circle] = torch.tensor(size)
        radius = draw(self.radius, (count,), generator) * width
        radius[~circle] = height + width
        return {"half_height": half[:, 0].clone(), "half_width": half[:, 1].clone(), "radius": radius}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        rows, columns = beam_offsets(images)
        half_height, half_width = (
            per_image(parameters[name], images) for name in ("half_height", "half_width")
        )
        return hide(
            images,
            0.0,
            rows=rows.abs() <= half_height,
            columns=columns.abs() <= half_width,
            within=parameters["radius"],
        )
