"""A classifier: which labels it knows, what it sees, its network, and its file."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from invert import checkpoint
from invert.backbone import RESNETS, NetworkConfiguration, build
from invert.heads import VectorHead
from invert.labelling.inputs import InputConfiguration
from msft.configuration import from_mapping
from msft.errors import ParameterError
from msft.helium import labels as helium

FORMAT = "msft-invert classifier 1"
BATCH = 64

SAME_LIGHT = 0.01
"""Part of a wavelength by which frames may be beyond what was learned from."""


def paper_network() -> NetworkConfiguration:
    """ResNet18 whose first activation is logarithmic (Zimmermann et al. 2019, section 5.1)."""
    return replace(RESNETS["resnet18"], first_activation="logarithmic", alpha=0.2)


@dataclass(frozen=True)
class ClassifierConfiguration:
    """Everything needed to build a classifier and to feed it.

    Parameters
    ----------
    network
        The backbone.
    labels
        Names of the labels.
    input
        What it sees of a frame.

    Raises
    ------
    ParameterError
        If there are no labels, or the images are too small for the network.
    """

    network: NetworkConfiguration = field(default_factory=paper_network)
    labels: tuple[str, ...] = helium.NAMES
    input: InputConfiguration = field(default_factory=InputConfiguration)

    def __post_init__(self) -> None:
        if not self.labels or len(set(self.labels)) != len(self.labels):
            raise ParameterError("labels", ", ".join(self.labels), "one or more names that differ")
        check_size(self.input.pixels, self.network, "input.pixels")

    def column(self, label: str) -> int:
        """Where a label stands.

        Raises
        ------
        ParameterError
            If there is none of that name.
        """
        if label not in self.labels:
            raise ParameterError("label", label, "one of " + ", ".join(self.labels))
        return self.labels.index(label)


def check_size(pixels: int, network: NetworkConfiguration, where: str) -> None:
    """Refuse images of which nothing is left at the end of a network.

    Raises
    ------
    ParameterError
        If they have fewer pixels per side than one pixel of the network's last maps stands for.
    """
    if pixels < network.smallest_image:
        raise ParameterError(
            where,
            f"{pixels} x {pixels} pixels",
            f"{network.smallest_image} or more per side, for this network",
        )


def check_labels(names: tuple[str, ...], configuration: ClassifierConfiguration) -> None:
    """Refuse labels that are not the classifier's.

    Raises
    ------
    ParameterError
        If they, or their order, differ.
    """
    if names != configuration.labels:
        raise ParameterError(
            "labels", ", ".join(names), ", ".join(configuration.labels) + ", the classifier's"
        )


class Classifier(nn.Module):
    """A backbone with one number per label: images (B, H, W) to logits (B, C)."""

    def __init__(self, configuration: ClassifierConfiguration) -> None:
        super().__init__()
        self.configuration = configuration
        self.backbone = build(configuration.network)
        self.head = VectorHead(self.backbone.features, len(configuration.labels))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits (B, C) of images (B, H, W) as `invert.labelling.inputs.inputs` makes them."""
        result: torch.Tensor = self.head(self.backbone(images[:, None]))
        return result

    @torch.inference_mode()
    def probabilities(self, images: torch.Tensor) -> torch.Tensor:
        """Probability of every label, float32 on the CPU, shape (N, C), of images (N, H, W)."""
        device = next(self.parameters()).device
        self.eval()
        result = torch.empty((len(images), len(self.configuration.labels)))
        for start in range(0, len(images), BATCH):
            rows = slice(start, start + BATCH)
            result[rows] = self(images[rows].to(device)).sigmoid().float().cpu()
        return result


class LoadedClassifier(NamedTuple):
    """A classifier that was read back.

    Attributes
    ----------
    classifier
        On the CPU, in evaluation mode.
    scores
        On held-out images, as training stored them.
    digest
        First 16 hexadecimal digits of the weights file's SHA-256.
    path
        Of the weights file.
    provenance
        With what and by which command it was trained.
    """

    classifier: Classifier
    scores: dict[str, Any]
    digest: str
    path: Path
    provenance: dict[str, Any]

    def doubts(self, wavelength: float | None) -> list[str]:
        """What is warned of frames whose light, in nm, is not that of the images which it learned from."""
        learned = self.provenance.get("dataset", {}).get("wavelengths")
        if wavelength is None or learned is None:
            return []
        shortest, longest = learned
        if shortest * (1 - SAME_LIGHT) <= wavelength <= longest * (1 + SAME_LIGHT):
            return []
        of = f"{shortest:.4g} nm" if shortest == longest else f"{shortest:.4g} to {longest:.4g} nm"
        return [f"warning: light of {wavelength:.4g} nm; the network learned from images of {of}"]


def save(
    folder: Path, classifier: Classifier, training: Any, scores: dict[str, Any], provenance: dict[str, Any]
) -> None:
    """Write a classifier's weights into a folder; see `invert.checkpoint.save`."""
    checkpoint.write(folder, FORMAT, classifier, training, scores, provenance)


def load(path: Path) -> LoadedClassifier:
    """Read a classifier from its folder or weights file.

    Raises
    ------
    ParameterError
        If there are no weights, or they are not those of a classifier.
    """
    weights = checkpoint.read(path, FORMAT)
    with weights.fitting():
        configuration = from_mapping(ClassifierConfiguration, weights.configuration, "model")
        classifier = Classifier(configuration)
        classifier.load_state_dict(weights.state)
    return LoadedClassifier(
        classifier.eval(), weights.errors, weights.digest, weights.path, weights.provenance
    )
