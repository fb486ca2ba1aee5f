"""The hole in the centre of the detector, through which the direct beam leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.filter import Filter, Parameters
from augment.hidden import check_hidden, hide
from augment.ranges import Range, check_range, draw


@dataclass(frozen=True)
class CentralHole(Filter):
    """Hide the pixels whose distance to the beam pixel is at most a radius.

    Parameters
    ----------
    radius
        Range of the radius in pixels, >= 0.
    hidden
        What hidden pixels hold: 0, or NaN where the logarithm is still to come.

    Raises
    ------
    ParameterError
        The range is not one of finite numbers >= 0, or hidden pixels cannot hold that value.

    Notes
    -----
    Source: Stielow et al. 2020, appendix D: the shadow of the beam dump; the paper gives no range.
    """

    radius: Range = (0.0, 10.0)
    hidden: float = 0.0

    moves_or_hides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("radius", self.radius)
        check_hidden(self.hidden)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `radius` in pixels; see `Filter.sample`."""
        return {"radius": draw(self.radius, (count,), generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return hide(images, self.hidden, beyond=parameters["radius"])
