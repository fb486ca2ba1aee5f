"""Gaps between the modules of a detector."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.filter import Filter, Parameters, per_image
from augment.grid import beam_offsets
from augment.hidden import check_hidden, hide
from augment.ranges import Range, check_number, check_range, draw


@dataclass(frozen=True)
class Gaps(Filter):
    """Hide a strip of rows, a strip of columns, or both: where one module ends and the next has not begun.

    Parameters
    ----------
    probability
        Probability of a gap, along each axis independently.
    width
        Range of the width in pixels, >= 0; rounded to whole pixels.
    distance
        Range of the distance from the beam to the middle of the gap, as a fraction of the image size, within
        [0, 0.5].
    hidden
        What hidden pixels hold: 0, or NaN where the logarithm is still to come.

    Raises
    ------
    ParameterError
        A range or the probability is not as described, or hidden pixels cannot hold that value.

    Notes
    -----
    Source: the detector segmentation of Stielow et al. 2020, section 2; the paper gives no numbers.
    """

    probability: float = 0.15
    width: Range = (1.0, 4.0)
    distance: Range = (0.0, 0.2)
    hidden: float = 0.0

    moves_or_hides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_number("probability", self.probability, 0.0, 1.0)
        check_range("width", self.width)
        check_range("distance", self.distance, highest=0.5)
        check_hidden(self.hidden)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw the first pixel from the beam and the width of both gaps; see `Filter.sample`.

        These are `row`, `height`, `column` and `width` in pixels; a gap of width 0 hides nothing.
        """
        there = torch.rand((2, count), generator=generator) < self.probability
        width = draw(self.width, (2, count), generator).round_().long() * there
        side = torch.rand((2, count), generator=generator) < 0.5
        middle = draw(self.distance, (2, count), generator) * torch.tensor(size)[:, None]
        first = (middle.where(side, -middle) - width / 2).round_().long()
        return {"row": first[0], "height": width[0], "column": first[1], "width": width[1]}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        rows, columns = beam_offsets(images)
        row, height, column, width = (
            per_image(parameters[name], images) for name in ("row", "height", "column", "width")
        )
        beside_rows = (rows < row) | (rows >= row + height)
        beside_columns = (columns < column) | (columns >= column + width)
        return hide(images, self.hidden, rows=beside_rows, columns=beside_columns)
