"""Figures: loss curves, error histograms, and measured frames beside their reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from invert.estimate import flag_names
from invert.evaluate import Evaluation
from invert.metrics import Errors
from invert.predictions import Predictions
from invert.table import TruthOf
from invert.uncertainty import coverage
from msft.bodies.rotations import rotation_group
from msft.detector import Detector, EwaldDetector
from msft.particle import Particles
from msft.plot import COLOURS, draw_body, extent, save
from msft.symmetry import nearest_equivalent

__all__ = ["Comparison", "comparison", "curves", "error_histogram", "evaluation", "first_of", "save"]

BLUE, RED = "#2b6cb0", "#c53030"


LONGEST = 32
"""Letters of a line of flags, which is no wider than the picture below it."""

MANY = 1e3
"""Of an axis's ends, the ratio above which there is room for the powers of ten alone."""


def curves(history: Sequence[dict[str, float]]) -> Figure:
    """Training and validation loss against the number of images shown."""
    figure = Figure(figsize=(5.2, 3.6), layout="constrained")
    axes = figure.subplots()
    images = [row["images"] for row in history]
    marker = "o" if len(history) < 2 else None
    axes.semilogy(images, [row["train_loss"] for row in history], label="training", marker=marker)
    axes.semilogy(images, [row["validation_loss"] for row in history], label="validation", marker=marker)
    best = min(history, key=lambda row: row["validation_loss"])
    axes.plot(
        best["images"], best["validation_loss"], "k*", label=f"kept weights ({best['validation_loss']:.2g})"
    )
    axes.set_xlabel("training images shown")
    axes.set_ylabel("loss")
    axes.grid(alpha=0.3, which="both")
    axes.legend(frameon=False)
    return figure


