"""Shift: a beam that does not hit the detector where it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import pad

from augment.compiled import on_processor
from augment.filter import Filter, Parameters
from augment.ranges import check_count


@dataclass(frozen=True)
class Shift(Filter):
    """Move the image by whole pixels.

    Parameters
    ----------
    reach
        Largest shift in whole pixels, either way along each axis.
    hides
        Whether what comes in from outside is 0 and counts as not measured. Otherwise the light goes on there
        as bright as in the outermost pixels, and is measured.

    Raises
    ------
    ParameterError
        The reach is negative or not a whole number.

    Notes
    -----
    Source: Stielow et al. 2020, appendix D; the paper gives no range.
    """

    reach: int = 5
    hides: bool = True

    moves_or_hides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_count("reach", self.reach)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `dy` and `dx` in pixels, positive to higher rows and columns; see `Filter.sample`."""
        moves = torch.randint(-self.reach, self.reach + 1, (2, count), generator=generator)
        return {"dy": moves[0], "dx": moves[1]}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        if on_processor(images):
            from augment.compiled import shift as compiled

            return compiled.shifted(images, parameters["dy"], parameters["dx"], self.hides)
        count, height, width = images.shape
        mode = "constant" if self.hides else "replicate"
        around = pad(images[:, None], (self.reach,) * 4, mode).flatten()
        # every row that is to come is one stretch of this memory: where it begins, and all that there are
        stride, rows = width + 2 * self.reach, height + 2 * self.reach
        first = torch.arange(count) * (rows * stride) + (self.reach - parameters["dy"]) * stride
        first += self.reach - parameters["dx"]
        begin = first.to(images.device, non_blocking=True)[:, None]
        begin = begin + torch.arange(height, device=images.device) * stride
        stretches = around.as_strided((max(len(around) - width + 1, 0), width), (1, 1))
        return stretches.index_select(0, begin.flatten()).reshape(images.shape)

    def _cover(self, measured: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return super()._cover(measured, parameters) if self.hides else measured
