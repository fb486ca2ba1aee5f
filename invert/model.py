"""A model: what it was trained on, its network, and the step from frames to particles."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from augment.scaling import FLOOR_DECADES, check_decades, stretch
from invert import dihedral
from invert.backbone import ResidualConfiguration, ResidualNetwork
from invert.folded import Versions, folded, versions
from invert.heads import UncertaintyHead, VectorHead
from invert.targets import Joined, TargetName, target_named
from msft.errors import ParameterError
from msft.pattern import Simulation

IMAGES = 512
"""Of which each is looked at in all views before the next ones are."""

VIEWS = {"cpu": 32, "cuda": 1024}
"""That pass the network at a time, fewer if they have more than `PIXELS`: on a processor, so few that their
maps stay in its caches."""

PIXELS = 128**2
"""Of an image of the papers."""

SMALLEST_SPREAD = 1e-4
"""In nm and in radians, below which the views of an image agree."""


@dataclass(frozen=True)
class ModelConfiguration:
    """Everything needed to build a model and to feed it.

    Parameters
    ----------
    network
        The backbone.
    target
        ``vector``, the papers' five numbers, or ``code``, the 13-dimensional orientation and the radius.
    body
        Name of the body.
    radius_range
        Smallest and largest radius in nm that it was trained on.
    floor_decades
        Decades of intensity between black and white in the images that it sees.
    simulation
        How the patterns that it was trained on were simulated.
    """

    network: ResidualConfiguration = field(default_factory=ResidualConfiguration)
    target: TargetName = "vector"
    body: str = "icosahedron"
    radius_range: tuple[float, float] = (30.0, 160.0)
    floor_decades: float = FLOOR_DECADES
    simulation: Simulation = field(default_factory=Simulation)

    def __post_init__(self) -> None:
        check_decades(self.floor_decades)
        if self.body != "icosahedron":
            raise ParameterError("body", self.body, "icosahedron, whose symmetry the targets are made for")


class Answers(NamedTuple):
    """What a model says of N images, each looked at in several symmetries of the square.

    Attributes
    ----------
    radius
        In nm, shape (N,).
    orientation
        Quaternions in the fundamental domain, shape (N, 4).
    radius_sigma, orientation_sigma
        Uncertainties in nm and in radians about each axis, shape (N,). Of images like those of the training,
        68 % have an error in radius below `radius_sigma`, and 68 % a misorientation below
        `invert.uncertainty.ANGLE` times `orientation_sigma`.
    restlessness
        How far the orientations of an image's views are apart: the logarithm, in standard deviations from the
        mean over images like those of the training, shape (N,).
    """

    radius: NDArray[np.float64]
    orientation: NDArray[np.float64]
    radius_sigma: NDArray[np.float64]
    orientation_sigma: NDArray[np.float64]
    restlessness: NDArray[np.float64]


class Model(nn.Module):
    """A backbone with the heads for its target and for the uncertainty: images to numbers (B, size)."""

    def __init__(self, configuration: ModelConfiguration) -> None:
        super().__init__()
        self.configuration = configuration
        self.target = target_named(configuration.target, configuration.radius_range)
        self.backbone = ResidualNetwork(configuration.network)
        self.head = VectorHead(self.backbone.features, self.target.size)
        # beside the features, how far the views of an image are apart
        self.uncertainty = UncertaintyHead(self.backbone.features + 2)
        self._folded: tuple[Versions, nn.Module] | None = None

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Numbers (B, size) of grey images (B, H, W) in [0, 1]; each is stretched to its maximum first."""
        result: torch.Tensor = self.head(self.features(images))
        return result

    def features(self, images: torch.Tensor) -> torch.Tensor:
        """Features (B, F) of grey images (B, H, W) in [0, 1]."""
        result: torch.Tensor = self.backbone(stretch(images, self.configuration.floor_decades)[:, None])
        return result

    def look(self, images: torch.Tensor) -> tuple[torch.Tensor, Joined]:
        """Signs of the uncertainty (B, F + 2), and what the views of grey images (B, H, W) say together."""
        features, numbers = self.seen(images)
        joined = self.target.joined(numbers.double().cpu().numpy(), self._views)
        spread = np.log(np.maximum(joined.spread, SMALLEST_SPREAD))
        signs = [features.mean(dim=0).float(), torch.from_numpy(spread).float().to(images.device)]
        return torch.cat(signs, dim=1), joined

    def seen(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (V, B, F) and numbers (V, B, size) of all V views of grey images (B, H, W).

        Nothing waits for the device.
        """
        backbone, views = self._answering(), self._views

        def of_views(part: torch.Tensor) -> torch.Tensor:
            turned = torch.cat([dihedral.view(part, view) for view in views])
            features: torch.Tensor = backbone(turned[:, None])
            return features.view(len(views), len(part), -1)

        at_once = VIEWS.get(images.device.type, VIEWS["cuda"]) * PIXELS // max(PIXELS, images[0].numel())
        parts = torch.split(stretch(images, self.configuration.floor_decades), max(1, at_once // len(views)))
        features = torch.cat([of_views(part) for part in parts], dim=1)
        return features, self.head(features)

    @property
    def _views(self) -> list[int]:
        return self.target.views(dihedral.order(self.configuration.simulation.detector))

    def _answering(self) -> nn.Module:
        """The backbone; where no gradient is wanted, one that is quicker."""
        if self.training or torch.is_grad_enabled():
            return self.backbone
        found = versions(self.backbone)
        if self._folded is None or self._folded[0] != found:
            # in a tuple, since it is no part of the model's state
            self._folded = (found, folded(self.backbone))
        return self._folded[1]

    @torch.inference_mode()
    def invert(self, images: torch.Tensor) -> Answers:
        """What the grey images (N, H, W) show.

        Raises
        ------
        ParameterError
            If the images have another size than those that the model was trained on.
        """
        pixels = self.configuration.simulation.detector.pixels
        if images.ndim != 3 or images.shape[1:] != (pixels, pixels):
            size = " x ".join(map(str, images.shape[1:]))
            raise ParameterError(
                "dataset", f"images of {size} pixels", f"{pixels} x {pixels}, as the model's"
            )
        device = next(self.parameters()).device
        self.eval()
        numbers = np.empty((len(images), self.target.size))
        said = np.empty((len(images), 3))
        for start in range(0, len(images), IMAGES):
            rows = slice(start, start + IMAGES)
            signs, joined = self.look(images[rows].to(device))
            numbers[rows] = joined.numbers
            restless = self.uncertainty.standard(signs)[:, -1:]
            said[rows] = torch.cat([self.uncertainty(signs), restless], dim=1).double().cpu().numpy()
        return Answers(*self.target.decode(numbers), *said.T)


def pick_device(name: str) -> torch.device:
    """The device of that name: ``auto`` is the GPU where there is one.

    Raises
    ------
    ParameterError
        If the name is unknown, or a GPU is asked for where there is none.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise ParameterError("device", name, "one of auto, cpu, cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise ParameterError("device", name, "cpu or auto; there is no usable NVIDIA GPU here")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")
