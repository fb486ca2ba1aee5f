"""What the numbers of `benchmarks/helium.py` say: verdicts on the paper's orderings, tables and figures."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from msft.helium.labels import NAMES

Row = dict[str, Any]

MEASURES = {"accuracy": "accuracy", "f1": "F1", "mean_average_precision": "mean average precision"}


def values(rows: list[Row], name: str, measure: str) -> NDArray[np.float64]:
    """A measure with every seed; undefined ones as NaN."""
    return np.array([row["overall"][measure] for row in rows if row["name"] == name], dtype=np.float64)


def verdicts(rows: list[Row], claims: list[tuple[str, str]]) -> list[str]:
    """What the numbers say of each of the paper's orderings, by every measure."""
    lines = []
    for better, worse in claims:
        for measure, title in MEASURES.items():
            first, second = values(rows, better, measure), values(rows, worse, measure)
            difference = first.mean() - second.mean()
            error = np.sqrt(first.var(ddof=1) / len(first) + second.var(ddof=1) / len(second))
            verdict = "is undecided" if not abs(difference) > 2 * error else "holds"
            if verdict == "holds" and difference < 0:
                verdict = "is reversed"
            lines.append(
                f"the paper's {better} > {worse} {verdict} in {title}: {difference:+.4f} +- {error:.4f}"
            )
    return lines


def figure(title: str, rows: list[Row], paper: dict[str, float], setting: str) -> Figure:
    """Every seed, means with standard deviations, and the paper's accuracy on its measured images."""
    names = list(dict.fromkeys(row["name"] for row in rows))
    drawn = Figure(figsize=(12.0, 4.2), layout="constrained")
    for axes, (measure, label) in zip(drawn.subplots(1, 3), MEASURES.items(), strict=True):
        for place, name in enumerate(names):
            found = values(rows, name, measure)
            axes.plot(np.full(len(found), place - 0.15), found, ".", color="#a0aec0", markersize=5)
            axes.errorbar(place, found.mean(), found.std(ddof=1), fmt="o", color="#2b6cb0", capsize=4)
            if measure == "accuracy" and name in paper:
                axes.plot(place + 0.2, paper[name], "D", mfc="none", mec="#c53030", label="paper, measured")
        axes.set_xticks(range(len(names)), names, rotation=35, ha="right", fontsize=8)
        axes.set_ylabel(f"{label} on test images")
        axes.grid(alpha=0.3, axis="y")
        handles, labels = axes.get_legend_handles_labels()
        if handles:
            axes.legend(handles[:1], labels[:1], frameon=False, fontsize=8)
    drawn.suptitle(f"{title}: {setting} (grey: each seed; blue: mean, standard deviation)", fontsize=10)
    return drawn


def per_label(rows: list[Row], name: str) -> list[str]:
    """Table 10: the measures of each label, means over the seeds."""
    chosen = [row["labels"] for row in rows if row["name"] == name]
    lines = [f"{name}, per label:"]
    for label in NAMES:
        found = [[row[label][key] for row in chosen] for key in ("accuracy", "precision", "recall", "f1")]
        means = ["-" if None in column else f"{np.mean(column):.3f}" for column in found]
        lines.append(f"  {label:14} {chosen[0][label]['positives']:5d} images  " + "  ".join(means))
    return lines
