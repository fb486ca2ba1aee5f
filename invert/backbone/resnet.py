"""Residual networks (He et al., CVPR 2016), of basic or bottleneck blocks, activated after or before them.

The defaults are the network of Stielow et al. 2020, figure 3; `RESNETS` has those of Zimmermann et al. 2019,
table 8.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

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

Block = Literal["basic", "bottleneck"]

EXPANSION = 4
"""Output filters of a bottleneck block in units of those of its 3x3 convolution."""

REGISTER = 16
"""Numbers in single precision that the widest vector register holds."""


@dataclass(frozen=True)
class ResidualConfiguration:
    """Shape of a residual network; the defaults are those of Stielow et al. 2020, section 3.

    That section counts 34 layers; its blocks alone have 34 convolutions, with stem and last layer 36.

    Parameters
    ----------
    blocks
        Residual blocks of each stack.
    width
        Filters of the first stack, and of the stem; each further stack has twice as many.
    activation
        Of every layer: ``tanh``, ``relu`` or ``leaky_relu`` (slope 0.2).
    block
        ``basic``, two 3x3 convolutions, or ``bottleneck``: 1x1, 3x3, and 1x1 with four times the filters.
    preactivated
        Whether normalisation and activation come before each convolution of a block (He et al., ECCV 2016)
        instead of after it.
    pool
        Side of the maximum after the stem: 2, or 3 with overlap; its stride is 2.
    first_stride
        Stride of the first stack, 1 or 2; that of every further one is 2.
    first_activation
        Of the stem's convolution: the ``same``, or ``logarithmic``.
    alpha
        Scale of the logarithmic activation.

    Raises
    ------
    ParameterError
        If a number is outside its range, or a name is unknown.
    """

    kind: ClassVar[str] = "residual"

    blocks: tuple[int, ...] = (3, 4, 6, 4)
    width: int = 64
    activation: Activation = "tanh"
    block: Block = "basic"
    preactivated: bool = False
    pool: int = 2
    first_stride: int = 2
    first_activation: FirstActivation = "same"
    alpha: float = 0.2

    def __post_init__(self) -> None:
        if not 1 <= len(self.blocks) <= 6 or not all(1 <= blocks <= 64 for blocks in self.blocks):
            raise ParameterError("network.blocks", self.blocks, "1 to 6 stacks of 1 to 64 blocks")
        if not 1 <= self.width <= 512:
            raise ParameterError("network.width", self.width, "1 to 512 filters")
        if self.block not in get_args(Block):
            raise ParameterError("network.block", self.block, "one of " + ", ".join(get_args(Block)))
        if self.pool not in (2, 3):
            raise ParameterError("network.pool", self.pool, "2 or 3 pixels")
        if self.first_stride not in (1, 2):
            raise ParameterError("network.first_stride", self.first_stride, "1 or 2")
        check_activations(self.activation, self.first_activation, self.alpha)

    @property
    def smallest_image(self) -> int:
        """Pixels per side that one pixel of the last maps stands for."""
        return int(4 * self.first_stride * 2 ** (len(self.blocks) - 1))


def _preactivated(blocks: tuple[int, ...], block: Block) -> ResidualConfiguration:
    return ResidualConfiguration(
        blocks, activation="leaky_relu", block=block, preactivated=True, pool=3, first_stride=1
    )


# Table 8 prints the blocks 3, 8, 36, 3 for the depth 101, which make 152 layers. The layout it cites (He et
# al., CVPR 2016) has 3, 4, 23, 3, which make 101; both are here under the depth that they have. The table
# prints stride 3, too, for the 3x3 convolutions of bottlenecks; strides here are those of the layout cited.
RESNETS: dict[str, ResidualConfiguration] = {
    "resnet18": _preactivated((2, 2, 2, 2), "basic"),
    "resnet50": _preactivated((3, 4, 6, 3), "bottleneck"),
    "resnet101": _preactivated((3, 4, 23, 3), "bottleneck"),
    "resnet152": _preactivated((3, 8, 36, 3), "bottleneck"),
}
"""The residual networks of Zimmermann et al. 2019, table 8, with leaky ReLUs throughout."""


class Projection(nn.Conv2d):
    """A 1x1 convolution; of few channels, its stride is taken before it.

    With fewer channels than a vector register holds, and channels last, oneDNN's gradient of the filters of a
    strided one writes past its workspace (uxlfoundation/oneDNN issue 6035): the process dies where processors
    have AVX2 and no AVX-512.
    """

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, `out_channels`, H / stride, W / stride)."""
        if self.in_channels >= REGISTER:
            return super().forward(images)
        rows, columns = self.stride
        return nn.functional.conv2d(images[..., ::rows, ::columns], self.weight, self.bias)


