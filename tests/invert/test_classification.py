"""Classifiers: the loss and schedule of the paper, training on labelled files, and what files are refused."""

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

from invert import checkpoint
from invert.backbone import NETWORKS, ResidualConfiguration, VGGConfiguration
from invert.labelling import classifier as classifiers
from invert.labelling.classification import Classification, divided, fit, flipped, judged, train
from invert.labelling.classification_presets import (
    CLASSIFICATION_PRESETS,
    ClassificationPreset,
    ClassificationTraining,
    network_table,
)
from invert.labelling.classifier import Classifier, ClassifierConfiguration
from invert.labelling.inputs import InputConfiguration
from invert.labelling.labels import LABELS, Examples, LabelledFrames, are_in, read_labelled
from invert.model import Model, ModelConfiguration
from invert.presets import TrainingConfiguration
from invert.training.trainer import Draw
from msft.configuration import from_mapping
from msft.errors import ParameterError
from msft.helium.labels import NAMES as HELIUM
from tests.invert.conftest import frames_of
from tests.invert.labelled import NAMES, images_and_labels, write_labelled

CPU = torch.device("cpu")
NOTHING = torch.zeros(0)


def untrained(**training: Any) -> Classification:
    torch.manual_seed(0)
    network = ResidualConfiguration((1,), 2, "leaky_relu", preactivated=True)
    model = Classifier(ClassifierConfiguration(network, NAMES, InputConfiguration(16)))
    none = Examples(NOTHING, NOTHING)
    return Classification(model, none, none, ClassificationTraining(**training))


def test_the_preset_is_that_of_the_paper() -> None:
    paper = CLASSIFICATION_PRESETS["paper"]
    training = paper.training
    assert isinstance(paper.network, ResidualConfiguration)
    assert (paper.network.blocks, paper.network.width, paper.network.block) == ((2, 2, 2, 2), 64, "basic")
    assert (paper.network.preactivated, paper.network.activation) == (True, "leaky_relu")
    assert (paper.network.first_activation, paper.network.alpha) == ("logarithmic", 0.2)
    assert (training.epochs, training.batch, training.held_out) == (200, 48, 0.15)
    assert (training.learning_rate, training.decay, training.decay_epochs) == (0.1, 0.1, 50)
    assert (training.l1, training.l2, training.flips) == (1e-5, 1e-5, True)
    assert paper.input.pixels == 224


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_a_step_asks_a_gpu_nothing(name: str) -> None:
    # Tensors of the device "meta" have no values, so whatever would wait for those of a GPU fails here.
    configuration = ClassifierConfiguration(NETWORKS[name], HELIUM, InputConfiguration(224))
    with torch.device("meta"):
        model = Classifier(configuration)
    none = Examples(NOTHING, NOTHING)
    task = Classification(model, none, none, ClassificationTraining())
    batch = torch.empty((4, 224, 224), device="meta"), torch.empty((4, len(HELIUM)), device="meta")
    [prepared] = task.prepared([batch], [Draw(True, 0, 4)])
    task.loss(prepared, True).backward()  # type: ignore[no-untyped-call]
    assert all(weights.grad is not None for weights in model.parameters())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="NO GPU HERE: no classifier was trained on CUDA")
def test_a_gpu_trains_a_classifier() -> None:
    images, labels = images_and_labels(600, 1)
    network = ResidualConfiguration((1, 1), 8, "leaky_relu", preactivated=True, first_stride=1)
    settings = ClassificationTraining(epochs=12, batch=32, decay_epochs=8, learning_rate=0.05, momentum=0.9)
    preset = ClassificationPreset(network, InputConfiguration(pixels=32), settings)
    history = fit(LabelledFrames(frames_of(images), labels, NAMES), preset, torch.device("cuda")).history
    assert history[-1]["validation_loss"] < 0.6 * history[0]["validation_loss"]


def test_the_rate_falls_to_a_tenth_every_fifty_epochs() -> None:
    task = untrained()
    optimiser, schedule = task.optimiser(steps=2000, epoch=10)
    rates = []
    for _ in range(2000):
        rates.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        schedule.step()
    assert rates[0] == rates[499] == 0.1
    assert rates[500] == rates[999] == pytest.approx(0.01)
    assert rates[-1] == pytest.approx(1e-4)


