"""Training: it learns, it repeats, it leaves what it promises, it refuses what it cannot use."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch

from augment import log_scale
from invert import checkpoint, shipped
from invert.data import read_dataset
from invert.model import Model, ModelConfiguration
from invert.presets import PRESETS, Preset, TrainingConfiguration, preset
from invert.training.examples import Stored
from invert.training.train import SMOOTH, Regression, fit, train
from msft.errors import ParameterError
from msft.generate import generate

from .conftest import SMALL, SMALL_PRESET

CPU = torch.device("cpu")


def shorter(images: int) -> Preset:
    return dataclasses.replace(
        SMALL_PRESET, training=dataclasses.replace(SMALL_PRESET.training, images=images)
    )


def test_the_small_model_is_clearly_better_than_the_best_constant_guess(small_model: Path) -> None:
    errors = json.loads((small_model / "report.json").read_text())
    clean, constant = errors["identity"], errors["best_constant_guess"]
    assert clean["orientation_median_degrees"] < 0.35 * constant["orientation_median_degrees"]
    assert clean["radius_median_nm"] < 0.5 * constant["radius_median_nm"]


def test_the_folder_holds_what_is_promised(small_model: Path) -> None:
    names = {path.name for path in small_model.iterdir()}
    assert names == {
        "weights.safetensors",
        "configuration.json",
        "report.json",
        "curves.csv",
        "curves.png",
        "errors.png",
    }
    with (small_model / "curves.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["validation_loss"]) < float(rows[0]["validation_loss"])
    resolved = json.loads((small_model / "configuration.json").read_text())
    assert resolved["training"]["images"] == SMALL_PRESET.training.images


def test_one_batch_is_overfitted(small_dataset: Path) -> None:
    patterns = read_dataset(small_dataset).part(slice(0, 16))
    torch.manual_seed(0)
    model = Model(ModelConfiguration(SMALL_PRESET.network, "vector", radius_range=(40, 80), simulation=SMALL))
    numbers = torch.from_numpy(
        model.target.encode(patterns.particles.radius, patterns.particles.orientation)
    ).float()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(log_scale(patterns.intensity)), numbers)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert float(loss.detach()) < 1e-4


def test_the_smooth_loss_is_linear_in_large_deviations(small_dataset: Path) -> None:
    training = dataclasses.replace(SMALL_PRESET.training, loss="smooth", filters=("identity",))
    patterns = read_dataset(small_dataset).part(slice(0, 4))
    model = Model(ModelConfiguration(SMALL_PRESET.network, "code", radius_range=(40, 80), simulation=SMALL))
    examples = Stored(patterns, model.target)
    task = Regression(model.eval(), examples, examples, training)
    intensity, _ = examples.__getitems__([0, 1, 2, 3])
    with torch.no_grad():
        answers = model(log_scale(intensity))
        given = [answers[:, None] + by for by in (0.003, 1.0, 2.0)]
        losses = [float(task.loss((log_scale(intensity), numbers[:, 0]), True)) for numbers in given]
    # deviations d below beta cost d^2 / (2 beta), others d - beta / 2
    assert losses == pytest.approx([0.003**2 / (2 * SMOOTH), 1 - SMOOTH / 2, 2 - SMOOTH / 2], rel=1e-3)


def test_the_same_seed_gives_the_same_weights(small_dataset: Path) -> None:
    dataset = read_dataset(small_dataset)
    torch.set_num_threads(1)
    first, second = (fit(dataset, shorter(640), CPU).model.state_dict() for _ in range(2))
    other = dataclasses.replace(shorter(640), training=dataclasses.replace(shorter(640).training, seed=1))
    third = fit(dataset, other, CPU).model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not torch.equal(first["head.linear.weight"], third["head.linear.weight"])


def test_the_kept_weights_are_those_of_the_smallest_validation_loss(
    small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def rising(task: Regression, steps: int, epoch: int) -> Any:
        optimizer = torch.optim.Adam(task.model.parameters(), 1.0)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.002 * 10 ** (step / 60))
        return optimizer, schedule

    monkeypatch.setattr(Regression, "optimiser", rising)
    dataset = read_dataset(small_dataset)
    training = TrainingConfiguration(images=6_000, batch=32, filters=("identity",), loss="square")
    trained = fit(dataset, Preset(SMALL_PRESET.network, "code", training), CPU)
    losses = [row["validation_loss"] for row in trained.history]
    assert losses[-1] > min(losses), "the rising rate was to make the last weights not the best"
    validation = dataset.part(slice(480, 540))
    numbers = trained.model.target.encode(validation.particles.radius, validation.particles.orientation)
    with torch.no_grad():
        answer = trained.model(log_scale(validation.intensity)).double().numpy()
    assert ((answer - numbers) ** 2).mean() == pytest.approx(min(losses), rel=1e-3)


def test_errors_are_reported_on_patterns_that_chose_nothing(small_dataset: Path) -> None:
    trained = fit(read_dataset(small_dataset), shorter(64), CPU)
    # of 600 patterns a fifth is held out: one half chooses the weights, the other is reported on
    assert trained.evaluation.constant.patterns == 60
    truth = read_dataset(small_dataset).part(slice(540, None)).particles.radius
    assert trained.evaluation.constant.radius_median_nm == pytest.approx(
        np.median(np.abs(truth - np.median(truth)))
    )


def test_a_training_goes_on_from_the_weights_of_another(
    small_dataset: Path, small_model: Path, tmp_path: Path
) -> None:
    start = checkpoint.load(small_model)
    still = dataclasses.replace(shorter(64).training, learning_rate=1e-9)
    gone_on = train(
        small_dataset,
        tmp_path / "on",
        dataclasses.replace(SMALL_PRESET, training=still),
        CPU,
        start=start,
        command="invert train",
    )
    for name, value in start.model.head.state_dict().items():
        assert torch.allclose(gone_on.model.head.state_dict()[name], value, atol=1e-6)
    anew = fit(read_dataset(small_dataset), dataclasses.replace(SMALL_PRESET, training=still), CPU)
    assert gone_on.history[-1]["train_loss"] < 0.3 * anew.history[-1]["train_loss"]
    written = checkpoint.load(tmp_path / "on")
    assert written.provenance["start"]["sha256"] == start.digest
    assert written.provenance["start"]["training"]["images"] == SMALL_PRESET.training.images
    card = shipped.ship(written, written.errors, {}, tmp_path / "card")
    assert card["provenance"] == written.provenance
    assert f"weights {start.digest}" in (tmp_path / "card" / "card.md").read_text()


def test_weights_of_another_network_are_no_start(small_dataset: Path, small_model: Path) -> None:
    start = checkpoint.load(small_model).model
    wider = dataclasses.replace(SMALL_PRESET.network, width=SMALL_PRESET.network.width + 1)
    for other in ({"network": wider}, {"target": "vector"}):
        preset = dataclasses.replace(shorter(64), **other)
        with pytest.raises(ParameterError, match=f"start.*{next(iter(other))}"):
            fit(read_dataset(small_dataset), preset, CPU, start=start)


def test_training_leaves_the_global_random_state_alone(small_dataset: Path) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(read_dataset(small_dataset), shorter(64), CPU)
    assert torch.equal(torch.rand(3), expected)


def test_a_failure_leaves_nothing(small_dataset: Path, tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small_dataset, tmp_path / "model", shorter(640), CPU, progress=interrupt)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_model_is_kept_without_force(small_dataset: Path, small_model: Path) -> None:
    with pytest.raises(ParameterError, match="force"):
        train(small_dataset, small_model, shorter(64), CPU)


def test_force_does_not_replace_a_folder_of_something_else(small_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ParameterError, match="invert train"):
        train(small_dataset, tmp_path, shorter(64), CPU, force=True)
    assert (tmp_path / "thesis.tex").exists()


def test_too_few_patterns_are_refused(tmp_path: Path) -> None:
    generate(tmp_path / "few.h5", 5, simulation=SMALL)
    with pytest.raises(ParameterError, match="dataset"):
        fit(read_dataset(tmp_path / "few.h5"), shorter(64), CPU)


def test_a_pattern_of_no_numbers_is_refused_by_its_number(small_dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    path.write_bytes(small_dataset.read_bytes())
    with h5py.File(path, "r+") as file:
        file["entry_1/data_1/data"][7, 3, 4] = np.nan
    with pytest.raises(ParameterError, match=r"dataset: .* pattern 7 that is not finite"):
        read_dataset(path)


def test_the_preset_paper_is_the_papers(small_dataset: Path) -> None:
    paper = preset("paper")
    assert paper.network.blocks == (3, 4, 6, 4)
    assert (paper.network.width, paper.network.activation, paper.target) == (64, "tanh", "vector")
    assert len(paper.training.filters) == 11
    assert (paper.training.held_out, paper.training.loss) == (0.2, "square")
    narrow = dataclasses.replace(
        paper,
        network=dataclasses.replace(paper.network, width=4),
        training=dataclasses.replace(paper.training, images=128),
    )
    assert fit(read_dataset(small_dataset), narrow, CPU).model.target.size == 5


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"images": 0}, "images"),
        ({"batch": 1}, "batch"),
        ({"held_out": 1.0}, "held_out"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"filters": ("sharpen",)}, "filters"),
        ({"seed": -1}, "seed"),
        ({"loss": "cubic"}, "loss"),
    ],
)
def test_bad_training_parameters_are_named(values: dict[str, object], field: str) -> None:
    with pytest.raises(ParameterError, match=field):
        TrainingConfiguration(**values)  # type: ignore[arg-type]


def test_unknown_presets_are_named() -> None:
    with pytest.raises(ParameterError, match="one of " + ", ".join(PRESETS)):
        preset("best of all")


def test_weights_learned_from_patterns_of_a_gpu_travel_to_machines_without_one(small_dataset: Path) -> None:
    dataset = read_dataset(small_dataset)
    by_gpu = dataclasses.replace(dataset.simulation, backend="cupy")
    trained = fit(dataclasses.replace(dataset, simulation=by_gpu), shorter(64), CPU)
    assert trained.model.configuration.simulation == dataset.simulation


@pytest.mark.gpu
@pytest.mark.usefixtures("full_precision")
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU HERE: training on CUDA was not tested")
def test_training_on_a_gpu_gives_a_model_that_answers_alike_on_the_cpu(
    small_dataset: Path, tmp_path: Path
) -> None:
    dataset = read_dataset(small_dataset)
    model = train(small_dataset, tmp_path / "model", SMALL_PRESET, torch.device("cuda")).model
    on_gpu = model.invert(log_scale(dataset.intensity[:50]))[0]
    on_cpu = checkpoint.load(tmp_path / "model").model.invert(log_scale(dataset.intensity[:50]))[0]
    assert on_gpu == pytest.approx(on_cpu, rel=1e-3)
