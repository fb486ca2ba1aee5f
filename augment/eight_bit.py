"""Output with 8 bits through a colour map, as figures in journals have it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from augment.filter import Filter, Parameters
from msft.errors import ParameterError

BARKE = ((0.0, 0.0), (0.30, 0.38), (0.88, 0.7425), (1.0, 1.0))
"""Knots of the colour map in I. Barke et al., Nat. Commun. 6, 6187 (2015): output, logarithmic intensity."""


@dataclass(frozen=True)
class EightBit(Filter):
    """Grey values to 256 steps of a colour map, and back to grey values as a reader would undo the map.

    Parameters
    ----------
    knots
        The map, piecewise linear: pairs of output and grey value, both rising strictly from 0 to 1.

    Raises
    ------
    ParameterError
        The knots are not as described.
    """

    knots: tuple[tuple[float, float], ...] = BARKE

    def __post_init__(self) -> None:
        ends = len(self.knots) > 1 and (tuple(self.knots[0]), tuple(self.knots[-1])) == ((0, 0), (1, 1))
        pairs = zip(self.knots, self.knots[1:], strict=False)
        if not ends or not all(low[0] < high[0] and low[1] < high[1] for low, high in pairs):
            raise ParameterError("knots", self.knots, "pairs that rise strictly from (0, 0) to (1, 1)")

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw nothing; see `Filter.sample`."""
        return {}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        output, grey = (
            torch.tensor(values, device=images.device) for values in zip(*self.knots, strict=True)
        )
        steps = _interpolate(images, grey, output).mul_(255.0).round_().div_(255.0)
        return _interpolate(steps, output, grey).clamp_(0.0, 1.0)


def _interpolate(values: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Piecewise linear function through the points (x, y), whose x rise from 0 to 1."""
    slopes = y.diff() / x.diff()
    # a sum of ramps, one more at each knot where the slope changes
    result = values * slopes[0]
    for knot, change in zip(x[1:-1], slopes.diff(), strict=True):
        result.addcmul_((values - knot).clamp_min_(0.0), change)
    return result
