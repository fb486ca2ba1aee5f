"""Filters made of filters: all in a fixed order, one of several, or a random combination.

They differ only in which part is applied when. That is one more drawn parameter, `order`: the index of the
part that each image gets at each position, or -1 for none. Each part is applied at once to all images that
get it at a position.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from augment.filter import Filter, Parameters, Step, check_batch, take
from augment.ranges import check_number
from msft.errors import ParameterError


@dataclass(frozen=True)
class Composite(Filter):
    """A filter made of filters; the base of the three below.

    Its parameters are `order`, int64, shape (B, positions), and those of part k as "k.name". Every part draws
    for every image, so what one part draws does not depend on which images another is applied to.

    Parameters
    ----------
    filters
        The parts, at least one.
    name
        Name in records.

    Raises
    ------
    ParameterError
        There are no parts, or one is not a filter.
    """

    filters: Sequence[Filter]
    name: str = "composite"

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", tuple(self.filters))
        if not self.filters or not all(isinstance(part, Filter) for part in self.filters):
            raise ParameterError("filters", self.filters, "one filter or more")

    @property
    def from_intensity(self) -> bool:  # type: ignore[override]
        """Whether it takes linear intensity instead of grey values: as its first part does."""
        return self.filters[0].from_intensity

    @abstractmethod
    def _sample_order(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw `order`: int64, shape (count, positions)."""

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw `order` and the parameters of all parts; see `Filter.sample`."""
        parameters = {"order": self._sample_order(count, generator)}
        for k, part in enumerate(self.filters):
            drawn = part.sample(count, size, generator)
            parameters |= {f"{k}.{name}": values for name, values in drawn.items()}
        return parameters

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return self._each("_apply", images, parameters)

    def _cover(self, measured: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return self._each("_cover", measured, parameters)

    def _each(self, method: str, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        for wanted in parameters["order"].T:
            drawn = wanted.unique().tolist()
            # images that get no part stay as they are
            result = images.clone() if -1 in drawn else torch.empty_like(images)
            for k in drawn:
                if k < 0:
                    continue
                part, chosen = self.filters[k], (wanted == k).nonzero()[:, 0]
                if len(drawn) == 1:  # spares two copies of the batch
                    result = getattr(part, method)(images, _parameters_of(parameters, k))
                else:
                    place = chosen.to(images.device, non_blocking=True)
                    own = take(_parameters_of(parameters, k), chosen)
                    # whole rows are copied; indexing by a tensor would take them number by number
                    result.index_copy_(0, place, getattr(part, method)(images.index_select(0, place), own))
            images = result
        return images

    def describe(self, parameters: Parameters, index: int) -> Step:
        """Say in plain values what these parameters do to image `index`; see `Step`."""
        applied = (k for k in parameters["order"][index].tolist() if k >= 0)
        steps = (self.filters[k].describe(_parameters_of(parameters, k), index) for k in applied)
        return Step(self.name, steps=tuple(steps))


@dataclass(frozen=True)
class InOrder(Composite):
    """Apply all parts, one after another.

    Parameters
    ----------
    filters
        The parts in their order, at least one.
    name
        Name in records.

    Raises
    ------
    ParameterError
        There are no parts, or one is not a filter.
    """

    name: str = "in_order"

    def _sample_order(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.arange(len(self.filters)).repeat(count, 1)

    def _each(self, method: str, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        for k, part in enumerate(self.filters):
            images = getattr(part, method)(images, _parameters_of(parameters, k))
        return images


@dataclass(frozen=True)
class OneOf(Composite):
    """Apply one part, drawn for each image.

    Parameters
    ----------
    filters
        The parts, at least one.
    name
        Name in records.
    weights
        Relative probability of each part, finite, >= 0, with a positive sum; equal if None.

    Raises
    ------
    ParameterError
        There are no parts, one is not a filter, or the weights are not as described.
    """

    name: str = "one_of"
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights is None:
            return
        object.__setattr__(self, "weights", tuple(self.weights))
        good = all(weight >= 0.0 for weight in self.weights) and 0.0 < sum(self.weights) < math.inf
        if len(self.weights) != len(self.filters) or not good:
            allowed = f"{len(self.filters)} finite numbers >= 0, not all of them 0"
            raise ParameterError("weights", self.weights, allowed)

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """Apply drawn parameters; see `Filter.apply`. Each part makes of its own images what it takes."""
        check_batch(images, parameters)
        return self._each("apply", images, parameters)

    def _sample_order(self, count: int, generator: torch.Generator) -> torch.Tensor:
        bounds = torch.tensor(self.weights or [1.0] * len(self.filters), dtype=torch.float64).cumsum(0)
        # float64 throughout: right=True skips parts of weight 0, and a draw is always below the last bound.
        drawn = torch.rand((count, 1), dtype=torch.float64, generator=generator) * bounds[-1]
        return torch.searchsorted(bounds, drawn, right=True)


@dataclass(frozen=True)
class RandomCombination(Composite):
    """Switch each part on or off for each image, and apply those that are on in random order.

    Parameters
    ----------
    filters
        The parts, at least one.
    name
        Name in records.
    probability
        Probability of each part to be on, independently of the others.

    Raises
    ------
    ParameterError
        There are no parts, one is not a filter, or the probability is outside [0, 1].

    Notes
    -----
    Source: Stielow et al. 2020, appendix D.
    """

    name: str = "random_combination"
    probability: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("probability", self.probability, 0.0, 1.0)

    def _sample_order(self, count: int, generator: torch.Generator) -> torch.Tensor:
        shape = (count, len(self.filters))
        order = torch.rand(shape, generator=generator).argsort(dim=1)
        off = torch.rand(shape, generator=generator) >= self.probability
        # the parts that are on first: the fewer the positions, the more images get a part together
        return order.masked_fill(off, -1).gather(1, off.int().argsort(dim=1, stable=True))


def _parameters_of(parameters: Parameters, k: int) -> Parameters:
    prefix = f"{k}."
    return {
        name.removeprefix(prefix): values for name, values in parameters.items() if name.startswith(prefix)
    }
