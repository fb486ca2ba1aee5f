"""Which body a frame shows: fits with several bodies to simulated frames, and to measured ones.

    python benchmarks/bodies.py FOLDER [--frames 10] [--starts 50]

FOLDER holds barke1.png ... barke8.png and labels.csv, measured by Barke et al. (2015); tests/barke2015.py
masks and linearises them. Simulated are frames of each of the four bodies that were found in those, of R = 40
to 140 nm and recorded by the preset `experiment`, whose hidden pixels are masked. Every frame is fitted with
every body, and said to show the one that agrees best, as `invert fit --body ... --body ...` does. The
proportions of the truncated twinned tetrahedron were chosen with the measured patterns in sight. Writes a
JSON and a picture of one measured frame of each body.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import detected
import numpy as np
import record
from matplotlib.figure import Figure
from numpy.typing import NDArray

from invert import figures
from invert.estimate import Inversion
from invert.fitting.fit import MonteCarloSimplex, fit
from invert.frames import Frames, read_frames
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation

BODIES = {
    "icosahedron": "icosahedron",
    "decahedron": "decahedron",
    "truncated octahedron": "truncated octahedron",
    "truncated twinned tetrahedron": "truncated twinned tetrahedron(0.09,0.5)",
}
"""As Barke et al. call them, and as they are simulated."""

RADII = (40.0, 140.0)
SEED = 5
SHOWN = [1, 2, 5, 6]
"""Measured frames in the picture, from 0: one of each body."""


def simulated(body: str, count: int) -> Frames:
    """Frames of one body through the preset `experiment`."""
    drawn = ParticleDistribution(RADII).draw(SEED, range(count))
    particles = Particles(drawn.radius, drawn.orientation, body)
    return detected.frames_of(particles, Simulation(), "experiment", SEED)


def fitted(frames: Frames, search: MonteCarloSimplex) -> tuple[list[Inversion], NDArray[np.float64]]:
    """The fits of all frames with each body, and their agreement, shape (N, bodies)."""
    found = [fit(frames, Simulation(), body, search) for body in BODIES.values()]
    return found, np.column_stack([inversion.estimates.agreement for inversion in found])


def confusion(count: int, search: MonteCarloSimplex) -> dict[str, dict[str, int]]:
    """How many simulated frames of each body are said to show which."""
    table: dict[str, dict[str, int]] = {}
    for name, body in BODIES.items():
        told = np.argmax(fitted(simulated(body, count), search)[1], axis=1)
        table[name] = {other: int((told == column).sum()) for column, other in enumerate(BODIES)}
        told_as = ", ".join(f"{number} {other}" for other, number in table[name].items())
        print(f"{name:30} told as {told_as}", flush=True)
    return table


def measured(folder: Path, search: MonteCarloSimplex, picture: Path) -> list[dict[str, Any]]:
    """Agreements of the measured frames, with the body that Barke et al. name; and a picture of some."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from barke2015 import convert  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as place:
        convert(folder, Path(place) / "exp.h5")
        frames = read_frames(Path(place) / "exp.h5")
    with (folder / "labels.csv").open(newline="") as file:
        labels = [row["body"] for row in csv.DictReader(file)]
    found, agreement = fitted(frames, search)
    best = agreement.argmax(axis=1)
    rows = []
    for number, (label, told) in enumerate(zip(labels, best, strict=True)):
        radius = float(found[told].estimates.particles.radius[number])
        rows.append(
            {
                "published": label,
                "told": list(BODIES)[told],
                "radius_nm": radius,
                "agreement": dict(zip(BODIES, agreement[number].tolist(), strict=True)),
            }
        )
        values = ", ".join(f"{value:.3f}" for value in agreement[number])
        print(f"{label:30} told as {rows[-1]['told']:30} r {values}  R {radius:.1f} nm", flush=True)
    figures.save(_pictured(found, best, SHOWN), picture)
    return rows


def _pictured(found: list[Inversion], best: NDArray[np.intp], shown: list[int]) -> Figure:
    """Measured | reconstruction | re-simulated of some frames, each with its best body."""

    def of_best(values: Callable[[Inversion], NDArray[Any]]) -> NDArray[Any]:
        return np.array([values(found[best[row]])[row] for row in shown])

    return figures.comparison(
        figures.Comparison(
            measured=of_best(lambda one: one.measured),
            resimulated=of_best(lambda one: one.resimulated),
            valid=of_best(lambda one: one.valid),
            estimate=Particles(
                of_best(lambda one: one.estimates.particles.radius),
                of_best(lambda one: one.estimates.particles.orientation),
                of_best(lambda one: one.estimates.particles.bodies),
            ),
            agreement=of_best(lambda one: one.estimates.agreement),
            frames=np.array(shown),
            detector=Simulation().detector,
            flags=of_best(lambda one: one.estimates.flags),
        )
    )


def main() -> None:
    """Fit, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=10, help="of each body")
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "bodies.json")
    arguments = parser.parse_args()
    search = MonteCarloSimplex(arguments.starts)
    rows = measured(arguments.folder, search, arguments.out.with_suffix(".png"))
    table = confusion(arguments.frames, search)
    settings = {"frames": arguments.frames, "starts": arguments.starts, "radii_nm": RADII, "bodies": BODIES}
    record.write(arguments.out, {**settings, "measured": rows, "simulated": table})
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
