"""Named configurations of network, target and training."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from augment.presets import ANY_WINDOW, EXPERIMENT, PAPER_FILTERS, RECORDINGS
from augment.scaling import FLOOR_DECADES
from invert.backbone import ResidualConfiguration
from invert.targets import TargetName
from msft.errors import ParameterError
from msft.seeding import check_seed


@dataclass(frozen=True)
class TrainingConfiguration:
    """How a network is trained.

    Parameters
    ----------
    images
        Training images shown in all; every one passes a freshly drawn filter.
    batch
        Images per step.
    learning_rate
        Peak of the one-cycle schedule.
    weight_decay
        Of AdamW.
    held_out
        Fraction of the dataset kept from training: its first half chooses the best weights, its second half
        is only reported on.
    loss
        ``square``, the mean square error; or ``smooth``, which is linear beyond a deviation of
        `invert.training.train.SMOOTH`: rare large errors weigh less, and most answers come out closer.
    filters
        Names of the recordings (`augment.presets.RECORDINGS`) of which each image passes one, drawn with
        equal chance; a name may stand more than once.
    floor_decades
        Decades of intensity between black and white.
    symmetric
        Whether each pattern is shown in all symmetries of the square, drawn with equal chance, with the
        orientation that belongs to each (`invert.dihedral`).
    online
        Whether every image shows a particle of its own, simulated while the network learns, in place of those
        of the dataset; what is held out stays the same.
    seed
        Of the weights, the order, the filters and the new particles.

    Raises
    ------
    ParameterError
        If a value is outside its range, or a filter is unknown.
    """

    images: int = 5_500_000
    batch: int = 64
    learning_rate: float = 1e-3
    weight_decay: float = 0.05
    held_out: float = 0.2
    loss: Literal["square", "smooth"] = "smooth"
    filters: tuple[str, ...] = PAPER_FILTERS
    floor_decades: float = FLOOR_DECADES
    symmetric: bool = True
    online: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.images < 1:
            raise ParameterError("training.images", self.images, "1 or more")
        if self.batch < 2:
            raise ParameterError("training.batch", self.batch, "2 or more (batch normalisation)")
        if not 0 < self.learning_rate < 10:
            raise ParameterError("training.learning_rate", self.learning_rate, "above 0 and below 10")
        if not 0 <= self.weight_decay < 1:
            raise ParameterError("training.weight_decay", self.weight_decay, "0 to below 1")
        if not 0 < self.held_out < 1:
            raise ParameterError("training.held_out", self.held_out, "a fraction between 0 and 1")
        check_seed(self.seed, "training.seed")
        if self.loss not in ("square", "smooth"):
            raise ParameterError("training.loss", self.loss, "square or smooth")
        unknown = [name for name in self.filters if name not in RECORDINGS]
        if unknown or not self.filters:
            raise ParameterError("training.filters", unknown, "one or more of " + ", ".join(RECORDINGS))


@dataclass(frozen=True)
class Preset:
    """What `invert train` needs besides a dataset."""

    network: ResidualConfiguration = field(default_factory=ResidualConfiguration)
    target: TargetName = "vector"
    training: TrainingConfiguration = field(default_factory=TrainingConfiguration)


PRESETS: dict[str, Preset] = {
    # Stielow et al. 2020, section 3. Their 4 h on a GTX 1060, at the 380 images/s that such a card may train
    # this network with, are the number of images.
    "paper": Preset(training=TrainingConfiguration(loss="square", symmetric=False)),
    # For a GPU: the smooth code of the orientation, half the paper's depth, and the images that are wanted,
    # most of them as a detector records them: clean ones are learned long before those.
    "best": Preset(
        ResidualConfiguration(blocks=(2, 2, 2, 2), width=64, activation="relu"),
        "code",
        TrainingConfiguration(
            images=5_000_000,
            batch=128,
            learning_rate=4e-3,
            filters=("identity", EXPERIMENT, EXPERIMENT, ANY_WINDOW),
        ),
    ),
    # Minutes on two CPU cores.
    "quick": Preset(
        ResidualConfiguration(blocks=(1, 1, 1, 1), width=16, activation="relu"),
        "code",
        # After as many images better on both, and on the patterns of Barke et al., than with the paper's
        # filters among them.
        TrainingConfiguration(
            images=100_000,
            learning_rate=8e-3,
            filters=("identity", EXPERIMENT, ANY_WINDOW),
        ),
    ),
}


def preset(name: str) -> Preset:
    """The preset of that name.

    Raises
    ------
    ParameterError
        If there is none.
    """
    if name not in PRESETS:
        raise ParameterError("preset", name, "one of " + ", ".join(PRESETS))
    return PRESETS[name]
