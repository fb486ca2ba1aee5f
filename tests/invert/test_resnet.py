"""The residual network is the one of Stielow et al. 2020, figure 3."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import nn

from invert.backbone import ResidualConfiguration, ResidualNetwork
from invert.backbone.resnet import Projection, ResidualBlock
from invert.model import Model, ModelConfiguration
from msft.errors import ParameterError


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_paper_network_has_the_parameters_counted_by_hand() -> None:
    def stack(channels: int, filters: int, blocks: int) -> int:
        first = 9 * channels * filters + 9 * filters**2 + channels * filters  # two 3x3, one 1x1
        others = (blocks - 1) * 2 * 9 * filters**2
        normalisation = 2 * filters * (2 * blocks + 1)
        return first + others + normalisation

    stem = 7 * 7 * 64 + 2 * 64
    stacks = stack(64, 64, 3) + stack(64, 128, 4) + stack(128, 256, 6) + stack(256, 512, 4)
    assert count(ResidualNetwork(ResidualConfiguration())) == stem + stacks == 26_003_264
    model = Model(ModelConfiguration())  # the head for uncertainties is not the paper's
    assert count(model.backbone) + count(model.head) == stem + stacks + 512 * 5 + 5


def test_paper_network_has_34_layers_on_the_longest_path_plus_the_second_last_stack() -> None:
    # 3 + 4 + 6 + 4 blocks of two convolutions, the stem and the linear layer
    network = ResidualNetwork(ResidualConfiguration())
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]
    assert len(convolutions) == 1 + 2 * (3 + 4 + 6 + 4)


def test_every_activation_of_the_paper_network_is_tanh() -> None:
    network = ResidualNetwork(ResidualConfiguration())
    kinds = {type(m) for m in network.modules() if type(m).__module__.endswith("activation")}
    assert kinds == {nn.Tanh}


def test_each_stack_halves_the_resolution_and_doubles_the_filters() -> None:
    network = ResidualNetwork(ResidualConfiguration(width=4)).eval()
    maps = network.stem(torch.zeros(1, 1, 128, 128))
    assert maps.shape == (1, 4, 32, 32)
    shapes = []
    for block in network.stacks:
        maps = block(maps)
        shapes.append(tuple(maps.shape[1:]))
    assert [shapes[0], shapes[3], shapes[7], shapes[13]] == [(4, 16, 16), (8, 8, 8), (16, 4, 4), (32, 2, 2)]


def test_a_block_without_residual_is_its_activation() -> None:
    network = ResidualNetwork(ResidualConfiguration(blocks=(2,), width=3)).eval()
    block = network.stacks[1]
    assert isinstance(block, ResidualBlock)
    assert isinstance(block.residual, nn.Sequential)
    for parameter in block.residual[-1].parameters():
        nn.init.zeros_(parameter)
    images = torch.randn(2, 3, 5, 5)
    assert torch.allclose(block(images), torch.tanh(images))


@pytest.mark.parametrize("channels", [1, 4, 15, 16, 40])
@pytest.mark.parametrize("side", [7, 8])
def test_a_projection_is_a_strided_convolution(channels: int, side: int) -> None:
    images = torch.randn(3, channels, side, side, dtype=torch.float64)
    projection = Projection(channels, 6, 1, 2).double()
    expected = torch.einsum("bchw,fc->bfhw", images[:, :, ::2, ::2], projection.weight[..., 0, 0])
    assert projection.bias is not None
    assert torch.allclose(projection(images), expected + projection.bias[:, None, None])


LEARNING = """
import torch
from invert.backbone import ResidualConfiguration, ResidualNetwork
torch.manual_seed(0)
torch.set_num_threads(1)
network = ResidualNetwork(ResidualConfiguration(blocks=(1, 1), width={width}))
network.to(memory_format=torch.channels_last)
for _ in range(20):
    network(torch.rand(64, 1, 32, 32)).sum().backward()
"""


# a process of its own: what is guarded against kills it (uxlfoundation/oneDNN issue 6035)
@pytest.mark.parametrize("width", [2, 4])
def test_narrow_networks_learn_with_channels_last(width: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEARNING.format(width=width)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("pixels", [1, 7, 64, 224])
def test_any_image_size_gives_finite_features(pixels: int) -> None:
    network = ResidualNetwork(ResidualConfiguration(blocks=(1, 1), width=2)).eval()
    features = network(torch.rand(2, 1, pixels, pixels))
    assert features.shape == (2, network.features)
    assert features.isfinite().all()


@pytest.mark.parametrize(
    ("values", "field"),
    [({"blocks": ()}, "blocks"), ({"blocks": (1, 0)}, "blocks"), ({"width": 0}, "width")],
)
def test_bad_shapes_are_refused(values: dict[str, object], field: str) -> None:
    with pytest.raises(ParameterError, match=field):
        ResidualConfiguration(**values)  # type: ignore[arg-type]