def error_histogram(result: Errors) -> Figure:
    """Mean and maximum relative errors of the patterns (Stielow et al. 2020, figure 4a), and angles."""
    figure = Figure(figsize=(9.2, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    _histogram(left, result)
    left.set_title(f"{len(result.mean)} held-out patterns; dashed: medians", fontsize=9)
    right.scatter(result.radius, result.orientation, s=8, alpha=0.5, color=BLUE, linewidths=0)
    _logarithmic(right, "x")
    _logarithmic(right, "y")
    right.set_xlabel("radius error (nm)")
    right.set_ylabel("orientation error (degrees)")
    right.set_title(
        f"medians {np.median(result.radius):.2g} nm and {np.median(result.orientation):.2g} degrees",
        fontsize=9,
    )
    right.grid(alpha=0.3)
    return figure


def evaluation(judged: Evaluation) -> Figure:
    """Figure 4a of Stielow et al. 2020 for the first recording, and the errors on every recording."""
    name, first = next(iter(judged.cases.items()))
    figure = Figure(figsize=(11.5, 7.2 + 0.05 * len(judged.cases)), layout="constrained")
    figure.suptitle(f"{len(first.mean)} patterns; upper row: {name}", fontsize=10)
    (histogram, over_radius, over_distance), (*lower,) = figure.subplots(2, 3)
    _histogram(histogram, first)
    trends = judged.trends()
    for axes, values, key, label in (
        (over_radius, judged.truth.radius, "radius_nm", "radius (nm)"),
        (
            over_distance,
            judged.degrees_to_surface,
            "degrees_to_surface",
            "distance to the domain's surface (degrees)",
        ),
    ):
        for errors, trend, colour in (
            (first.mean, trends[key]["median_mean_error"], BLUE),
            (first.maximum, trends[key]["median_maximum_error"], RED),
        ):
            axes.scatter(values, 100 * errors, s=5, alpha=0.25, color=colour, linewidths=0, rasterized=True)
            medians = 100 * np.array(trend, dtype=float)  # None becomes NaN, a gap
            axes.stairs(medians, trends[key]["edges"], baseline=None, color=colour, linewidth=2)
        _logarithmic(axes, "y")
        axes.set_xlabel(label)
        axes.set_ylabel("relative error (%); lines: medians")
        axes.grid(alpha=0.3)
    bars, widths, calibration = lower
    _by_recording(
        bars, {n: case.orientation for n, case in judged.cases.items()}, "orientation error (degrees)"
    )
    _by_recording(widths, {n: case.radius for n, case in judged.cases.items()}, "radius error (nm)")
    widths.set_yticklabels([])
    _coverages(calibration, judged)
    return figure


def _histogram(axes: Axes, result: Errors) -> None:
    everything = 100 * np.concatenate([result.mean, result.maximum])
    bins = np.geomspace(max(everything.min(), 1e-3), max(everything.max(), 2e-3), 41).tolist()
    for values, label, colour in ((result.mean, "mean", BLUE), (result.maximum, "maximum", RED)):
        axes.hist(100 * values, bins=bins, alpha=0.65, color=colour, label=label)
        axes.axvline(100 * np.median(values), color=colour, linestyle="--", linewidth=1)
    _logarithmic(axes, "x")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("relative error of the five parameters (%)")
    axes.set_ylabel("patterns")
    axes.margins(y=0.25)  # the legend's place
    # opaque: the medians go through behind it
    axes.legend(framealpha=1.0, edgecolor="none", ncols=2, loc="upper center")


def _logarithmic(axes: Axes, name: Literal["x", "y"]) -> None:
    """An axis of what is plotted, logarithmic, with ticks in plain numbers even below a decade."""
    axes.set(**{f"{name}scale": "log"})
    axis = axes.xaxis if name == "x" else axes.yaxis
    low, high = axis.get_data_interval()
    many = high > MANY * max(low, axis.get_minpos())
    axis.set_major_locator(LogLocator(subs=(1.0,) if many else (1.0, 2.0, 5.0)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_formatter(NullFormatter())


def _by_recording(axes: Axes, errors: dict[str, NDArray[np.float64]], label: str) -> None:
    """Median, 90 % and 99 % quantile of the errors on each recording, as a line with three marks."""
    for row, values in enumerate(errors.values()):
        quantiles = np.quantile(values, [0.5, 0.9, 0.99])
        axes.plot(quantiles, [row] * 3, color="0.7", zorder=1)
        for quantile, marker in zip(quantiles, "o|x", strict=True):
            axes.plot(quantile, row, marker, color=BLUE)
    for marker, text in zip("o|x", ("median", "90 %", "99 %"), strict=True):
        axes.plot([], [], marker, color=BLUE, label=text)
    _logarithmic(axes, "x")
    axes.set_yticks(range(len(errors)), [name.replace("_", " ") for name in errors], fontsize=8)
    axes.set_ylim(len(errors) - 0.5, -0.5)
    axes.set_xlabel(label)
    axes.grid(alpha=0.3, axis="x")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


def _coverages(axes: Axes, judged: Evaluation) -> None:
    """The fraction of errors within the 68 % interval for each recording."""
    rows = range(len(judged.cases))
    both = [coverage(case, judged.answers[name]) for name, case in judged.cases.items()]
    for column, (label, marker, colour) in enumerate((("radius", "o", BLUE), ("orientation", "s", RED))):
        axes.plot([100 * one[column] for one in both], rows, marker, color=colour, label=label)
    axes.axvspan(65, 71, color="0.9", zorder=0)
    axes.set_xlim(-3, 103)  # marks at both ends are whole
    axes.set_yticks(rows, [])
    axes.set_ylim(len(judged.cases) - 0.5, -0.5)
    axes.set_xlabel("errors within the stated 68 % interval (%)")
    axes.grid(alpha=0.3, axis="x")
    axes.legend(frameon=False, fontsize=8, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0))


@dataclass(frozen=True)
class Comparison:
    """Frames and what they were inverted to.

    Attributes
    ----------
    measured, resimulated
        Grey images (N, H, W) in [0, 1].
    valid
        Pixels that were measured, bool (N, H, W).
    estimate
        The N particles.
    agreement
        Correlation of the log patterns, shape (N,).
    frames
        Numbers of the frames, shape (N,).
    detector
        For the axes.
    flags
        Bits of `invert.estimate.FLAGS`, shape (N,).
    truth
        The particles that the file names, if it does.
    """

    measured: NDArray[np.float32]
    resimulated: NDArray[np.float32]
    valid: NDArray[np.bool_]
    estimate: Particles
    agreement: NDArray[np.float64]
    frames: NDArray[np.int64]
    detector: Detector
    flags: NDArray[np.uint32]
    truth: Particles | None = None


def first_of(predictions: Predictions, count: int, truth: TruthOf) -> Comparison:
    """The first frames of a file of predictions."""
    rows = slice(0, count)
    estimates = predictions.estimates(rows)
    measured, resimulated, valid = predictions.images(rows)
    return Comparison(
        measured=measured,
        resimulated=resimulated,
        valid=valid,
        estimate=estimates.particles,
        agreement=estimates.agreement,
        frames=estimates.frames,
        detector=predictions.detector or EwaldDetector(measured.shape[1]),
        truth=truth(estimates.frames),
        flags=estimates.flags,
    )


def comparison(shown: Comparison) -> Figure:
    """Measured | reconstruction | re-simulated, a row per frame (Stielow et al. 2020, figure 5)."""
    count = len(shown.frames)
    titles = [_titles(shown, row) for row in range(count)]
    # pictures are as wide as they are, so that the layout has no room for titles but what is added for them
    lines = sum(max(title.count("\n") for title in of_row) for of_row in titles)
    figure = Figure(figsize=(9.2, 2.75 * count + 0.15 * lines + 0.6), layout="constrained")
    grid = figure.add_gridspec(count, 3, width_ratios=(1, 1.35, 1))
    edges, x_label, y_label = extent(shown.detector)
    largest = 1.05 * float(shown.estimate.radius.max())
    for row in range(count):
        pictures = {0: np.where(shown.valid[row], shown.measured[row], np.nan), 2: shown.resimulated[row]}
        for column, picture in pictures.items():
            axes = figure.add_subplot(grid[row, column])
            image = axes.imshow(picture, cmap=COLOURS, vmin=0, vmax=1, extent=edges, interpolation="nearest")
            axes.set_facecolor("#4a5568")  # pixels that were not measured
            axes.tick_params(labelsize=7)
            axes.set_ylabel(y_label, fontsize=8)
            axes.set_xlabel(x_label, fontsize=8)
            axes.set_title(titles[row][column], fontsize=8)
        body = figure.add_subplot(grid[row, 1], projection="3d")
        particle = shown.estimate
        radius, orientation = float(particle.radius[row]), particle.orientation[row]
        draw_body(body, str(particle.bodies[row]), orientation, radius, largest)
        body.set_title(titles[row][1], fontsize=8)
    bar = figure.colorbar(image, ax=figure.axes, shrink=min(1.0, 2.0 / count), pad=0.01, aspect=30)
    bar.set_label("log intensity, scaled to [0, 1]; grey: not measured", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    return figure


def _titles(shown: Comparison, row: int) -> tuple[str, str, str]:
    """What stands above the three pictures of a row; above the first row, what they are."""
    flags = fill(", ".join(flag_names(int(shown.flags[row]))), LONGEST).replace("_", " ")
    agreement = f"agreement {shown.agreement[row]:.3f}" + (f"\n{flags}" if flags else "")
    frame = f"frame {shown.frames[row]}"
    if row:
        return frame, _describe(shown, row), agreement
    return f"measured\n{frame}", f"reconstruction\n{_describe(shown, row)}", f"re-simulated\n{agreement}"


def _describe(shown: Comparison, row: int) -> str:
    """The particle, and the true one turned by its symmetry to where it is most like it."""
    found, truth = shown.estimate, shown.truth
    bodies = [found.bodies, *([] if truth is None else [truth.bodies])]
    several = len(set(np.concatenate(bodies).tolist())) > 1

    def one(particles: Particles, orientation: NDArray[np.float64]) -> str:
        quaternion = ", ".join(f"{component:.3f}" for component in orientation)
        body = f"{particles.bodies[row]}\n" if several else ""
        return f"{body}R = {particles.radius[row]:.1f} nm, q = ({quaternion})"

    text = one(found, found.orientation[row])
    if truth is None:
        return text
    group = rotation_group(str(truth.bodies[row]))
    alike = nearest_equivalent(truth.orientation[row], found.orientation[row], group)
    return f"{text}\ntruth: {one(truth, alike)}"
