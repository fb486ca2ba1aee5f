"""Ranges of filter parameters: checked where a filter is made, drawn from when it samples."""

from __future__ import annotations

import math

import torch

from msft.errors import ParameterError

Range = tuple[float, float]
"""Lowest and highest value, both allowed."""


def check_range(field: str, value: Range, lowest: float = 0.0, highest: float = math.inf) -> None:
    """Raise ParameterError unless `lowest <= low <= high <= highest` and both ends are finite."""
    # Ranges also come from configuration files, where anything may stand.
    try:
        low, high = value
        good = lowest <= low <= high <= highest and math.isfinite(high)
    except (TypeError, ValueError):
        good = False
    if not good:
        limit = f" and <= {highest:g}" if math.isfinite(highest) else ""
        raise ParameterError(field, value, f"(low, high) with low <= high, both finite, >= {lowest:g}{limit}")


def check_number(field: str, value: float, lowest: float, highest: float) -> None:
    """Raise ParameterError unless `lowest <= value <= highest`."""
    if not isinstance(value, int | float) or not lowest <= value <= highest:
        raise ParameterError(field, value, f"a number between {lowest:g} and {highest:g}")


def check_count(field: str, value: int) -> None:
    """Raise ParameterError unless the value is a whole number that is not negative."""
    if not isinstance(value, int) or value < 0:
        raise ParameterError(field, value, "a whole number >= 0")


def draw_logarithm(limits: Range, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Return float32 values of the given shape whose logarithm is uniform; the range is above 0."""
    low, high = limits
    return draw((math.log(low), math.log(high)), shape, generator).exp_().clamp_(low, high)


def draw(limits: Range, shape: tuple[int, ...], generator: torch.Generator) -> torch.Tensor:
    """Return float32 values of the given shape, uniform in the range."""
    low, high = limits
    # Rounding can carry low + (high - low) past the end of the range.
    return (low + (high - low) * torch.rand(shape, generator=generator)).clamp_(low, high)