def test_the_loss_is_the_papers_cross_entropy_with_both_penalties() -> None:
    task = untrained(l1=0.01, l2=0.03, flips=False)
    images, labels = torch.rand(6, 16, 16), (torch.rand(6, 3) < 0.5).float()
    task.model.eval().requires_grad_(False)
    x = task.model(images).double()
    entropy = (x - x * labels + torch.log(1 + torch.exp(-x))).mean()  # equation 6
    weights = [p.double() for name, p in task.model.named_parameters() if name.endswith("weight")]
    weights = [w for w in weights if w.ndim in (2, 4)]
    penalty = sum(0.01 * w.abs().sum() + 0.03 * (w**2).sum() for w in weights)
    assert float(task.loss((images, labels), False)) == pytest.approx(float(entropy), rel=1e-5)
    trained = float(task.loss((images, labels), True))
    assert trained == pytest.approx(float(entropy + penalty), rel=1e-5)
    assert len(weights) == 5  # stem, two of the block, its shortcut, head


def test_flips_are_of_whole_images_along_either_axis_by_the_seed_and_the_step() -> None:
    images = torch.rand(400, 3, 4)
    labels, draw = torch.zeros(400, 3), Draw(True, 5, 400)
    task = untrained(seed=1)
    [(result, _)] = task.prepared([(images, labels)], [draw])
    assert torch.equal(result, task.prepared([(images, labels)], [draw])[0][0])
    assert not torch.equal(result, task.prepared([(images, labels)], [Draw(True, 6, 400)])[0][0])
    assert not torch.equal(result, untrained(seed=2).prepared([(images, labels)], [draw])[0][0])
    kinds = torch.zeros(4)
    for image, found in zip(images, result, strict=True):
        ways = [image, image.flip(0), image.flip(1), image.flip(0, 1)]
        same = [torch.equal(found, way) for way in ways]
        kinds += torch.tensor(same)
    assert kinds.sum() == 400
    assert (kinds > 70).all()  # 100 each, 8.7 standard deviation
    assert torch.equal(flipped(images, torch.tensor([[True, False]]).expand(400, 2)), images.flip(1))
    assert task.prepared([(images, labels)], [Draw(False, 5, 400)])[0][0] is images


def test_correlation_maps_are_not_flipped() -> None:
    task = untrained()
    seen = InputConfiguration(16, representation="correlation")
    task.model.configuration = dataclasses.replace(task.model.configuration, input=seen)
    batch = torch.rand(4, 16, 16), torch.ones(4, 3)
    assert task.prepared([batch], [Draw(True, 7, 4)])[0][0] is batch[0]


def test_division_is_a_shuffle_by_the_seed() -> None:
    taught, held_out = divided(1000, ClassificationTraining())
    assert sorted([*taught, *held_out]) == list(range(1000))
    assert len(held_out) == 150
    assert held_out.tolist() != sorted(held_out.tolist())
    assert divided(1000, ClassificationTraining())[1].tolist() == held_out.tolist()
    assert divided(1000, ClassificationTraining(seed=1))[1].tolist() != held_out.tolist()
    with pytest.raises(ParameterError, match="dataset"):
        divided(40, ClassificationTraining())


def test_a_trained_classifier_finds_labels_in_new_images(classifier_folder: Path, tmp_path: Path) -> None:
    loaded = classifiers.load(classifier_folder)
    new = read_labelled(write_labelled(tmp_path / "new.h5", *images_and_labels(200, 99)))
    configuration = loaded.classifier.configuration
    scores = judged(loaded.classifier, new.examples(configuration.input))
    assert configuration.labels == NAMES
    assert (scores.recall[:2] > 0.9).all()
    assert (scores.precision[:2] > 0.9).all()
    assert np.isnan(scores.average_precision[2])
    assert loaded.scores["overall"]["f1"] > 0.9


