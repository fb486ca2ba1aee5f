"""Networks from an image to a feature vector. They know nothing of what the features are for.

- ``resnet``: residual networks, for both tasks;
- ``vgg``: VGG networks;
- ``activation``: what follows their convolutions.

Every network has `features`, their number; `maps`, from images to the last maps in which things keep their
places; and `summary`, from those to the features. Every configuration has `smallest_image`, in pixels.
"""

from invert.backbone.resnet import RESNETS, ResidualConfiguration, ResidualNetwork
from invert.backbone.vgg import VGGS, VGGConfiguration, VGGNetwork

__all__ = [
    "NETWORKS",
    "RESNETS",
    "Network",
    "NetworkConfiguration",
    "ResidualConfiguration",
    "ResidualNetwork",
    "VGGConfiguration",
    "VGGNetwork",
    "build",
]

NetworkConfiguration = ResidualConfiguration | VGGConfiguration
Network = ResidualNetwork | VGGNetwork

NETWORKS: dict[str, NetworkConfiguration] = {**RESNETS, **VGGS}
"""The networks of Zimmermann et al. 2019, tables 7 and 8, by name."""


def build(configuration: NetworkConfiguration) -> Network:
    """A network with fresh weights."""
    if isinstance(configuration, VGGConfiguration):
        return VGGNetwork(configuration)
    return ResidualNetwork(configuration)
