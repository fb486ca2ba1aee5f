"""The window of a detector: a rectangle with rounded corners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.filter import Filter, Parameters, per_image
from augment.grid import beam_offsets
from augment.hidden import check_hidden, hide
from augment.ranges import Range, check_range, draw


@dataclass(frozen=True)
class Window(Filter):
    """Hide what lies outside a rectangle, or outside a circle around the beam that cuts its corners.

    Parameters
    ----------
    half_height, half_width
        Ranges of the distance from the rectangle's middle to its outermost pixels, in pixels, >= 0.
    corner
        Range of the circle's radius as a fraction of the distance to the rectangle's corners, >= 0; from 1 on
        it cuts nothing of a rectangle whose middle is the beam.
    off_middle
        Range of how far the rectangle's middle is from the beam along each axis, as a fraction of the
        distances above, within [0, 1]; to either side. By default it is on the beam.
    hidden
        What hidden pixels hold: 0, or NaN where the logarithm is still to come.

    Raises
    ------
    ParameterError
        A range is not as described, or hidden pixels cannot hold that value.

    Notes
    -----
    The defaults are around the window of I. Barke et al., Nat. Commun. 6, 6187 (2015): 72 x 60 of 128 x 128
    pixels, with corners cut at 38 pixels from the beam.
    """

    half_height: Range = (26.0, 32.0)
    half_width: Range = (30.0, 38.0)
    corner: Range = (0.75, 1.05)
    off_middle: Range = (0.0, 0.0)
    hidden: float = 0.0

    moves_or_hides: ClassVar[bool] = True

    def __post_init__(self) -> None:
        for name in ("half_height", "half_width", "corner"):
            check_range(name, getattr(self, name))
        check_range("off_middle", self.off_middle, highest=1.0)
        check_hidden(self.hidden)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `half_height`, `half_width` and `radius`, and the middle's `row` and `column` from the beam.

        All of them in pixels; see `Filter.sample`.
        """
        half_height = draw(self.half_height, (count,), generator).round_()
        half_width = draw(self.half_width, (count,), generator).round_()
        radius = torch.hypot(half_height, half_width) * draw(self.corner, (count,), generator)
        side = torch.randint(0, 2, (2, count), generator=generator) * 2 - 1
        off_middle = draw(self.off_middle, (2, count), generator) * side
        return {
            "half_height": half_height,
            "half_width": half_width,
            "radius": radius,
            "row": (off_middle[0] * half_height).round_(),
            "column": (off_middle[1] * half_width).round_(),
        }

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        rows, columns = beam_offsets(images)
        half_height, half_width, row, column = (
            per_image(parameters[name], images) for name in ("half_height", "half_width", "row", "column")
        )
        return hide(
            images,
            self.hidden,
            rows=(rows - row).abs() <= half_height,
            columns=(columns - column).abs() <= half_width,
            within=parameters["radius"],
        )