def test_frames_without_a_valid_pixel_are_left_out(tmp_path: Path) -> None:
    images, labels = images_and_labels(20, 5)
    images[3:8] = np.nan
    labelled = read_labelled(write_labelled(tmp_path / "l.h5", images, labels))
    seen = [*range(3), *range(8, 20)]
    assert labelled.unseen == 5
    assert labelled.frames.numbers.tolist() == seen
    assert labelled.labels.tolist() == labels[seen].tolist()
    assert len(labelled.examples(InputConfiguration(16))) == 15
    assert read_labelled(write_labelled(tmp_path / "all.h5", images[:3], labels[:3])).unseen == 0
    images[:] = np.nan
    with pytest.raises(ParameterError, match=r"dataset: .* frames with a valid pixel"):
        read_labelled(write_labelled(tmp_path / "none.h5", images, labels))


def test_the_folder_tells_how_it_came_about(classifier_folder: Path) -> None:
    report = json.loads((classifier_folder / "report.json").read_text())
    assert report["labels"]["never"]["recall"] is None
    assert report["images"] == 90  # 15 % of 600
    resolved = json.loads((classifier_folder / "configuration.json").read_text())
    assert resolved["model"]["labels"] == list(NAMES)
    assert resolved["training"]["batch"] == 32
    assert len(resolved["dataset"]["sha256"]) == 64
    rows = list(csv.DictReader((classifier_folder / "curves.csv").open()))
    assert float(rows[-1]["validation_loss"]) < float(rows[0]["validation_loss"])
    assert (classifier_folder / "scores.png").read_bytes().startswith(b"\x89PNG")


