"""Training with Lightning: one-cycle AdamW on freshly recorded images; the best weights are kept."""

from __future__ import annotations

import copy
import csv
import json
import logging
import math
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from augment.presets import one_of
from invert import checkpoint, figures
from invert.data import PatternDataset, read_dataset
from invert.evaluate import Evaluation, evaluate
from invert.model import Model, ModelConfiguration
from invert.presets import Preset, TrainingConfiguration
from msft.configuration import to_mapping
from msft.errors import ParameterError
from msft.output import check_writable, whole

VALIDATIONS = 30
"""Validations over a training, at most one an epoch."""

Progress = Callable[[int], None]
Batch = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Trained:
    """What training leaves: the model with its best weights, its loss curves and its errors."""

    model: Model
    history: list[dict[str, float]]
    evaluation: Evaluation


class _Examples(Dataset[Batch]):
    """Intensities with their encoded targets; a batch is taken at once by a list of indices."""

    def __init__(self, dataset: PatternDataset, model: Model) -> None:
        particles = dataset.particles
        numbers = model.target.encode(particles.radius, particles.orientation)
        self.intensity = dataset.intensity
        self.numbers = torch.from_numpy(np.asarray(numbers, dtype=np.float32))

    def __len__(self) -> int:
        return len(self.intensity)

    def __getitem__(self, index: int) -> Batch:
        return self.intensity[index], self.numbers[index]

    def __getitems__(self, indices: list[int]) -> Batch:
        return self.intensity[indices], self.numbers[indices]


