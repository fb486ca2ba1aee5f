"""Networks that regress particles, trained on freshly recorded images of a dataset; a model's folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.loggers import Logger
from torch.optim import AdamW, Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

import msft
from augment.filter import Parameters, take
from augment.presets import one_of
from invert import checkpoint, dihedral, figures, uncertainty
from invert.beside import backend_beside
from invert.checkpoint import Checkpoint
from invert.data import PatternDataset, read_dataset
from invert.evaluate import Evaluation, evaluate
from invert.model import Model, ModelConfiguration
from invert.overlap import source_of
from invert.presets import Preset, TrainingConfiguration
from invert.training import trainer
from invert.training.examples import CPU, Fresh, Stored
from invert.training.hardware import Hardware, leading
from invert.training.loggers import LoggerName, logger_named
from invert.training.resumption import resumable
from invert.training.trainer import Batch, Draw, Examples, Left, Plan, Progress
from msft.configuration import difference, to_mapping
from msft.errors import ParameterError
from msft.output import whole

SMOOTH = 0.03
"""Deviation of a number at which the smooth loss turns from quadratic to linear: as of 2 degrees."""

SYMMETRY = "symmetry"
"""Name of what is drawn beside the recording's parameters: in which symmetry a pattern is shown."""


@dataclass(frozen=True)
class Trained:
    """What training leaves: the model with its best weights, its loss curves and its errors."""

    model: Model
    history: list[dict[str, float]]
    evaluation: Evaluation


class Regression:
    """The task of regressing a target's numbers from recorded images, by one-cycle AdamW."""

    def __init__(
        self, model: Model, training: Examples, validation: Examples, settings: TrainingConfiguration
    ) -> None:
        self.model, self.training, self.validation, self.settings = model, training, validation, settings
        self.recording = one_of(settings.filters, settings.floor_decades)
        self._drawn: tuple[tuple[bool, int], Parameters] | None = None
        model.uncertainty.requires_grad_(False)  # it is learned when the rest is

    @torch.no_grad()
    def prepared(self, batches: Sequence[Batch], draws: Sequence[Draw]) -> Sequence[Batch]:
        """Grey images (B, H, W) and numbers (B, size), of patterns (B, H, W) and (B, symmetries, size)."""
        sizes = [len(intensity) for intensity, _ in batches]
        own = torch.cat([draw.own(size) for draw, size in zip(draws, sizes, strict=True)])
        intensity, numbers = batches[0] if len(batches) == 1 else map(torch.cat, zip(*batches, strict=True))
        parameters = take(self._parameters(draws[0], intensity, numbers), own)
        symmetry = parameters.pop(SYMMETRY)
        if draws[0].training and numbers.shape[1] > 1:
            intensity = dihedral.turned_patterns(intensity, symmetry)
            shown = symmetry.to(numbers.device, non_blocking=True)[:, None, None]
            numbers = numbers.take_along_dim(shown, 1)
        images = self.recording.apply(intensity, parameters)
        return list(zip(torch.split(images, sizes), torch.split(numbers[:, 0], sizes), strict=True))

    def _parameters(self, draw: Draw, intensity: torch.Tensor, numbers: torch.Tensor) -> Parameters:
        """Of the recording and the symmetry of every example in a group of batches."""
        group = draw.training, draw.group
        if self._drawn is None or self._drawn[0] != group:
            generator = draw.generator(self.settings.seed)
            size = intensity.shape[1], intensity.shape[2]
            parameters = self.recording.sample(draw.examples, size, generator)
            parameters[SYMMETRY] = torch.randint(numbers.shape[1], (draw.examples,), generator=generator)
            self._drawn = group, parameters
        return self._drawn[1]

    def loss(self, batch: Batch, training: bool) -> torch.Tensor:
        """Mean deviation of the numbers."""
        images, numbers = batch
        answers = self.model(images)
        if self.settings.loss == "square":
            return torch.nn.functional.mse_loss(answers, numbers)
        return torch.nn.functional.smooth_l1_loss(answers, numbers, beta=SMOOTH)

    def optimiser(self, steps: int, epoch: int) -> tuple[Optimizer, LRScheduler]:
        """One-cycle AdamW, on a GPU in a single operation."""
        rate, fused = self.settings.learning_rate, next(self.model.parameters()).is_cuda
        optimiser = AdamW(
            self.model.parameters(), lr=rate, weight_decay=self.settings.weight_decay, fused=fused
        )
        return optimiser, OneCycleLR(optimiser, rate, total_steps=steps, pct_start=0.15)


