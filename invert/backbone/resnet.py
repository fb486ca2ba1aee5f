"""Residual networks (He et al., CVPR 2016), in the form that Stielow et al. 2020 draw in their figure 3."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from msft.errors import ParameterError

Activation = Literal["tanh", "relu", "leaky_relu"]

_ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
}


@dataclass(frozen=True)
class ResidualConfiguration:
    """Shape of a residual network; the defaults are those of Stielow et al. 2020, section 3.

    Parameters
    ----------
    blocks
        Residual blocks of each stack.
    width
        Filters of the first stack, and of the stem; each further stack has twice as many.
    activation
        Of every layer: ``tanh``, ``relu`` or ``leaky_relu`` (slope 0.2).

    Raises
    ------
    ParameterError
        If a number is outside its range, or the activation is unknown.
    """

    blocks: tuple[int, ...] = (3, 4, 6, 4)
    width: int = 64
    activation: Activation = "tanh"

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= 6 or not all(1 <= blocks <= 64 for blocks in self.blocks):
            raise ParameterError("network.blocks", self.blocks, "1 to 6 stacks of 1 to 64 blocks")
        if not 1 <= self.width <= 512:
            raise ParameterError("network.width", self.width, "1 to 512 filters")
        if self.activation not in _ACTIVATIONS:
            raise ParameterError(
                "network.activation", self.activation, "one of " + ", ".join(get_args(Activation))
            )


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with batch normalisation and a shortcut around them.

    Where the block changes the resolution or the number of filters, its first convolution has that stride
    and the shortcut is a 1x1 convolution.
    """

    def __init__(self, channels: int, filters: int, stride: int, activation: Activation) -> None:
        super().__init__()
        self.residual = nn.Sequential(
            nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(filters),
            _ACTIVATIONS[activation](),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
            nn.BatchNorm2d(filters),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != filters:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, filters, 1, stride, bias=False), nn.BatchNorm2d(filters)
            )
        self.activation = _ACTIVATIONS[activation]()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, filters, H / stride, W / stride)."""
        result: torch.Tensor = self.activation(self.residual(images) + self.shortcut(images))
        return result


class ResidualNetwork(nn.Module):
    """From images (B, 1, H, W) to features (B, `features`).

    A 7x7 convolution of stride 2, a 2x2 maximum, stacks of residual blocks, each of which halves the
    resolution in its first convolution, and the mean over what is left of the image.
    """

    def __init__(self, configuration: ResidualConfiguration) -> None:
        super().__init__()
        width, activation = configuration.width, configuration.activation
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            _ACTIVATIONS[activation](),
            nn.MaxPool2d(2, ceil_mode=True),
        )
        stacks: list[nn.Module] = []
        channels = width
        for stack, blocks in enumerate(configuration.blocks):
            filters = width * 2**stack
            stacks += [ResidualBlock(channels, filters, 2, activation)]
            stacks += [ResidualBlock(filters, filters, 1, activation) for _ in range(blocks - 1)]
            channels = filters
        self.stacks = nn.Sequential(*stacks)
        self.features = channels

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, `features`) of images (B, 1, H, W)."""
        maps: torch.Tensor = self.stacks(self.stem(images))
        return maps.mean(dim=(2, 3))
