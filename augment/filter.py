"""What every filter is: parameters are drawn first, then applied, and the record of them can be replayed."""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, overload

import torch

from augment.compiled import on_processor
from msft.errors import ParameterError

Parameters = dict[str, torch.Tensor]
"""Drawn parameters by name, on the CPU; the leading dimension of each tensor counts the images."""


class Filter(ABC):
    """One kind of detector imperfection, with the ranges its parameters are drawn from.

    A subclass is a frozen dataclass that defines `sample` and `_apply`. `_apply` gets grey values that are
    finite and in [0, 1], returns such values in a new tensor, and computes each image from its own parameters
    alone: an image by itself gives bit for bit what it gives inside a batch.
    """

    moves_or_hides: ClassVar[bool] = False
    """Whether it decides which pixels of the image were measured, beside their values."""

    from_intensity: ClassVar[bool] = False
    """Whether it takes linear intensity, in any unit and finite and >= 0, instead of grey values."""

    @property
    def name(self) -> str:
        """Name in records: the class name in lower case with underscores."""
        return re.sub(r"(?<!^)(?=[A-Z])", "_", type(self).__name__).lower()

    @abstractmethod
    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw the parameters for a batch.

        Parameters
        ----------
        count
            Number of images.
        size
            Height and width of the images in pixels.
        generator
            The only source of random numbers; on the CPU.

        Returns
        -------
        dict of str to torch.Tensor
            One tensor per parameter, each of shape (count, ...), on the CPU.
        """

    @abstractmethod
    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """Apply to grey values that are known to be finite and in [0, 1]."""

    def _cover(self, measured: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """Apply to images that are 1 where a pixel was measured, and 0 elsewhere."""
        return self._apply(measured, parameters) if self.moves_or_hides else measured

    def apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        """Apply drawn parameters.

        Parameters
        ----------
        images
            Grey values in [0, 1] or, if `from_intensity`, linear intensity; float32, shape (B, H, W), on any
            device. NaN and infinities count as invalid pixels and become 0; other values are clipped.
        parameters
            What `sample` returned for B images of this size.

        Returns
        -------
        torch.Tensor
            New images of the same shape, dtype and device: grey values, finite and in [0, 1]. Only the single
            steps of a chain that begins at linear intensity return intensity again.

        Raises
        ------
        ParameterError
            The images are not a float32 batch, or the parameters are for another number of images.
        """
        check_batch(images, parameters)
        return self._apply(_cleaned(images, math.inf if self.from_intensity else 1.0), parameters)

    def __call__(self, images: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, Record]:
        """Draw parameters for a batch and apply them.

        Parameters
        ----------
        images
            Grey values in [0, 1], float32, shape (B, H, W), on any device.
        generator
            The only source of random numbers; on the CPU, so that every device gives the same draw.

        Returns
        -------
        tuple of torch.Tensor and Record
            The new images, and what was done to each of them.

        Raises
        ------
        ParameterError
            The images are not a float32 batch, or the generator is not on the CPU.
        """
        _check_images(images)
        if generator.device.type != "cpu":
            raise ParameterError("generator", f"one on {generator.device}", "a generator on the CPU")
        count, height, width = images.shape
        parameters = self.sample(count, (height, width), generator)
        return self.apply(images, parameters), Record(self, count, parameters)

    def describe(self, parameters: Parameters, index: int) -> Step:
        """Say in plain values what these parameters do to image `index`."""
        return Step(self.name, {name: values[index].tolist() for name, values in parameters.items()})


@dataclass(frozen=True)
class Step:
    """What one filter did to one image, in plain values (`dataclasses.asdict` makes it ready for JSON).

    Parameters
    ----------
    name
        Name of the filter.
    values
        Its parameters: numbers, or lists of numbers.
    steps
        For a filter made of filters: the ones that were applied, in that order.
    """

    name: str
    values: dict[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, eq=False)
class Record:
    """What was done to a batch, which `replay` can repeat.

    Item i is the `Step` of image i; a slice is the record of that part of the batch.

    Parameters
    ----------
    filter
        The filter that was applied.
    count
        Number of images.
    parameters
        What it drew.
    """

    filter: Filter
    count: int
    parameters: Parameters

    def __len__(self) -> int:
        return self.count

    def measured(self, size: tuple[int, int], lit: torch.Tensor | None = None) -> torch.Tensor:
        """Which pixels still show light of the pattern: bool, shape (len(self), H, W), on the CPU.

        Holes and crops take pixels away, shifts bring unmeasured ones in from outside.

        Parameters
        ----------
        size
            H and W.
        lit
            Where light could arrive before, bool, shape (H, W) or (len(self), H, W); by default everywhere.
        """
        before = torch.ones((self.count, *size)) if lit is None else lit.float().expand(self.count, *size)
        return self.filter._cover(before, self.parameters) > 0

    @overload
    def __getitem__(self, index: int) -> Step: ...

    @overload
    def __getitem__(self, index: slice) -> Record: ...

    def __getitem__(self, index: int | slice) -> Step | Record:
        """Return the step of one image, or the record of a slice of the batch."""
        if isinstance(index, slice):
            chosen = torch.arange(self.count)[index]
            return Record(self.filter, len(chosen), take(self.parameters, chosen))
        if not -self.count <= index < self.count:
            raise IndexError(index)
        return self.filter.describe(self.parameters, index)


def replay(images: torch.Tensor, record: Record) -> torch.Tensor:
    """Repeat on images what a record says.

    Parameters
    ----------
    images
        Grey values in [0, 1], float32, shape (len(record), H, W), of the size the record was made for.
    record
        From an earlier call of a filter, or a slice of it.

    Returns
    -------
    torch.Tensor
        Bit for bit what the earlier call returned, if the images are the same.

    Raises
    ------
    ParameterError
        The images are not a float32 batch as long as the record.
    """
    if len(images) != len(record):
        raise ParameterError("images", f"{len(images)} of them", f"{len(record)}, as many as the record has")
    return record.filter.apply(images, record.parameters)


@dataclass(frozen=True)
class Identity(Filter):
    """Leave the image as it is. Source: Stielow et al. 2020, appendix D."""

    def sample(self, count: int, size: tuple[int, int], generator: torch.Generator) -> Parameters:
        """Draw nothing; see `Filter.sample`."""
        return {}

    def _apply(self, images: torch.Tensor, parameters: Parameters) -> torch.Tensor:
        return images


def take(parameters: Parameters, chosen: torch.Tensor) -> Parameters:
    """Return the parameters of some images: `chosen` holds their indices, int64, shape (n,)."""
    return {name: values[chosen] for name, values in parameters.items()}


def per_image(values: torch.Tensor, images: torch.Tensor) -> torch.Tensor:
    """Return one value per image, shape (B,), as (B, 1, 1) on the device of the images."""
    # a copy that waits would stop the GPU at every parameter
    return values.to(images.device, non_blocking=True).view(-1, 1, 1)


def _cleaned(images: torch.Tensor, most: float) -> torch.Tensor:
    """Return new images clipped to [0, most]; NaN and infinities become 0."""
    if on_processor(images):
        from augment.compiled import scaling as compiled

        return compiled.cleaned(images, most)
    return images.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).clamp_(0.0, most)


def check_batch(images: torch.Tensor, parameters: Parameters) -> None:
    """Raise ParameterError unless there are parameters for a float32 batch of so many images."""
    _check_images(images)
    for name, values in parameters.items():
        if len(values) != len(images):
            raise ParameterError(name, f"values for {len(values)} images", f"one for each of {len(images)}")


def _check_images(images: torch.Tensor) -> None:
    if images.ndim != 3 or images.dtype != torch.float32 or 0 in images.shape[1:]:
        raise ParameterError(
            "images",
            f"a {images.dtype} tensor of shape {tuple(images.shape)}",
            "a float32 tensor of shape (B, H, W)",
        )
