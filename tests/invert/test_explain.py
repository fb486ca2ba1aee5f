"""GradCAM++: its equations by brute-force derivatives, and networks whose relevant region is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from invert.backbone import VGGConfiguration
from invert.labelling import classifier as classifiers
from invert.labelling import label_figures
from invert.labelling.classifier import Classifier, ClassifierConfiguration
from invert.labelling.explain import Explanations, explanations, heatmap, relevance
from invert.labelling.inputs import InputConfiguration, inputs
from msft.errors import ParameterError
from tests.invert.conftest import frames_of
from tests.invert.labelled import PIXELS, images_and_labels, stamp


def leaky(value: float) -> float:
    return value if value > 0 else 0.2 * value


def test_heatmaps_are_the_equations_of_the_appendix() -> None:
    torch.manual_seed(0)
    maps = torch.randn(1, 3, 2, 2, dtype=torch.float64)
    weight = 0.5 * torch.randn(3, dtype=torch.float64)
    hidden = nn.LeakyReLU(0.2)
    mixed = torch.randn(3, 3, dtype=torch.float64)

    def score(values: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = hidden(values.mean(dim=(2, 3)) @ mixed) @ weight
        return result

    expected = np.zeros((2, 2))
    for k in range(3):
        w_k = 0.0
        for i in range(2):
            for j in range(2):
                # Y = exp S and its first three derivatives by the one element A^k_ij
                element = maps[0, k, i, j].clone().requires_grad_()
                changed = maps.clone()
                changed[0, k, i, j] = element
                derivatives = [torch.exp(score(changed))[0]]
                for _ in range(3):
                    derivatives += torch.autograd.grad(derivatives[-1], element, create_graph=True)
                first, second, third = (d.item() for d in derivatives[1:])
                share = second / (2 * second + float(maps[0, k].sum()) * third)
                w_k += share * leaky(first)  # D1
        expected += w_k * maps[0, k].numpy()
    y = float(torch.exp(score(maps))[0])
    expected = np.vectorize(leaky)(expected) / y  # D2; Y is left out of ours
    assert np.allclose(heatmap(maps, score)[0].numpy(), expected, rtol=1e-9)


def test_what_speaks_for_a_label_shows_and_what_speaks_against_it_does_not() -> None:
    maps = torch.zeros(1, 2, 8, 8)
    maps[0, 0, 1, 2] = 5.0  # seen by the first map, for the label
    maps[0, 1, 6, 6] = 5.0  # seen by the second, against it
    heat = heatmap(maps, lambda values: values.mean(dim=(2, 3)) @ torch.tensor([1.0, -1.0]))[0]
    assert heat.argmax() == 1 * 8 + 2
    assert heat[1, 2] > 0
    assert heat[6, 6] < 0
    other = heat.clone()
    other[1, 2] = other[6, 6] = 0
    assert (other == 0).all()


def test_no_slope_gives_no_heat() -> None:
    heat = heatmap(torch.rand(2, 3, 4, 4), lambda values: 0.0 * values.sum(dim=(1, 2, 3)))
    assert (heat == 0).all()


def test_the_trained_network_looked_at_the_cross(classifier_folder: Path) -> None:
    """Images with a cross at a known place: most of the relevance lies within its reach."""
    loaded = classifiers.load(classifier_folder)
    generator = np.random.default_rng(7)
    images = 0.2 * generator.random((40, PIXELS, PIXELS))
    near = np.zeros(images.shape, dtype=bool)
    for image, close in zip(images, near, strict=True):
        row, column = stamp(image, True, generator)
        close[max(row - 6, 0) : row + 7, max(column - 6, 0) : column + 7] = True
    seen = inputs(frames_of(images), loaded.classifier.configuration.input)
    heat = relevance(loaded.classifier, seen, "cross").numpy()
    assert heat.shape == images.shape
    assert heat.min() >= 0
    assert heat.max() == 1
    inside = (heat * near).sum(axis=(1, 2)) / heat.sum(axis=(1, 2))
    by_chance = near.mean(axis=(1, 2))
    assert np.median(inside) > 1.5 * np.median(by_chance)
    peaks = heat.reshape(len(heat), -1).argmax(axis=1)
    assert near.reshape(len(near), -1)[np.arange(len(near)), peaks].mean() > 0.8


def test_vgg_networks_are_explained_at_their_last_3x3_maps() -> None:
    network = VGGConfiguration(width=2, kernel=2, features=4)
    model = Classifier(ClassifierConfiguration(network, ("a", "b"), InputConfiguration(64))).eval()
    heat = relevance(model, torch.rand(3, 64, 64), "b", batch=2)
    assert heat.shape == (3, 64, 64)
    assert torch.equal(heat, heat.clamp(0, 1))


def test_pictures_are_true_and_say_what_they_do_not_show() -> None:
    """Contours only where something speaks for the label, colours of the bar, frames without the label."""
    images = np.random.default_rng(0).random((2, 2, 8, 8), dtype=np.float32)
    heat = np.zeros_like(images)
    heat[0, :, 2:5, 3:6] = 1
    chances = np.array([[0.9, 0.5], [0.4, 0.01]], dtype=np.float32)
    numbers = np.array([[3, 1], [4, 2]])
    shown = Explanations(("streak", "bent"), numbers, chances, images, heat)
    figure = label_figures.explanations(shown)
    panels = [axes for axes in figure.axes if axes.images]
    for panel, image in zip(panels, images.reshape(4, 8, 8), strict=True):
        assert np.array_equal(np.asarray(panel.images[0].get_array()), image)
        assert panel.images[0].get_alpha() is None
        assert panel.images[0].get_clim() == (0, 1)
    lacks = "\ndoes not have the label"
    assert [panel.get_title() for panel in panels] == [
        "frame 3, p = 0.90",
        "frame 1, p = 0.50",
        f"frame 4, p = 0.40{lacks}",
        f"frame 2, p = 0.01{lacks}",
    ]
    nothing = ["nothing here speaks\nfor bent"]
    assert [[text.get_text() for text in panel.texts] for panel in panels] == [[], [], nothing, nothing]
    assert [len(panel.collections) for panel in panels] == [1, 1, 0, 0]
    assert "lines: relevance" in figure.get_supxlabel()
    nowhere = Explanations(("bent",), numbers[1:], chances[1:], images[1:], heat[1:])
    assert label_figures.explanations(nowhere).get_supxlabel() == ""


def test_explained_frames_are_the_most_probable_ones(classifier_folder: Path) -> None:
    model = classifiers.load(classifier_folder).classifier
    images, labels = images_and_labels(16, 3)
    frames = frames_of(images, numbers=np.arange(10, 26))
    shown = explanations(model, frames, ["line", "cross"], 2)
    assert shown.images.shape == shown.relevance.shape == (2, 2, PIXELS, PIXELS)
    for column, numbers in enumerate(shown.frames):
        assert labels[numbers - 10, column].all()
    chances = model.probabilities(inputs(frames, model.configuration.input)).numpy()
    assert shown.probabilities[0].tolist() == sorted(chances[:, 0].tolist(), reverse=True)[:2]
    assert explanations(model, frames, ["line"], 99).frames.shape == (1, 16)
    lost = np.ones(images.shape, dtype=bool)
    lost[shown.frames[0] - 10] = False
    others = explanations(model, frames_of(images, valid=lost, numbers=np.arange(10, 26)), ["line"], 99)
    assert others.frames.shape == (1, 14)
    assert not set(shown.frames[0].tolist()) & set(others.frames[0].tolist())
    with pytest.raises(ParameterError, match="frames with a valid pixel"):
        explanations(model, frames_of(images, valid=np.zeros_like(lost)), ["line"])
    with pytest.raises(ParameterError, match="label: got streak; allowed: one of line, cross"):
        explanations(model, frames, ["streak"])
