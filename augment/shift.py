"""Shift: a beam that does not hit the detector where it should."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.filter import Filter, Parameters
from augment.ranges import check_count


@dataclass(frozen=True)
class Shift(Filter):
    """Move the image by whole pixels; what comes in from outside is 0.

    Parameters
    ----------
    reach
        Largest shift in whole pixels, either way along each axis.
    hides
        Whether what comes in from outside counts as not measured, rather than as measured and dark.

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
        count, height, width = images.shape
        rows, valid_rows = _sources(height, parameters["dy"].to(images.device))
        columns, valid_columns = _sources(width, parameters["dx"].to(images.device))
        image = torch.arange(count, device=images.device)[:, None, None]
        moved = images[image, rows[:, :, None], columns[:, None, :]]
        return moved.where(valid_rows[:, :, None] & valid_columns[:, None, :], 0.0)

    def _cover(self, measured: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return super()._cover(measured, parameters) if self.hides else measured


def _sources(length: int, move: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return where each pixel along an axis comes from, and whether that is inside: both (B, length)."""
    source = torch.arange(length, device=move.device) - move[:, None]
    return source.clamp(0, length - 1), (source >= 0) & (source < length)
