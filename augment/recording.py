"""From linear intensity to grey images: what training, evaluation and `invert augment` have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from augment.filter import Filter, Parameters
from augment.pipeline import InOrder
from augment.ranges import Range, check_count, check_range, draw
from augment.scaling import FLOOR_DECADES, log_scale
from msft.errors import ParameterError


@dataclass(frozen=True)
class LogScale(Filter):
    """Linear intensity to logarithmic grey values; NaN, the mark of hidden pixels, becomes 0.

    Parameters
    ----------
    decades
        Range of the decades between the maximum and the floor, within (0, 30]; see `log_scale`.

    Raises
    ------
    ParameterError
        The range is not one within (0, 30].
    """

    decades: Range = (FLOOR_DECADES, FLOOR_DECADES)

    from_intensity: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_range("decades", self.decades, lowest=1e-6, highest=30.0)

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `decades`; see `Filter.sample`."""
        return {"decades": draw(self.decades, (count,), generator)}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return log_scale(images, parameters["decades"])


@dataclass(frozen=True)
class Recording(InOrder):
    """Filters that begin at linear intensity, apply one after another, and end at grey values.

    Parameters
    ----------
    filters
        The steps. One of them, `LogScale`, ends the linear part.
    name
        Name in records.
    half_height, half_width
        What the detector sees: pixels up to this far from the beam; the others become 0 and cost no time. All
        of them if None.

    Raises
    ------
    ParameterError
        There are no steps, `LogScale` is not among them exactly once, or a distance is not a whole number.
    """

    name: str = "recording"
    half_height: int | None = None
    half_width: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("half_height", "half_width"):
            if getattr(self, name) is not None:
                check_count(name, getattr(self, name))
        if sum(isinstance(part, LogScale) for part in self.filters) != 1:
            raise ParameterError("filters", self.filters, "steps with one LogScale among them")

    @property
    def from_intensity(self) -> bool:  # type: ignore[override]
        """Yes, whatever the first step is."""
        return True

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw the parameters of all steps, for the part of the image that the detector sees."""
        rows, columns = self._seen(size)
        return super().sample(count, (rows.stop - rows.start, columns.stop - columns.start), generator)

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """Apply drawn parameters to linear intensity; see `Filter.apply`."""
        if images.ndim != 3:
            return super().apply(images, parameters)  # which refuses them
        rows, columns = self._seen((images.shape[1], images.shape[2]))
        return _embed(super().apply(images[:, rows, columns], parameters), images, rows, columns)

    def _seen(self, size: tuple[int, int]) -> tuple[slice, slice]:
        return _around_beam(size[0], self.half_height), _around_beam(size[1], self.half_width)

    def _each(self, method: str, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        rows, columns = self._seen((images.shape[1], images.shape[2]))
        return _embed(super()._each(method, images[:, rows, columns], parameters), images, rows, columns)


def _embed(seen: torch.Tensor, images: torch.Tensor, rows: slice, columns: slice) -> torch.Tensor:
    """Return images of the size of `images`, 0 outside the part that was seen."""
    if seen.shape == images.shape:
        return seen
    whole = torch.zeros_like(images)
    whole[:, rows, columns] = seen
    return whole


def _around_beam(length: int, half: int | None) -> slice:
    """Return the part of an axis in whose middle the beam pixel is again; `length // 2` is that of all."""
    middle = length // 2
    reach = middle if half is None else min(half, middle)
    return slice(middle - reach, min(middle + reach + 1, length))