class _Regression(lightning.LightningModule):
    def __init__(self, model: Model, training: TrainingConfiguration, steps: int, progress: Progress) -> None:
        super().__init__()
        self.model = model
        self.training_configuration = training
        self.steps = steps
        self.progress = progress
        self.recording = one_of(training.filters, training.floor_decades)
        self.history: list[dict[str, float]] = []
        self.best_state: dict[str, torch.Tensor] = {}
        self.best_loss = math.inf
        self._train_losses: list[float] = []
        self._validation_losses: list[tuple[float, int]] = []

    def _loss(self, batch: Batch, *draw: int) -> torch.Tensor:
        """Mean square error on a batch whose filters depend on the seed and on `draw` alone."""
        intensity, numbers = batch
        entropy = np.random.SeedSequence((self.training_configuration.seed, *draw)).generate_state(1)
        generator = torch.Generator().manual_seed(int(entropy[0]))
        images, _ = self.recording(intensity, generator)
        return torch.nn.functional.mse_loss(self.model(images), numbers)

    def training_step(self, batch: Batch, batch_index: int) -> torch.Tensor:
        loss = self._loss(batch, 0, self.global_step)
        self._train_losses.append(float(loss.detach()))
        shown = self.global_step * self.training_configuration.batch
        self.progress(min(len(batch[0]), self.training_configuration.images - shown))
        return loss

    def validation_step(self, batch: Batch, batch_index: int) -> None:
        # the same filters at every validation, so that losses compare
        self._validation_losses.append((float(self._loss(batch, 1, batch_index)), len(batch[0])))

    def on_validation_epoch_end(self) -> None:
        losses, sizes = map(np.array, zip(*self._validation_losses, strict=True))
        validation_loss = float((losses * sizes).sum() / sizes.sum())
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self.best_state = copy.deepcopy(self.model.state_dict())
        self.history.append(
            {
                "images": float(self.global_step * self.training_configuration.batch),
                "train_loss": float(np.mean(self._train_losses)) if self._train_losses else math.nan,
                "validation_loss": validation_loss,
            }
        )
        self._train_losses.clear()
        self._validation_losses.clear()

    def configure_optimizers(self) -> Any:
        training = self.training_configuration
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, training.learning_rate, total_steps=self.steps, pct_start=0.15
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def fit(
    dataset: PatternDataset, preset: Preset, device: torch.device, progress: Progress = lambda done: None
) -> Trained:
    """Train a network on a dataset.

    Parameters
    ----------
    dataset
        Patterns with particles; the last `held_out` of them are kept from training.
    preset
        Network, target and training.
    device
        CPU or GPU.
    progress
        Called with 0 when training begins, then with the number of images of each step.

    Raises
    ------
    ParameterError
        If the dataset is too small to be divided.
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
        simulation=dataset.simulation,
    )
    with _quiet_lightning(), torch.random.fork_rng():
        torch.manual_seed(training.seed)
        model = Model(configuration)
        examples = _Examples(dataset.part(slice(0, taught)), model)
        validation = DataLoader(
            _Examples(dataset.part(slice(taught, taught + chosen)), model),
            training.batch,
            collate_fn=_as_it_is,
        )
        steps_each = taught // training.batch
        steps = math.ceil(training.images / training.batch)
        regression = _Regression(model, training, steps, progress)
        order = torch.Generator().manual_seed(training.seed)
        trainer = lightning.Trainer(
            max_steps=steps,
            accelerator="gpu" if device.type == "cuda" else "cpu",
            devices=1,
            precision="bf16-mixed" if device.type == "cuda" else "32-true",
            check_val_every_n_epoch=max(1, steps // steps_each // VALIDATIONS),
            num_sanity_val_steps=0,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        progress(0)
        with _interruptible():
            trainer.fit(
                regression.to(memory_format=torch.channels_last),
                DataLoader(
                    examples,
                    training.batch,
                    shuffle=True,
                    drop_last=True,
                    generator=order,
                    collate_fn=_as_it_is,
                ),
                validation,
            )
        if not regression.best_state:  # fewer steps than an epoch
            trainer.validate(regression, validation)
    model.load_state_dict(regression.best_state)
    model.to(device).eval()
    evaluation = evaluate(model, dataset.part(slice(taught + chosen, None)), training.seed)
    return Trained(model, regression.history, evaluation)


def train(
    dataset: Path,
    out: Path,
    preset: Preset,
    device: torch.device,
    *,
    force: bool = False,
    command: str = "",
    progress: Progress = lambda done: None,
) -> Trained:
    """Train on a dataset file and write the model's folder, which appears whole or not at all.

    The folder holds ``weights.safetensors`` (with its configuration inside), ``configuration.json``,
    ``report.json``, ``curves.csv``, ``curves.png`` and ``errors.png``.

    Parameters
    ----------
    dataset, out
        The HDF5 file and the folder to write.
    preset, device, progress
        See `fit`.
    force
        Replace a folder that is there.
    command
        The command line, for the record.

    Raises
    ------
    ParameterError
        If the dataset or the folder cannot be used.
    """
    check_writable(out, force)
    if force and out.exists() and not (out / checkpoint.WEIGHTS).exists():
        raise ParameterError("out", out, "a new name, or a folder that `invert train` wrote")
    trained = fit(read_dataset(dataset), preset, device, progress)
    errors = trained.evaluation.as_dict()
    with whole(out) as folder:
        folder.mkdir()
        checkpoint.save(folder, trained.model, preset.training, errors)
        resolved = {
            "command": command,
            "dataset": str(dataset),
            "model": to_mapping(trained.model.configuration),
            "training": to_mapping(preset.training),
        }
        (folder / "configuration.json").write_text(json.dumps(resolved, indent=2) + "\n")
        (folder / "report.json").write_text(json.dumps(errors, indent=2) + "\n")
        with (folder / "curves.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=list(trained.history[0]))
            writer.writeheader()
            writer.writerows(trained.history)
        figures.save(figures.curves(trained.history), folder / "curves.png")
        figures.save(figures.error_histogram(trained.evaluation.cases["identity"]), folder / "errors.png")
    return trained


def _as_it_is(batch: Any) -> Any:
    return batch


@contextmanager
def _interruptible() -> Iterator[None]:
    """Lightning answers an interrupt with an exit of its own, deaf to further ones: take both back."""
    on_main_thread = threading.current_thread() is threading.main_thread()
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if on_main_thread:
            signal.signal(signal.SIGINT, handler)


@contextmanager
def _quiet_lightning() -> Iterator[None]:
    """Lightning's notes about devices and loaders are not for the users of a command."""
    loggers = [logging.getLogger(name) for name in ("lightning", "lightning.pytorch")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
