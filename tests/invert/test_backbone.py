"""The classifier's networks are those of Zimmermann et al. 2019, tables 7 and 8, and equation 11."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from invert.backbone import (
    NETWORKS,
    NetworkConfiguration,
    ResidualConfiguration,
    VGGConfiguration,
    VGGNetwork,
    build,
)
from invert.backbone.activation import Logarithmic
from invert.backbone.resnet import ResidualBlock
from msft.configuration import from_mapping, to_mapping
from msft.errors import ParameterError


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def network(name: str) -> nn.Module:
    with torch.device("meta"):  # shapes without the 2 GB of the VGG networks
        return build(NETWORKS[name])


STEM = 7 * 7 * 64 + 2 * 64


def basic_stack(channels: int, filters: int, blocks: int) -> int:
    """Weights of a stack of preactivated basic blocks: normalisations of inputs, convolutions, shortcut."""
    first = 2 * channels + 9 * channels * filters + 2 * filters + 9 * filters**2
    others = 2 * filters + 9 * filters**2 + 2 * filters + 9 * filters**2
    shortcut = channels * filters if channels != filters else 0
    return first + shortcut + (blocks - 1) * others


def bottleneck_stack(channels: int, filters: int, blocks: int) -> int:
    """The same of bottleneck blocks, which all have 4 times the filters at their end."""
    wide = 4 * filters
    inner = 2 * filters + 9 * filters**2 + 2 * filters + filters * wide
    first = 2 * channels + channels * filters + inner + channels * wide
    return first + (blocks - 1) * (2 * wide + wide * filters + inner)


def test_resnet18_has_the_parameters_counted_by_hand() -> None:
    stacks = [(64, 64, 2), (64, 128, 2), (128, 256, 2), (256, 512, 2)]
    counted = STEM + sum(basic_stack(*stack) for stack in stacks) + 2 * 512
    assert count(network("resnet18")) == counted == 11_168_576


@pytest.mark.parametrize(
    ("name", "blocks", "parameters"),
    [("resnet50", (3, 4, 6, 3), 23_494_208), ("resnet101", (3, 4, 23, 3), 42_486_336)],
)
def test_bottleneck_networks_have_the_parameters_counted_by_hand(
    name: str, blocks: tuple[int, ...], parameters: int
) -> None:
    shapes = zip((64, 256, 512, 1024), (64, 128, 256, 512), blocks, strict=True)
    counted = STEM + sum(bottleneck_stack(*shape) for shape in shapes) + 2 * 2048
    assert count(network(name)) == counted == parameters


@pytest.mark.parametrize(("name", "thirds"), [("vgg16", 3), ("vgg19", 4)])
def test_vgg_networks_have_the_parameters_counted_by_hand(name: str, thirds: int) -> None:
    def stack(channels: int, filters: int, convolutions: int) -> int:
        weights = 9 * channels * filters + (convolutions - 1) * 9 * filters**2
        return weights + 2 * filters * convolutions

    shapes = [(1, 64, 2), (64, 128, 2), (128, 256, thirds), (256, 512, thirds), (512, 512, thirds)]
    output = 49 * 512 * 4096 + 2 * 4096 + 4096**2 + 2 * 4096
    assert count(network(name)) == sum(stack(*shape) for shape in shapes) + output


@pytest.mark.parametrize(
    ("name", "layers"),
    [
        ("resnet18", 18),
        ("resnet50", 50),
        ("resnet101", 101),
        ("resnet152", 152),
        ("vgg16", 16),
        ("vgg19", 19),
    ],
)
def test_networks_have_the_layers_of_their_names(name: str, layers: int) -> None:
    modules = network(name).named_modules()
    convolutions = [key for key, module in modules if isinstance(module, nn.Conv2d) and "shortcut" not in key]
    assert len(convolutions) + 1 == layers  # and the head


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "vgg16"])
def test_images_of_224_pixels_end_as_maps_of_the_papers_size(name: str) -> None:
    built = network(name).eval()
    images = torch.zeros(1, 1, 224, 224, device="meta")
    assert isinstance(built.features, int)
    maps = built.maps(images)  # type: ignore[operator]
    assert maps.shape[2:] == ((14, 14) if name == "vgg16" else (7, 7))
    assert built(images).shape == (1, built.features)


def test_hidden_activations_are_leaky_and_only_the_first_is_logarithmic() -> None:
    for shape in (
        ResidualConfiguration((1, 1), 4, "leaky_relu", preactivated=True),
        VGGConfiguration(width=2),
    ):
        mapping = {**to_mapping(shape), "first_activation": "logarithmic", "alpha": 0.5}
        built = build(from_mapping(type(shape), mapping))
        kinds = [m for m in built.modules() if type(m).__module__.endswith("activation")]
        assert isinstance(kinds[0], Logarithmic)
        assert kinds[0].alpha == 0.5
        assert {type(m) for m in kinds[1:]} == {nn.LeakyReLU}
        assert {m.negative_slope for m in kinds[1:] if isinstance(m, nn.LeakyReLU)} == {0.2}


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_logarithmic_activation_is_equations_11_and_12(alpha: float) -> None:
    values = torch.tensor([-30.0, -1.0, -1e-3, 1e-3, 0.5, 1e4], dtype=torch.float64, requires_grad=True)
    result = Logarithmic(alpha)(values)
    c_0 = math.exp(-1)
    for x, y in zip(values.tolist(), result.tolist(), strict=True):
        written = alpha * (math.log(x + c_0) + 1) if x >= 0 else -alpha * (math.log(c_0 - x) + 1)
        assert y == pytest.approx(written, abs=1e-12)
    result.sum().backward()
    assert values.grad is not None
    assert torch.allclose(values.grad, alpha / (values.detach().abs() + c_0))
    assert Logarithmic(alpha)(torch.zeros(1)).item() == 0.0


def block_of(kind: str, channels: int, stride: int) -> ResidualBlock:
    shape = from_mapping(
        ResidualConfiguration,
        {"blocks": [1], "width": 4, "activation": "leaky_relu", "block": kind, "preactivated": True},
    )
    torch.manual_seed(0)
    block = ResidualBlock(channels, 4, stride, shape)
    for module in block.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.normal_(module.bias)
            module.running_mean = torch.randn_like(module.weight)
            module.running_var = torch.rand_like(module.weight) + 0.5
    return block.eval()


def written_out(block: ResidualBlock, images: torch.Tensor, stride: int) -> torch.Tensor:
    """He et al. 2016, figure 1 b, from the block's numbers alone."""
    entered = images
    modules = [m for m in block.modules() if isinstance(m, nn.BatchNorm2d)]
    convolutions = [m for m in block.residual if isinstance(m, nn.Conv2d)]
    order = sorted(modules, key=lambda m: m is not block.entry[0])  # type: ignore[index]
    strided = len(convolutions) - 2
    for number, (normalisation, convolution) in enumerate(zip(order, convolutions, strict=True)):
        n = normalisation
        entered = functional.batch_norm(entered, n.running_mean, n.running_var, n.weight, n.bias)
        entered = entered.clamp(min=0) + 0.2 * entered.clamp(max=0)
        if number == 0:
            shortcut = images
            if isinstance(block.shortcut, nn.Conv2d):
                shortcut = functional.conv2d(entered, block.shortcut.weight, stride=stride)
        here = stride if number == strided else 1
        entered = functional.conv2d(
            entered, convolution.weight, stride=here, padding=convolution.kernel_size[0] // 2
        )
    return entered + shortcut


