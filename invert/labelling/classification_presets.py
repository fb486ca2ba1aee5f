"""How classifiers are trained: named configurations of network, input and training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from invert.backbone import NETWORKS, NetworkConfiguration, ResidualConfiguration
from invert.labelling.classifier import paper_network
from invert.labelling.inputs import InputConfiguration
from msft.configuration import to_mapping
from msft.errors import ParameterError
from msft.seeding import check_seed


@dataclass(frozen=True)
class ClassificationTraining:
    """How a classifier is trained; the defaults are those of Zimmermann et al. 2019, section 3.1.5.

    Parameters
    ----------
    epochs
        Passes over the training images.
    batch
        Images per step.
    learning_rate
        Of stochastic gradient descent, at the beginning.
    decay, decay_epochs
        The learning rate is multiplied by `decay` every so many epochs.
    momentum
        Of the descent; the paper's equation 7 has none.
    l1, l2
        Weights of the sum of the weights' magnitudes and of their squares in the loss (equation 10, which
        prints the root of the latter; the elastic net that the paper calls it has the sum).
    flips
        Whether training images are flipped at random along both axes. The paper also changes contrast and
        brightness, it does not say by how much.
    held_out
        Fraction of the images kept from training, drawn at random.
    seed
        Of the weights, the division, the order and the flips.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    epochs: int = 200
    batch: int = 48
    learning_rate: float = 0.1
    decay: float = 0.1
    decay_epochs: int = 50
    momentum: float = 0.0
    l1: float = 1e-5
    l2: float = 1e-5
    flips: bool = True
    held_out: float = 0.15
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed, "training.seed")
        for name, allowed, good in (
            ("epochs", "1 or more", self.epochs >= 1),
            ("batch", "2 or more (batch normalisation)", self.batch >= 2),
            ("learning_rate", "above 0 and below 10", 0 < self.learning_rate < 10),
            ("decay", "above 0, at most 1", 0 < self.decay <= 1),
            ("decay_epochs", "1 or more", self.decay_epochs >= 1),
            ("momentum", "0 to below 1", 0 <= self.momentum < 1),
            ("l1", "0 to 1", 0 <= self.l1 <= 1),
            ("l2", "0 to 1", 0 <= self.l2 <= 1),
            ("held_out", "a fraction between 0 and 1", 0 < self.held_out < 1),
        ):
            if not good:
                raise ParameterError(f"training.{name}", getattr(self, name), allowed)


@dataclass(frozen=True)
class ClassificationPreset:
    """What training a classifier needs besides labelled images."""

    network: NetworkConfiguration = field(default_factory=paper_network)
    input: InputConfiguration = field(default_factory=InputConfiguration)
    training: ClassificationTraining = field(default_factory=ClassificationTraining)


CLASSIFICATION_PRESETS: dict[str, ClassificationPreset] = {
    "paper": ClassificationPreset(),
    # Minutes on two CPU cores; three stacks leave maps of 6 x 6, which show where a label comes from.
    "quick": ClassificationPreset(
        ResidualConfiguration(
            (2, 2, 2),
            12,
            "leaky_relu",
            preactivated=True,
            pool=3,
            first_stride=1,
            first_activation="logarithmic",
        ),
        InputConfiguration(pixels=96),
        ClassificationTraining(epochs=24, decay_epochs=10, momentum=0.9),
    ),
}


def classification_preset(name: str) -> ClassificationPreset:
    """The preset of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name not in CLASSIFICATION_PRESETS:
        raise ParameterError("preset", name, "one of " + ", ".join(CLASSIFICATION_PRESETS))
    return CLASSIFICATION_PRESETS[name]


def network_table(preset: ClassificationPreset, given: Any) -> dict[str, Any]:
    """What a file says of the network, on top of the preset's.

    Parameters
    ----------
    preset
        Whose network is changed.
    given
        A name of `NETWORKS`; or a table of fields, which change the preset's network if it is of that kind
        and else describe one anew.

    Raises
    ------
    ParameterError
        If there is no network of that name.
    """
    if isinstance(given, str):
        if given not in NETWORKS:
            raise ParameterError("network", given, "a table, or one of " + ", ".join(NETWORKS))
        return to_mapping(NETWORKS[given])
    mapping = to_mapping(preset.network)
    if not isinstance(given, Mapping):
        raise ParameterError("network", repr(given), "a table, or one of " + ", ".join(NETWORKS))
    return {**(mapping if given.get("kind", mapping["kind"]) == mapping["kind"] else {}), **given}
