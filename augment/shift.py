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
        height, width = images.shape[1:]
        moved = torch.zeros_like(images)
        for result, image, dy, dx in zip(
            moved, images, parameters["dy"].tolist(), parameters["dx"].tolist(), strict=True
        ):
            to_rows, from_rows = _overlap(height, dy)
            to_columns, from_columns = _overlap(width, dx)
            result[to_rows, to_columns] = image[from_rows, from_columns]
        return moved

    def _cover(self, measured: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return super()._cover(measured, parameters) if self.hides else measured


def _overlap(length: int, move: int) -> tuple[slice, slice]:
    """Return where on an axis pixels arrive, and where they come from."""
    move = max(-length, min(length, move))
    return slice(max(move, 0), length + min(move, 0)), slice(max(-move, 0), length - max(move, 0))
