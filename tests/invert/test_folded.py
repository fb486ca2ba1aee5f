"""Networks as they answer: quicker, and the same as they were trained."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from invert.backbone import RESNETS, ResidualConfiguration, ResidualNetwork
from invert.folded import folded
from invert.model import Model, ModelConfiguration
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.pattern import Simulation

CONFIGURATIONS = {
    "tanh": ResidualConfiguration((1, 2), 8),
    "relu": ResidualConfiguration((1, 1), 8, "relu", pool=3, first_stride=1),
    "bottleneck": ResidualConfiguration((2, 1), 8, "relu", "bottleneck"),
    "preactivated": ResidualConfiguration(
        (2, 2), 8, "leaky_relu", preactivated=True, pool=3, first_stride=1, first_activation="logarithmic"
    ),
}


def as_if_trained(network: nn.Module) -> nn.Module:
    """With statistics in the normalisation that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(generator=generator)
                module.running_var.uniform_(0.2, 2.0, generator=generator)
                module.weight.uniform_(0.5, 1.5, generator=generator)
                module.bias.normal_(generator=generator)
    return network.eval()


@pytest.mark.parametrize("configuration", CONFIGURATIONS.values(), ids=CONFIGURATIONS.keys())
def test_a_folded_network_answers_as_it_did(configuration: ResidualConfiguration) -> None:
    network = as_if_trained(ResidualNetwork(configuration))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    images = torch.rand((3, 1, 48, 48), generator=torch.Generator().manual_seed(2))
    quick = folded(network)
    with torch.inference_mode():
        expected, found = network(images), quick(images)
    assert torch.allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
    left = [module for module in quick.modules() if isinstance(module, nn.BatchNorm2d)]
    # only the normalisation that follows no convolution stays: before a preactivated block, and at the end
    assert len(left) == (sum(configuration.blocks) + 1 if configuration.preactivated else 0)
    # the order that makes a network quick, the filters of the first layer with their one channel among them
    assert {tuple(p.stride())[1] for p in quick.parameters() if p.ndim == 4} == {1}
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_every_network_of_the_papers_can_be_folded() -> None:
    network = as_if_trained(ResidualNetwork(RESNETS["resnet18"]))
    images = torch.rand((1, 1, 64, 64), generator=torch.Generator().manual_seed(3))
    with torch.inference_mode():
        expected, found = network(images), folded(network)(images)
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-4 * float(expected.abs().max()))


@pytest.fixture
def model() -> Model:
    simulation = Simulation(detector=EwaldDetector(pixels=32, q_step=2 * PAPER_Q_STEP))
    torch.manual_seed(4)
    network = ResidualConfiguration((1, 1), 8, "relu")
    made = Model(ModelConfiguration(network, "code", simulation=simulation))
    as_if_trained(made)
    return made


def test_a_model_whose_weights_change_answers_with_the_new_ones(model: Model) -> None:
    images = torch.rand((2, 32, 32), generator=torch.Generator().manual_seed(5))
    names = set(model.state_dict())
    first = model.invert(images).radius
    with torch.no_grad():
        for parameter in model.backbone.parameters():
            parameter.mul_(1.1)
    second = model.invert(images).radius
    fresh = Model(model.configuration)
    fresh.load_state_dict(model.state_dict())
    assert abs(first - second).max() > 1e-3
    assert fresh.invert(images).radius == pytest.approx(second, rel=1e-9)
    assert set(model.state_dict()) == names


def test_an_answer_does_not_depend_on_the_frames_beside_it(model: Model) -> None:
    images = torch.rand((71, 32, 32), generator=torch.Generator().manual_seed(6))
    together = model.invert(images)
    for row in (0, 3, 70):
        alone = model.invert(images[row : row + 1])
        for some, one in zip(together, alone, strict=True):
            assert some[row] == pytest.approx(one[0], rel=1e-5, abs=1e-6)


def test_nothing_waits_for_the_device_while_the_network_looks(
    model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors of the device "meta" have no values: whatever would wait for those of a GPU fails."""
    monkeypatch.setattr("invert.model.versions", lambda network: ())  # nor do they lie anywhere
    with torch.inference_mode():
        features, numbers = model.to("meta").seen(torch.empty((3, 32, 32), device="meta"))
    assert features.shape[:2] == numbers.shape[:2] == (8, 3)
    assert features.device.type == numbers.device.type == "meta"


@pytest.mark.gpu
@pytest.mark.usefixtures("full_precision")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU HERE: a folded network did not run on CUDA")
def test_a_gpu_answers_as_a_processor_does(model: Model) -> None:
    images = torch.rand((140, 32, 32), generator=torch.Generator().manual_seed(7))
    expected = model.invert(images)
    found = model.to("cuda").invert(images)
    assert found.radius == pytest.approx(expected.radius, rel=1e-2)
    assert found.radius_sigma == pytest.approx(expected.radius_sigma, rel=1e-2)