@pytest.mark.parametrize(("kind", "same"), [("basic", 4), ("bottleneck", 16)])
@pytest.mark.parametrize("stride", [1, 2])
def test_preactivated_blocks_are_written_out(kind: str, same: int, stride: int) -> None:
    for channels in (same, 3):
        block = block_of(kind, channels, stride)
        images = torch.randn(2, channels, 8, 8)
        assert torch.allclose(block(images), written_out(block, images, stride), atol=1e-5)
        assert block(images).shape == (2, same, 8 // stride, 8 // stride)


def test_a_preactivated_block_without_residual_is_the_identity() -> None:
    block = block_of("bottleneck", 16, 1)
    last = block.residual[-1]
    assert isinstance(last, nn.Conv2d)
    nn.init.zeros_(last.weight)
    images = torch.randn(2, 16, 5, 5)
    assert torch.equal(block(images), images)


@pytest.mark.parametrize(
    "shape",
    [
        ResidualConfiguration((1, 1), 4, "leaky_relu", "bottleneck", True, 3, 1, "logarithmic", 1.0),
        VGGConfiguration(width=2, kernel=1, features=8),
    ],
)
def test_features_are_the_summary_of_the_maps(shape: NetworkConfiguration) -> None:
    built = build(shape).eval()
    for pixels in (shape.smallest_image, 40):
        images = torch.rand(2, 1, pixels, pixels)
        features = built(images)
        assert features.shape == (2, built.features)
        assert torch.equal(features, built.summary(built.maps(images)))
    assert from_mapping(type(shape), to_mapping(shape)) == shape


def test_vgg_ends_where_its_output_convolution_does_not_fit() -> None:
    shape = VGGConfiguration(width=2, kernel=2, features=8)
    assert shape.smallest_image == 64
    built = VGGNetwork(shape).eval()
    assert built(torch.rand(1, 1, 64, 64)).shape == (1, 8)
    with pytest.raises(RuntimeError):
        built(torch.rand(1, 1, 63, 63))


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        (ResidualConfiguration, {"block": "wide"}, "network.block"),
        (ResidualConfiguration, {"pool": 5}, "network.pool"),
        (ResidualConfiguration, {"first_stride": 3}, "network.first_stride"),
        (ResidualConfiguration, {"first_activation": "log"}, "network.first_activation"),
        (ResidualConfiguration, {"alpha": 0.0}, "network.alpha"),
        (VGGConfiguration, {"convolutions": (2, 2)}, "network.convolutions"),
        (VGGConfiguration, {"kernel": 0}, "network.kernel"),
        (VGGConfiguration, {"activation": "gelu"}, "network.activation"),
    ],
)
def test_bad_shapes_are_refused(kind: type, values: dict[str, object], field: str) -> None:
    with pytest.raises(ParameterError, match=field):
        kind(**values)
