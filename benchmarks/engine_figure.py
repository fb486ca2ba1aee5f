"""Accuracy against time of solvers, back ends and peers, drawn from the record of `engine.py`.

    python benchmarks/engine_figure.py [benchmarks/records/engine.json]

writes the picture beside the record.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLOURS = {"exact": 0.05, "chebyshev": 0.4, "slices": 0.65, "pyMSFT": 0.8}
"""Places on the colour map by what a row's name begins with."""

MARKERS = {"numpy": "o", "numba": "s", "cupy": "^"}
"""By back end; a peer has a diamond."""


def draw(result: dict[str, Any]) -> Figure:
    """The figure of a record."""
    figure = Figure(figsize=(7.6, 5.0), layout="constrained")
    axes = figure.subplots()
    rows = {name: row for name, row in result["rows"].items() if "amplitude_error" in row}
    least = min(row["amplitude_error"] for row in rows.values() if row["amplitude_error"] > 0)
    floor = least / 30
    places = {name: (row["seconds_median"], row["amplitude_error"] or floor) for name, row in rows.items()}
    crowded = {
        name: any(place[0] < x < 100 * place[0] and 0.5 < y / place[1] < 2 for x, y in places.values())
        for name, place in places.items()
    }
    for name, place in places.items():
        _point(axes, name, place, reference=not rows[name]["amplitude_error"], left=crowded[name])
    axes.set(xscale="log", yscale="log", xlabel="time per pattern (s)")
    axes.set_ylabel("relative $L_2$ error of the amplitude")
    axes.set_ylim(floor / 3, 0.1)
    fastest = min(row["seconds_median"] for row in rows.values())
    slowest = max(row["seconds_median"] for row in rows.values())
    named_left = min((places[name][0] for name in places if crowded[name]), default=fastest)
    axes.set_xlim(min(fastest / 3, named_left / 30), slowest * 60)  # room for the names
    axes.grid(which="major", color="0.9")
    axes.set_axisbelow(True)
    machine = result["environment"]
    where = f"{machine['processor']}, {result['threads']} threads"
    if result.get("gpu"):
        where += f"; {result['gpu']}"
    axes.set_title(f"icosahedra of 30-160 nm, 128 x 128 pixels; {where}", fontsize=10)
    return figure


def _point(axes: Axes, name: str, place: tuple[float, float], reference: bool, left: bool) -> None:
    """A row's point, its name on the left where another point stands on the right."""
    family = next((key for key in COLOURS if name.startswith(key)), "pyMSFT")
    marker = next((MARKERS[part] for part in name.replace(",", "").split() if part in MARKERS), "D")
    colour = matplotlib.colormaps["viridis"](COLOURS[family])
    axes.plot(*place, marker, color=colour, markerfacecolor="none" if reference else colour)
    label = f"{name} (the reference: error 0)" if reference else name
    step, side = ((-7, 0), "right") if left else ((7, 0), "left")
    axes.annotate(label, place, xytext=step, textcoords="offset points", va="center", ha=side, fontsize=8.5)


def main() -> None:
    """Draw a record."""
    default = Path(__file__).parent / "records" / "engine.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    picture = path.with_suffix(".png")
    draw(json.loads(path.read_text())).savefig(picture, dpi=200)
    print(picture)


if __name__ == "__main__":
    main()
