"""Figures of classifiers: loss curves with scores, and what in an image speaks for a label."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from invert.labelling.explain import Explanations
from invert.labelling.scores import Scores
from msft.plot import COLOURS, save

__all__ = ["explanations", "measures", "save", "training"]

LEVELS = (0.25, 0.5, 0.75)
"""Of the contours, in units of the largest relevance."""


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
    """Frames with what speaks for a label as contours, the rest darkened (Zimmermann et al., figure 5)."""
    rows, columns = shown.frames.shape
    figure = Figure(figsize=(2.1 * columns + 0.9, 2.35 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    for row in range(rows):
        for column in range(columns):
            axes = grid[row, column]
            axes.set_facecolor("black")
            # half of the brightness is left where nothing speaks for the label: the rest stays visible
            relevance = shown.relevance[row, column]
            opacity = 0.5 + 0.5 * relevance
            axes.imshow(shown.images[row, column], cmap=COLOURS, vmin=0, vmax=1, alpha=opacity)
            if relevance.max() > min(LEVELS):
                axes.contour(relevance, LEVELS, colors="white", linestyles="dashed", linewidths=0.8)
            axes.set_xticks([])
            axes.set_yticks([])
            chance = shown.probabilities[row, column]
            axes.set_title(f"frame {shown.frames[row, column]}, p = {chance:.2f}", fontsize=8)
        grid[row, 0].set_ylabel(shown.labels[row], fontsize=10)
    scale = ScalarMappable(Normalize(0, 1), COLOURS)
    bar = figure.colorbar(scale, ax=grid, shrink=0.7, pad=0.01, aspect=30)
    bar.set_label("log intensity, scaled to [0, 1]", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    contours = ", ".join(f"{level:g}" for level in LEVELS)
    figure.supxlabel(f"dashed: relevance {contours} of its largest", fontsize=8)
    return figure