def test_training_depends_on_the_seed_alone() -> None:
    images, labels = images_and_labels(80, 1)
    preset = ClassificationPreset(
        ResidualConfiguration((1,), 2, "leaky_relu", preactivated=True),
        InputConfiguration(32),
        ClassificationTraining(epochs=1, batch=16),
    )
    labelled = LabelledFrames(frames_of(images), labels, NAMES)
    first, second = (fit(labelled, preset, CPU).classifier.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_a_stopped_training_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    labelled = read_labelled(write_labelled(tmp_path / "l.h5", *images_and_labels(80, 1)))
    preset = ClassificationPreset(
        ResidualConfiguration((1,), 2, "leaky_relu", preactivated=True),
        InputConfiguration(32),
        ClassificationTraining(epochs=6, batch=16, decay_epochs=2, momentum=0.9),
    )

    def stop(done: int) -> None:
        shown.append(done)
        if sum(shown) > 250:
            raise KeyboardInterrupt

    shown: list[int] = []
    whole = train(labelled, tmp_path / "whole", preset, CPU).classifier.state_dict()
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        train(labelled, tmp_path / "model", preset, CPU, progress=stop)
    assert not (tmp_path / "model").exists()
    other = dataclasses.replace(preset, input=InputConfiguration(16))
    with pytest.raises(ParameterError, match="begun with input"):
        train(labelled, tmp_path / "model", other, CPU)
    shown.clear()
    resumed = train(labelled, tmp_path / "model", preset, CPU, progress=shown.append)
    assert shown[1] == 3 * 64  # the epochs that were done count at once
    state = resumed.classifier.state_dict()
    assert all(torch.equal(state[name], whole[name]) for name in whole)


def test_the_released_layout_trains_a_classifier(tmp_path: Path) -> None:
    images, _ = images_and_labels(40, 1)
    empty = np.arange(40) % 2 == 0
    with h5py.File(tmp_path / "helium.cxi", "w") as file:
        for number in range(40):
            entry = file.create_group(f"entry_{number + 1}")
            entry["instrument_1/detector_1/data"] = images[number]
            entry["note_1/data"] = [int(name == ("empty" if empty[number] else "prolate")) for name in HELIUM]
    path = tmp_path / "helium.cxi"
    assert are_in(path)
    labelled = read_labelled(path, 16)
    assert labelled.names == HELIUM
    assert np.array_equal(labelled.labels[:, HELIUM.index("empty")], empty)
    assert np.allclose(labelled.frames.images, images.reshape(40, 16, 2, 16, 2).mean(axis=(2, 4)), atol=1e-6)


def test_weights_of_other_networks_are_refused(classifier_folder: Path, tmp_path: Path) -> None:
    model = Model(ModelConfiguration(ResidualConfiguration((1,), 2)))
    checkpoint.save(tmp_path, model, TrainingConfiguration(), {})
    with pytest.raises(ParameterError, match="allowed: weights that find labels"):
        classifiers.load(tmp_path)
    with pytest.raises(ParameterError, match="allowed: weights that find particles"):
        checkpoint.load(classifier_folder)


def test_files_say_whether_they_have_labels(tmp_path: Path, small_dataset: Path) -> None:
    images, labels = images_and_labels(4, 0)
    path = write_labelled(tmp_path / "l.h5", images, labels)
    assert are_in(path)
    assert not are_in(small_dataset)
    labelled = read_labelled(path)
    assert labelled.names == NAMES
    assert np.array_equal(labelled.labels, labels)
    with pytest.raises(ParameterError, match="labels: got none"):
        read_labelled(small_dataset)


def test_eleven_columns_without_names_are_the_helium_labels(tmp_path: Path) -> None:
    images, _ = images_and_labels(4, 0)
    path = write_labelled(tmp_path / "l.h5", images, np.zeros((4, 11), dtype=np.uint8), names=None)
    assert read_labelled(path).names == HELIUM


@pytest.mark.parametrize(
    ("labels", "names", "field"),
    [
        (np.zeros((4, 9)), HELIUM, r"labels: got shape \(4, 9\) in l.h5; allowed: \(N, 11\): oblate"),
        (np.zeros((4, 9)), None, "labels"),
        (np.zeros((3, 3)), NAMES, "labels: got 3 in l.h5; allowed: 4"),
        (np.zeros(4), NAMES, "labels"),
        (np.full((4, 3), 2), NAMES, "labels: got other values"),
        (np.full((4, 3), np.nan), NAMES, "labels: got other values"),
        (np.full((4, 3), b"1"), NAMES, "labels: got other values"),
        (np.zeros((4, 2)), ("same", "same"), "labels.names"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, labels: Any, names: Any, field: str) -> None:
    images, _ = images_and_labels(4, 0)
    path = write_labelled(tmp_path / "l.h5", images, labels, names)
    with pytest.raises(ParameterError, match=field):
        read_labelled(path)


def test_an_interrupted_dataset_is_refused(tmp_path: Path) -> None:
    path = write_labelled(tmp_path / "l.h5", *images_and_labels(4, 0))
    with h5py.File(path, "a") as file:
        file.create_group("/entry_1/process_1").attrs["complete"] = False
        assert LABELS in file
    with pytest.raises(ParameterError, match="interrupted"):
        read_labelled(path)


def test_images_too_small_for_the_network_are_refused(tmp_path: Path) -> None:
    labelled = read_labelled(write_labelled(tmp_path / "l.h5", *images_and_labels(80, 0)))
    preset = ClassificationPreset(VGGConfiguration(width=2, kernel=2, features=8))
    with pytest.raises(ParameterError, match="frames: got 32 x 32 pixels; allowed: 64 or more"):
        fit(labelled, preset, CPU)
    with pytest.raises(ParameterError, match=r"input\.pixels"):
        ClassifierConfiguration(input=InputConfiguration(16))


@pytest.mark.parametrize(
    "values",
    [{"epochs": 0}, {"batch": 1}, {"learning_rate": 0.0}, {"decay": 0.0}, {"momentum": 1.0}, {"l1": -1.0},
     {"held_out": 1.0}, {"seed": -1}, {"decay_epochs": 0}],
)  # fmt: skip
def test_bad_trainings_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ParameterError, match=f"training.{next(iter(values))}"):
        ClassificationTraining(**values)


def test_networks_are_named_or_described() -> None:
    preset = CLASSIFICATION_PRESETS["paper"]
    for given, layers in (("vgg16", (2, 2, 3, 3, 3)), ({"kind": "vgg", "width": 8}, (2, 2, 3, 3, 3))):
        table = {"network": network_table(preset, given)}
        network = from_mapping(ClassificationPreset, table).network
        assert isinstance(network, VGGConfiguration)
        assert network.convolutions == layers
    changed = from_mapping(ClassificationPreset, {"network": network_table(preset, {"alpha": 0.5})}).network
    assert isinstance(changed, ResidualConfiguration)
    assert (changed.blocks, changed.alpha, changed.first_activation) == ((2, 2, 2, 2), 0.5, "logarithmic")
    with pytest.raises(ParameterError, match="network: got resnet19"):
        network_table(preset, "resnet19")
