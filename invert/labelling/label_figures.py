"""Figures of classifiers: loss curves with scores, and what in an image speaks for a label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import AbstractPathEffect, withStroke
from numpy.typing import NDArray

from invert.labelling.explain import Explanations
from invert.labelling.scores import THRESHOLD, Scores
from msft.plot import COLOURS, save

__all__ = ["explanations", "measures", "save", "training"]

LEVELS = (0.25, 0.5, 0.75)
"""Of the contours, in units of the largest relevance."""

OUTLINED: list[AbstractPathEffect] = [withStroke(linewidth=2.2, foreground="black")]
"""White on black shows on every colour of an image."""


def training(history: Sequence[dict[str, float]], scores: Scores) -> Figure:
    """Losses over the images shown, and the measures of every label on held-out images."""
    figure = Figure(figsize=(9.2, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.5))
    images = [row["images"] for row in history]
    marker = "o" if len(history) < 2 else None
    left.semilogy(
        images, [row["train_loss"] for row in history], label="training, with penalties", marker=marker
    )
    left.semilogy(images, [row["validation_loss"] for row in history], label="held out", marker=marker)
    left.set_xlabel("training images shown")
    left.set_ylabel("sigmoid cross-entropy")
    left.grid(alpha=0.3, which="both")
    left.legend(frameon=False, fontsize=8)
    _bars(right, scores)
    return figure


def measures(scores: Scores) -> Figure:
    """The measures of every label."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    _bars(figure.subplots(), scores)
    return figure


def _bars(axes: Axes, scores: Scores) -> None:
    places = np.arange(len(scores.names))
    shown = (("precision", "#2b6cb0"), ("recall", "#c53030"), ("average_precision", "#4a5568"))
    for number, (measure, colour) in enumerate(shown):
        values = np.nan_to_num(getattr(scores, measure))  # no bar where undefined
        axes.bar(places + 0.27 * (number - 1), values, 0.25, color=colour, label=measure.replace("_", " "))
    names = [f"{name} ({count})" for name, count in zip(scores.names, scores.positives, strict=True)]
    axes.set_xticks(places, names, rotation=35, ha="right", fontsize=8)
    axes.set_ylim(0, 1.18)
    axes.set_ylabel("score; none where undefined")
    axes.set_title(f"{scores.images} images; in brackets: how many have the label", fontsize=9)
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="upper center")


def explanations(shown: Explanations) -> Figure:
    """Frames with what speaks for a label as contours (Zimmermann et al., figure 5), nothing darkened."""
    rows, columns = shown.frames.shape
    lacking = shown.probabilities < THRESHOLD
    height = (2.5 if lacking.any() else 2.35) * rows + 0.4
    figure = Figure(figsize=(2.1 * columns + 0.9, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for row in range(rows):
        for column in range(columns):
            axes = grid[row, column]
            axes.imshow(shown.images[row, column], cmap=COLOURS, vmin=0, vmax=1)
            _relevance(axes, shown.relevance[row, column], shown.labels[row])
            axes.set_xticks([])
            axes.set_yticks([])
            title = f"frame {shown.frames[row, column]}, p = {shown.probabilities[row, column]:.2f}"
            if lacking[row, column]:
                title += "\ndoes not have the label"
            axes.set_title(title, fontsize=8)
        grid[row, 0].set_ylabel(shown.labels[row], fontsize=10)
    scale = ScalarMappable(Normalize(0, 1), COLOURS)
    bar = figure.colorbar(scale, ax=grid, shrink=0.7, pad=0.01, aspect=30)
    bar.set_label("log intensity, scaled to [0, 1]", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    if shown.relevance.max() > min(LEVELS):
        contours = ", ".join(f"{level:g}" for level in LEVELS)
        figure.supxlabel(f"lines: relevance {contours} of its largest", fontsize=8)
    return figure


def _relevance(axes: Axes, relevance: NDArray[np.float32], label: str) -> None:
    """Contours of the relevance (H, W) in an image, or a word that there is none."""
    if relevance.max() > min(LEVELS):
        lines = axes.contour(relevance, LEVELS, colors="white", linewidths=0.8)
        lines.set_path_effects(OUTLINED)
        return
    text = f"nothing here speaks\nfor {label}"
    said = axes.text(0.5, 0.05, text, color="white", fontsize=8, ha="center", transform=axes.transAxes)
    said.set_path_effects(OUTLINED)