class ResidualBlock(nn.Module):
    """Convolutions with batch normalisation, and a shortcut around them.

    Where the block changes the resolution or the number of filters, its first 3x3 convolution has that stride
    and the shortcut is a 1x1 convolution. A preactivated block normalises and activates before each of its
    convolutions, and its shortcut begins after the first activation if it is a convolution, before it if it
    is none (He et al., ECCV 2016).
    """

    def __init__(
        self, channels: int, filters: int, stride: int, configuration: ResidualConfiguration
    ) -> None:
        super().__init__()
        before = configuration.preactivated
        convolutions = _convolutions(channels, filters, stride, configuration.block)
        self.features = convolutions[-1].out_channels
        layers: list[nn.Module] = []
        for number, convolution in enumerate(convolutions):
            if number > 0:
                if before:
                    layers.append(nn.BatchNorm2d(convolution.in_channels))
                layers.append(hidden_activation(configuration.activation))
            layers.append(convolution)
            if not before:
                layers.append(nn.BatchNorm2d(convolution.out_channels))
        self.residual = nn.Sequential(*layers)
        self.entry = normalised(channels, configuration.activation) if before else nn.Identity()
        self.activation = nn.Identity() if before else hidden_activation(configuration.activation)
        self.shortcut: nn.Module = nn.Identity()
        self.projects = stride != 1 or channels != self.features
        if self.projects:
            projection = Projection(channels, self.features, 1, stride, bias=False)
            self.shortcut = projection if before else nn.Sequential(projection, nn.BatchNorm2d(self.features))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) to (B, `features`, H / stride, W / stride)."""
        entered = self.entry(images)
        around = self.shortcut(entered if self.projects else images)
        result: torch.Tensor = self.activation(self.residual(entered) + around)
        return result


def normalised(channels: int, activation: Activation) -> nn.Module:
    """Batch normalisation and an activation."""
    return nn.Sequential(nn.BatchNorm2d(channels), hidden_activation(activation))


def _convolutions(channels: int, filters: int, stride: int, block: Block) -> list[nn.Conv2d]:
    if block == "basic":
        return [
            nn.Conv2d(channels, filters, 3, stride, padding=1, bias=False),
            nn.Conv2d(filters, filters, 3, padding=1, bias=False),
        ]
    return [
        nn.Conv2d(channels, filters, 1, bias=False),
        nn.Conv2d(filters, filters, 3, stride, padding=1, bias=False),
        nn.Conv2d(filters, EXPANSION * filters, 1, bias=False),
    ]


class ResidualNetwork(nn.Module):
    """From images (B, 1, H, W) to features (B, `features`).

    A 7x7 convolution of stride 2, a maximum of stride 2, stacks of residual blocks, each of which but the
    first halves the resolution in its first block (the first, too, where `first_stride` is 2), and the mean
    over what is left of the image.
    """

    def __init__(self, configuration: ResidualConfiguration) -> None:
        super().__init__()
        width, pool = configuration.width, configuration.pool
        self.stem = nn.Sequential(
            nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            first_activation(configuration.first_activation, configuration.alpha, configuration.activation),
            nn.MaxPool2d(2, ceil_mode=True) if pool == 2 else nn.MaxPool2d(pool, stride=2, padding=1),
        )
        stacks: list[ResidualBlock] = []
        channels = width
        for stack, blocks in enumerate(configuration.blocks):
            for block in range(blocks):
                first = configuration.first_stride if stack == 0 else 2
                stride = first if block == 0 else 1
                stacks.append(ResidualBlock(channels, width * 2**stack, stride, configuration))
                channels = stacks[-1].features
        self.stacks = nn.Sequential(*stacks)
        # the last of the preactivated blocks leaves its sum neither normalised nor activated
        self.exit = (
            normalised(channels, configuration.activation) if configuration.preactivated else nn.Identity()
        )
        self.features = channels

    def maps(self, images: torch.Tensor) -> torch.Tensor:
        """The last maps (B, `features`, h, w) of images (B, 1, H, W)."""
        result: torch.Tensor = self.exit(self.stacks(self.stem(images)))
        return result

    def summary(self, maps: torch.Tensor) -> torch.Tensor:
        """Features (B, `features`) of the last maps: their mean over the image."""
        return maps.mean(dim=(2, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, `features`) of images (B, 1, H, W)."""
        return self.summary(self.maps(images))
