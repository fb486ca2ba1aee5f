"""VGG networks (Simonyan and Zisserman, ICLR 2015), fully convolutional: Zimmermann et al. 2019, table 7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from invert.backbone.activation import (
    Activation,
    FirstActivation,
    check_activations,
    first_activation,
    hidden_activation,
)
from msft.errors import ParameterError

WIDTHS = (1, 2, 4, 8, 8)
"""Filters of the five stacks in units of those of the first."""


@dataclass(frozen=True)
class VGGConfiguration:
    """Shape of a VGG network; the defaults are variant D, of 16 layers.

    Parameters
    ----------
    convolutions
        3x3 convolutions of each of the five stacks, each of which ends with a 2x2 maximum.
    width
        Filters of the first stack; the others have 2, 4, 8 and 8 times as many.
    kernel
        Side of the first of the two output convolutions: 7 takes the whole of the last maps of an image of
        224 x 224 pixels.
    features
        Filters of both output convolutions.
    activation, first_activation, alpha
        As for residual networks.

    Raises
    ------
    ParameterError
        If a number is outside its range, or a name is unknown.
    """

    kind: ClassVar[str] = "vgg"

    convolutions: tuple[int, ...] = (2, 2, 3, 3, 3)
    width: int = 64
    kernel: int = 7
    features: int = 4096
    activation: Activation = "leaky_relu"
    first_activation: FirstActivation = "same"
    alpha: float = 0.2

    def __post_init__(self) -> None:
        if len(self.convolutions) != len(WIDTHS) or not all(1 <= count <= 16 for count in self.convolutions):
            raise ParameterError("network.convolutions", self.convolutions, "5 stacks of 1 to 16")
        for field, value, most in (
            ("width", self.width, 512),
            ("kernel", self.kernel, 15),
            ("features", self.features, 16384),
        ):
            if not 1 <= value <= most:
                raise ParameterError(f"network.{field}", value, f"1 to {most}")
        check_activations(self.activation, self.first_activation, self.alpha)

    @property
    def smallest_image(self) -> int:
        """Pixels per side that fill the output convolution once."""
        return int(2 ** len(WIDTHS) * self.kernel)


VGGS: dict[str, VGGConfiguration] = {
    "vgg16": VGGConfiguration(),
    "vgg19": VGGConfiguration((2, 2, 4, 4, 4)),
}
"""The VGG networks of Zimmermann et al. 2019, table 7: variants D and E."""


class VGGNetwork(nn.Module):
    """From images (B, 1, H, W) to features (B, `features`).

    Stacks of 3x3 convolutions, and in place of the fully connected layers one convolution over the whole of
    the last maps and one of 1x1, averaged over the image where there is more than one result. Table 7 prints
    7 for the second, too; that layer alone would have 822 million weights, and the network it is derived from
    has a fully connected layer of 4096 x 4096 there, which is 1x1.
    """

    def __init__(self, configuration: VGGConfiguration) -> None:
        super().__init__()
        hidden = configuration.activation
        layers: list[nn.Module] = []
        channels = 1
        for stack, (count, width) in enumerate(zip(configuration.convolutions, WIDTHS, strict=True)):
            if stack > 0:
                layers.append(nn.MaxPool2d(2))
            for _ in range(count):
                filters = configuration.width * width
                layers += [*_convolution(channels, filters, 3, padding=1), hidden_activation(hidden)]
                channels = filters
        layers[2] = first_activation(configuration.first_activation, configuration.alpha, hidden)
        self.stacks = nn.Sequential(*layers)
        self.features = configuration.features
        self.output = nn.Sequential(
            nn.MaxPool2d(2),
            *_convolution(channels, self.features, configuration.kernel),
            hidden_activation(hidden),
            *_convolution(self.features, self.features, 1),
            hidden_activation(hidden),
        )

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """The last maps (B, 8 width, H / 16, W / 16) of images (B, 1, H, W) that keep their places."""
        result: torch.Tensor = self.stacks(images)
        return result

    def summary(self, maps: torch.Tensor) -> torch.Tensor:
        """Features (B, `features`) of the last maps: those of the output convolutions."""
        result: torch.Tensor = self.output(maps)
        return result.mean(dim=(2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, `features`) of images (B, 1, H, W)."""
        return self.summary(self.maps(images))


def _convolution(channels: int, filters: int, kernel: int, padding: int = 0) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, filters, kernel, padding=padding, bias=False),
        nn.BatchNorm2d(filters),
    ]
