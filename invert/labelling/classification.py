"""Networks that find labels, trained on labelled images; a classifier's folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim import SGD, Optimizer
from torch.optim.lr_scheduler import LRScheduler, StepLR

import msft
from invert import checkpoint
from invert.labelling import label_figures
from invert.labelling.classification_presets import ClassificationPreset, ClassificationTraining
from invert.labelling.classifier import Classifier, ClassifierConfiguration, check_size, save
from invert.labelling.labels import Examples, LabelledFrames
from invert.labelling.scores import Scores, score
from invert.training import trainer
from invert.training.resumption import resumable
from invert.training.trainer import Batch, Draw, Plan, Progress
from msft.configuration import to_mapping
from msft.errors import ParameterError
from msft.output import whole
from msft.seeding import generator_of

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class TrainedClassifier:
    """What training leaves.

    Attributes
    ----------
    classifier
        With the weights of the smallest loss on the held-out images.
    history
        Loss curves.
    scores
        On the held-out images, which also chose the weights: as the paper has it, and a little flattering.
    """

    classifier: Classifier
    history: list[dict[str, float]]
    scores: Scores


class Classification:
    """The task of finding labels: sigmoid cross-entropy, penalties on the weights, stepwise descent."""

    def __init__(
        self,
        model: Classifier,
        training: Examples,
        validation: Examples,
        settings: ClassificationTraining,
    ) -> None:
        self.model, self.training, self.validation, self.settings = model, training, validation, settings

    def prepared(self, batches: Sequence[Batch], draws: Sequence[Draw]) -> Sequence[Batch]:
        """Images (B, H, W) that are flipped at random for training, and labels (B, L)."""
        # a flipped image has the same correlation map, and a flipped map is that of no image
        is_image = self.model.configuration.input.representation == "image"
        if not (draws[0].training and self.settings.flips and is_image):
            return batches
        drawn = torch.rand((draws[0].examples, 2), generator=draws[0].generator(self.settings.seed)) < 0.5
        return [
            (flipped(images, drawn[draw.own(len(images))]), labels)
            for (images, labels), draw in zip(batches, draws, strict=True)
        ]

    def loss(self, batch: Batch, training: bool) -> torch.Tensor:
        """Sigmoid cross-entropy (equation 6, as a mean), with penalties (equation 10) while training."""
        images, labels = batch
        entropy = binary_cross_entropy_with_logits(self.model(images), labels)
        return entropy + self.penalty() if training else entropy

    def penalty(self) -> torch.Tensor:
        """l1 sum |w| + l2 sum w^2 over the weights of convolutions and of the head, biases left out."""
        weights = torch.cat([p.flatten() for p in self.model.parameters() if p.ndim > 1])
        return self.settings.l1 * weights.abs().sum() + self.settings.l2 * weights.square().sum()

    def optimiser(self, steps: int, epoch: int) -> tuple[Optimizer, LRScheduler]:
        """Stochastic gradient descent whose rate falls in steps."""
        settings = self.settings
        optimiser = SGD(self.model.parameters(), settings.learning_rate, settings.momentum)
        return optimiser, StepLR(optimiser, settings.decay_epochs * epoch, settings.decay)


def flipped(images: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
    """Images (B, H, W), each with its rows or its columns, or both, in reverse: bool (B, 2)."""
    for axis, chosen in enumerate(along.to(images.device, non_blocking=True).T, 1):
        images = torch.where(chosen[:, None, None], images.flip(axis), images)
    return images


def divided(count: int, training: ClassificationTraining) -> tuple[Rows, Rows]:
    """Rows to train on and rows held out, shuffled by the seed.

    Raises
    ------
    ParameterError
        If one of the two would be too few.
    """
    order = generator_of(training.seed).permutation(count)
    held_out = round(training.held_out * count)
    if held_out < 1 or count - held_out < training.batch:
        raise ParameterError("dataset", f"{count} images", "a batch to train on, and one or more held out")
    return order[held_out:], order[:held_out]


def fit(
    labelled: LabelledFrames,
    preset: ClassificationPreset,
    device: torch.device,
    progress: Progress = lambda done: None,
    **resumption: Any,
) -> TrainedClassifier:
    """Train a classifier on labelled frames, a random part of which is held out.

    Parameters
    ----------
    labelled
        Frames with labels.
    preset
        Network, input and training.
    device
        CPU or GPU.
    progress
        Called with 0 when training begins, then with the number of images of each step.
    resumption
        `left` and `keep` of `invert.training.trainer.train`.

    Raises
    ------
    ParameterError
        If the frames are smaller than the network needs, or too few to be divided.
    """
    check_size(min(labelled.frames.images.shape[1:]), preset.network, "frames")
    configuration = ClassifierConfiguration(preset.network, labelled.names, preset.input)
    taught, held_out = divided(len(labelled.labels), preset.training)
    examples = labelled.examples(preset.input)
    parts = examples.part(taught), examples.part(held_out)
    return fit_examples(*parts, configuration, preset.training, device, progress, **resumption)


def fit_examples(
    taught: Examples,
    held_out: Examples,
    configuration: ClassifierConfiguration,
    training: ClassificationTraining,
    device: torch.device,
    progress: Progress = lambda done: None,
    **resumption: Any,
) -> TrainedClassifier:
    """Train a classifier on examples, and choose its weights by others; see `fit`."""
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        classifier = Classifier(configuration)
    task = Classification(classifier, taught, held_out, training)
    plan = Plan(training.epochs * len(taught), training.batch, training.seed)
    state, history = trainer.train(task, plan, device, progress, **resumption)
    classifier.load_state_dict(state)
    classifier.to(device).eval()
    return TrainedClassifier(classifier, history, judged(classifier, held_out))


def judged(classifier: Classifier, examples: Examples) -> Scores:
    """The scores of a classifier on examples."""
    probabilities = classifier.probabilities(examples.images)
    return score(examples.labels.numpy(), probabilities.numpy(), classifier.configuration.labels)


def train(
    labelled: LabelledFrames,
    out: Path,
    preset: ClassificationPreset,
    device: torch.device,
    *,
    force: bool = False,
    command: str = "",
    progress: Progress = lambda done: None,
) -> TrainedClassifier:
    """Train on labelled frames and write the classifier's folder, which appears whole or not at all.

    A training that was stopped goes on by the same call.

    The folder holds ``weights.safetensors`` (with its configuration inside), ``configuration.json``,
    ``report.json``, ``curves.csv`` and ``scores.png``.

    Parameters
    ----------
    labelled, preset, device, progress
        See `fit`.
    out
        The folder to write.
    force
        Replace a folder that is there.
    command
        The command line, for the record.

    Raises
    ------
    ParameterError
        If the frames or the folder cannot be used, or the disk is full.
    """
    checkpoint.check_folder(out, force)
    source = labelled.source
    identity = {"version": msft.__version__, "dataset": source["sha256"], **to_mapping(preset)}
    with resumable(out, identity) as resumption:
        trained = fit(labelled, preset, device, progress, left=resumption.read(force), keep=resumption.keep)
        try:
            _write(out, trained, preset, {"command": command, "dataset": source})
        except OSError as error:
            raise resumption.failed(error) from None
    return trained


def _write(
    out: Path, trained: TrainedClassifier, preset: ClassificationPreset, provenance: dict[str, Any]
) -> None:
    scores = trained.scores.as_dict()
    with whole(out) as folder:
        folder.mkdir()
        save(folder, trained.classifier, preset.training, scores, provenance)
        checkpoint.write_records(
            folder, trained.classifier.configuration, preset.training, scores, trained.history, provenance
        )
        figure = label_figures.training(trained.history, trained.scores)
        label_figures.save(figure, folder / "scores.png")
