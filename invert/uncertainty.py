"""How sure a trained network is: learned from its own errors, calibrated on patterns it did not learn from.

For each image two numbers are learned, below which 68 % of the errors of images that look alike stay:
quantile regression (Koenker and Bassett, Econometrica 46, 33 (1978)) of the errors' logarithms, which no
outlier dominates. A network errs less on patterns that it has seen, so one factor for each of the two numbers
is then set on patterns that it has not.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from augment.presets import one_of
from invert.data import PatternDataset
from invert.metrics import Errors
from invert.model import Answers, Model
from invert.presets import TrainingConfiguration
from invert.training.captured import gradients_of
from invert.training.prepared import Batch
from msft.seeding import generator_of
from msft.symmetry import misorientation

LEVEL = 0.6827
"""Fraction of the errors that an uncertainty covers: that of a Gaussian's sigma."""

ANGLE = 1.8780
"""Length that `LEVEL` of Gaussian vectors in three dimensions do not exceed, in units of sigma per axis."""

LARGEST, ENOUGH = 20_000, 5_000
"""Images to learn from at most; and to calibrate with, if the training was not a short one."""

PASSES, FEWEST_STEPS, BATCH, RATE = 150, 300, 512, 3e-3
"""After fewer passes, images of which few were shown, as clean ones may be, were covered too often."""

AT_ONCE = 1024
"""Images that a GPU records and looks at together; a processor takes a batch of the training."""

_TEACHING, _CALIBRATING, _ORDER = 3, 4, 5


def learn(
    model: Model, teaching: PatternDataset, calibrating: PatternDataset, settings: TrainingConfiguration
) -> None:
    """Train and calibrate a trained model's uncertainties, in place.

    Parameters
    ----------
    model
        Whose other weights stay as they are; on any device.
    teaching
        Patterns whose errors are learned; those that the model was trained on serve.
    calibrating
        Patterns that it was not trained on.
    settings
        Of the training: the filters that the images pass, the seed, and how much is learned.
    """
    count = min(LARGEST, max(settings.batch, settings.images // 20))
    signs, errors = _errors(model, teaching, count, settings, _TEACHING)
    head = model.uncertainty.requires_grad_(True)
    head.standardise(signs)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=1e-2, fused=signs.is_cuda)
    steps = max(FEWEST_STEPS, PASSES * count // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    order = generator_of(settings.seed, _ORDER, 0)

    def drawn() -> Batch:
        rows = torch.from_numpy(order.integers(count, size=BATCH)).to(signs.device, non_blocking=True)
        return signs[rows], errors[rows]

    def loss(batch: Batch) -> torch.Tensor:
        return pinball(batch[1], head.logarithm(batch[0]), LEVEL)

    gradients = gradients_of(head, loss, drawn(), captured=signs.is_cuda)
    for _ in range(steps):
        gradients(drawn())
        optimiser.step()
        schedule.step()
    repeats = math.ceil(min(ENOUGH, count) / len(calibrating))
    signs, errors = _errors(model, calibrating, repeats * len(calibrating), settings, _CALIBRATING)
    with torch.no_grad():
        head.shift += (errors - head.logarithm(signs)).quantile(LEVEL, dim=0)


def pinball(value: torch.Tensor, quantile: torch.Tensor, level: float) -> torch.Tensor:
    """The mean loss that is least when `level` of the values lie below `quantile`."""
    above = value - quantile
    return torch.maximum(level * above, (level - 1) * above).mean()


def coverage(errors: Errors, answers: Answers) -> tuple[float, float]:
    """Fractions of the errors in radius and in orientation that their 68 % intervals cover."""
    return (
        float(np.mean(errors.radius <= answers.radius_sigma)),
        float(np.mean(np.radians(errors.orientation) <= ANGLE * answers.orientation_sigma)),
    )


@torch.no_grad()
def _errors(
    model: Model, dataset: PatternDataset, count: int, settings: TrainingConfiguration, stream: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Signs (count, S) of recorded patterns, taken in turn, and logarithms (count, 2) of the sigmas."""
    recording = one_of(settings.filters, settings.floor_decades)
    device = next(model.parameters()).device
    model.eval()
    signs, numbers = [], []
    rows = np.arange(count) % len(dataset)
    at_once = settings.batch if device.type == "cpu" else max(settings.batch, AT_ONCE)
    for number, start in enumerate(range(0, count, at_once)):
        chosen = rows[start : start + at_once]
        seed = int(generator_of(settings.seed, stream, number).integers(2**32))
        patterns = dataset.intensity[chosen].to(device, non_blocking=True)
        images, _ = recording(patterns, torch.Generator().manual_seed(seed))
        seen, joined = model.look(images)
        signs.append(seen)
        numbers.append(joined.numbers)
    radius, orientation = model.target.decode(np.concatenate(numbers))
    truth = dataset.particles
    angle = misorientation(orientation, truth.orientation[rows]) / ANGLE
    errors = np.column_stack([np.abs(radius - truth.radius[rows]), angle])
    return torch.cat(signs), torch.from_numpy(np.log(np.maximum(errors, 1e-6))).float().to(device)
