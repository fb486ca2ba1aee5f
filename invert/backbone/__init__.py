"""Networks from an image to a feature vector. They know nothing of what the features are for.

- ``resnet``: residual networks.
"""

from invert.backbone.resnet import ResidualConfiguration, ResidualNetwork

__all__ = ["ResidualConfiguration", "ResidualNetwork"]