def fit(
    dataset: PatternDataset,
    preset: Preset,
    hardware: Hardware | torch.device,
    progress: Progress = lambda done: None,
    *,
    start: Model | None = None,
    left: Left | None = None,
    keep: Callable[[Left], None] | None = None,
    logger: Logger | None = None,
) -> Trained:
    """Train a network on a dataset.

    Parameters
    ----------
    dataset
        Patterns with particles; the last `held_out` of them are kept from training.
    preset
        Network, target and training.
    hardware, logger
        See `invert.training.trainer.train`.
    progress
        Called with 0 when training begins, then with the number of images of each step.
    start
        A trained model to begin with, in place of random weights.
    left, keep
        To go on with a training that was stopped; see `invert.training.trainer.train`.

    Raises
    ------
    ParameterError
        If the dataset is too small to be divided, or new patterns are wanted and its recipe is not known, or
        the model to begin with has another network or target.
    """
    training = preset.training
    held_out = round(training.held_out * len(dataset))
    taught, chosen = len(dataset) - held_out, held_out // 2
    if taught < training.batch or chosen < 1:
        least = math.ceil(max(training.batch / (1 - training.held_out), 2 / training.held_out))
        raise ParameterError(
            "dataset", f"{len(dataset)} patterns", f"about {least} or more for this training"
        )
    radius = dataset.particles.radius
    configuration = ModelConfiguration(
        network=preset.network,
        target=preset.target,
        body=dataset.particles.body,
        radius_range=(float(radius.min()), float(radius.max())),
        floor_decades=training.floor_decades,
        # whatever computed the patterns: weights travel to machines without a GPU
        simulation=replace(dataset.simulation, backend=backend_beside(dataset.simulation, CPU)),
    )
    with torch.random.fork_rng():
        torch.manual_seed(training.seed)
        model = Model(configuration)
    if start is not None:
        _begin(model, start)
    hardware = hardware if isinstance(hardware, Hardware) else Hardware(hardware)
    task = Regression(
        model,
        _examples(dataset.part(slice(0, taught)), model, training, hardware),
        Stored(dataset.part(slice(taught, taught + chosen)), model.target, device=hardware.near),
        training,
    )
    plan = Plan(training.images, training.batch, training.seed)
    state, history = trainer.train(task, plan, hardware, progress, left=left, keep=keep, logger=logger)
    model.load_state_dict(state)
    model.to(hardware.kind).eval()
    uncertainty.learn(
        model,
        dataset.part(slice(0, taught)),
        dataset.part(slice(taught, taught + chosen)),
        training,
    )
    evaluation = evaluate(model, dataset.part(slice(taught + chosen, None)), training.seed)
    return Trained(model, history, evaluation)


def _begin(model: Model, start: Model) -> None:
    own, other = (
        {name: to_mapping(one.configuration)[name] for name in ("network", "target")}
        for one in (model, start)
    )
    if own != other:
        name, wanted, found = difference(own, other)
        raise ParameterError("start", f"a model with {name} {found}", f"{name} {wanted}")
    model.backbone.load_state_dict(start.backbone.state_dict())
    model.head.load_state_dict(start.head.state_dict())


def _examples(
    taught: PatternDataset, model: Model, training: TrainingConfiguration, hardware: Hardware
) -> Examples:
    if not training.online:
        symmetries = dihedral.order(taught.simulation.detector) if training.symmetric else 1
        return Stored(taught, model.target, symmetries, hardware.near)
    if taught.recipe is None:
        raise ParameterError(
            "training.online", True, "false for a dataset that `msft generate` did not write"
        )
    shown = Plan(training.images, training.batch, training.seed).steps * training.batch
    return Fresh(taught.recipe, shown, model.target, training.seed, hardware.kind)


def train(
    dataset: Path,
    out: Path,
    preset: Preset,
    hardware: Hardware | torch.device,
    *,
    start: Checkpoint | None = None,
    force: bool = False,
    command: str = "",
    logger: LoggerName = "none",
    progress: Progress = lambda done: None,
) -> Trained:
    """Train on a dataset file and write the model's folder, which appears whole or not at all.

    A training that was stopped, however, is gone on with by the same call, from its last validation on or, if
    its state is large, from one shortly before; see `invert.training.resumption`.

    The folder holds ``weights.safetensors`` (with its configuration inside), ``configuration.json``,
    ``report.json``, ``curves.csv``, ``curves.png`` and ``errors.png``.

    Parameters
    ----------
    dataset, out
        The HDF5 file and the folder to write.
    preset, hardware, progress
        See `fit`.
    start
        A trained model to begin with, in place of random weights.
    force
        Replace a folder that is there, and do not mind what another command began.
    command
        The command line, for the record.
    logger
        `csv` or `tensorboard` write the losses while they arise, into the folder `out`.logs.

    Raises
    ------
    ParameterError
        If the dataset or the folder cannot be used, or the disk is full.
    """
    checkpoint.check_folder(out, force)
    patterns = read_dataset(dataset)
    source = source_of(dataset, len(patterns))
    provenance: dict[str, Any] = {"command": command, "dataset": source}
    begun = start.digest if start else None
    identity = {
        "version": msft.__version__,
        "dataset": source["sha256"],
        "start": begun,
        **to_mapping(preset),
    }
    if start is not None:
        provenance["start"] = {"sha256": begun, "training": start.training, **start.provenance}
    log = logger_named(logger, out)
    with resumable(out, identity, leading()) as resumption:
        left = resumption.read(force)
        trained = fit(
            patterns,
            preset,
            hardware,
            progress,
            start=start.model if start else None,
            left=left,
            keep=resumption.keep,
            logger=log,
        )
        if leading():
            try:
                _write(out, trained, preset, provenance)
            except OSError as error:
                raise resumption.failed(error) from None
    return trained


def _write(out: Path, trained: Trained, preset: Preset, provenance: dict[str, Any]) -> None:
    errors = trained.evaluation.as_dict()
    with whole(out) as folder:
        folder.mkdir()
        checkpoint.save(folder, trained.model, preset.training, errors, provenance)
        checkpoint.write_records(
            folder, trained.model.configuration, preset.training, errors, trained.history, provenance
        )
        figures.save(figures.curves(trained.history), folder / "curves.png")
        figures.save(figures.error_histogram(trained.evaluation.cases["identity"]), folder / "errors.png")
