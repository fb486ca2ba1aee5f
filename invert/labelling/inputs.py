"""Frames as the images that a classifier sees: of one size, with one scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from augment.correlation import DECADES, correlation_images
from augment.scaling import FLOOR_DECADES, check_decades, linear_scale, log_scale
from invert.frames import Frames
from msft.errors import ParameterError
from msft.helium.images import overlaps

InputScale = Literal["linear", "log"]
Representation = Literal["image", "correlation"]

CHUNK = 256


@dataclass(frozen=True)
class InputConfiguration:
    """What is made of a frame before a classifier sees it.

    Parameters
    ----------
    pixels
        Pixels per side to which frames are rescaled; 224 are those of Zimmermann et al. 2019.
    scale
        ``linear``: intensity less its mean over its standard deviation, for networks whose first activation
        takes the logarithm; ``log``: grey values in [0, 1].
    floor_decades
        Decades of intensity between black and white in grey values.
    representation
        The ``image``, or its ``correlation`` map (section 5.3), on the same scale.

    Raises
    ------
    ParameterError
        If a number is outside its range, or a name is unknown.
    """

    pixels: int = 224
    scale: InputScale = "linear"
    floor_decades: float = FLOOR_DECADES
    representation: Representation = "image"

    def __post_init__(self) -> None:
        if not 8 <= self.pixels <= 2048:
            raise ParameterError("input.pixels", self.pixels, "8 to 2048")
        for field, names in (("scale", get_args(InputScale)), ("representation", get_args(Representation))):
            if getattr(self, field) not in names:
                raise ParameterError(f"input.{field}", getattr(self, field), "one of " + ", ".join(names))
        check_decades(self.floor_decades)


def inputs(frames: Frames, configuration: InputConfiguration) -> torch.Tensor:
    """Images for a classifier, float32, shape (N, pixels, pixels).

    Parameters
    ----------
    frames
        Of any size; invalid pixels count as dark.
    configuration
        Size and scale.
    """
    decades, pixels = configuration.floor_decades, configuration.pixels
    if frames.scale == "log":
        intensity = linear_scale(frames.grey(decades), decades)
    else:
        intensity = torch.from_numpy(frames.images)
    valid = torch.from_numpy(frames.valid)
    result = torch.empty((len(intensity), pixels, pixels))
    for start in range(0, len(result), CHUNK):
        rows = slice(start, start + CHUNK)
        light = rescaled(intensity[rows].where(valid[rows], 0.0).clamp_(min=0.0), pixels)
        result[rows] = scaled(light, configuration)
    return result


def rescaled(images: torch.Tensor, pixels: int) -> torch.Tensor:
    """Images (N, H, W) as (N, pixels, pixels), each pixel the mean over the area that it covers.

    As `msft.helium.images.rescaled` does with the released images, whatever their sides.
    """
    rows, columns = (torch.from_numpy(overlaps(side, pixels)) for side in images.shape[1:])
    return images if images.shape[1:] == (pixels, pixels) else rows @ images @ columns.T


def scaled(intensity: torch.Tensor, configuration: InputConfiguration) -> torch.Tensor:
    """Linear intensity (N, n, n) as the classifier sees it."""
    log = configuration.scale == "log"
    if configuration.representation == "correlation":
        intensity = correlation_images(intensity, decades=DECADES if log else None)
    elif log:
        return log_scale(intensity, configuration.floor_decades)
    return intensity if log else standardised(intensity)


def standardised(images: torch.Tensor) -> torch.Tensor:
    """Images (N, H, W) less their mean, over their standard deviation; 0 where they are even."""
    # by the maximum first: squares of intensities need not fit into float32
    images = images / images.abs().amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    deviation, mean = torch.std_mean(images, dim=(1, 2), keepdim=True)
    return (images - mean) / deviation.clamp_min(1e-6)
