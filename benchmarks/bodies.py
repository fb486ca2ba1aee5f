"""Which body a frame shows: fits with several bodies to simulated frames, and to measured ones.

    python benchmarks/bodies.py FOLDER [--frames 10] [--starts 50]

FOLDER holds barke1.png ... barke8.png and labels.csv, measured by Barke et al. (2015); tests/barke2015.py
masks and linearises them. Simulated are frames of each of the four bodies that were found in those, of R = 40
to 140 nm and recorded by the preset `experiment`, whose hidden pixels are masked. Every frame is fitted with
every body, and said to show the one that agrees best, as `invert fit --body ... --body ...` does. The
proportions of the truncated twinned tetrahedron were chosen with the measured patterns in sight. Writes a
JSON.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from numpy.typing import NDArray

from augment.presets import recording
from invert.fit import MonteCarloSimplex, fit
from invert.frames import Frames, read_frames
from msft.dataset import missing_pixels
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


def simulated(body: str, count: int) -> Frames:
    """Frames of one body through the preset `experiment`."""
    simulation = Simulation()
    drawn = ParticleDistribution(RADII).draw(SEED, range(count))
    particles = Particles(drawn.radius, drawn.orientation, body)
    intensity = torch.from_numpy(simulation.intensity(particles))
    images, recorded = recording("experiment")(intensity, torch.Generator().manual_seed(SEED))
    size = (images.shape[1], images.shape[2])
    valid = recorded.measured(size).numpy() & (missing_pixels(simulation) == 0)
    return Frames(images.numpy(), valid, "log", np.arange(count), body, None, None, None, particles)


def fitted(frames: Frames, search: MonteCarloSimplex) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Agreement and radius of every frame with every body, each of shape (N, bodies)."""
    found = [fit(frames, Simulation(), body, search).estimates for body in BODIES.values()]
    agreement = np.column_stack([estimates.agreement for estimates in found])
    return agreement, np.column_stack([estimates.particles.radius for estimates in found])


def confusion(count: int, search: MonteCarloSimplex) -> dict[str, dict[str, int]]:
    """How many simulated frames of each body are said to show which."""
    table: dict[str, dict[str, int]] = {}
    for name, body in BODIES.items():
        told = np.argmax(fitted(simulated(body, count), search)[0], axis=1)
        table[name] = {other: int((told == column).sum()) for column, other in enumerate(BODIES)}
        told_as = ", ".join(f"{number} {other}" for other, number in table[name].items())
        print(f"{name:30} told as {told_as}", flush=True)
    return table


def measured(folder: Path, search: MonteCarloSimplex) -> list[dict[str, Any]]:
    """Agreements of the measured frames, with the body that Barke et al. name."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from barke2015 import convert  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as place:
        convert(folder, Path(place) / "exp.h5")
        frames = read_frames(Path(place) / "exp.h5")
    with (folder / "labels.csv").open(newline="") as file:
        labels = [row["body"] for row in csv.DictReader(file)]
    rows = []
    for label, agreement, radius in zip(labels, *fitted(frames, search), strict=True):
        told = int(np.argmax(agreement))
        rows.append(
            {
                "published": label,
                "told": list(BODIES)[told],
                "radius_nm": float(radius[told]),
                "agreement": dict(zip(BODIES, agreement.tolist(), strict=True)),
            }
        )
        values = ", ".join(f"{value:.3f}" for value in agreement)
        print(f"{label:30} told as {rows[-1]['told']:30} r {values}  R {radius[told]:.1f} nm", flush=True)
    return rows


def main() -> None:
    """Fit, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--frames", type=int, default=10, help="of each body")
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "bodies.json")
    arguments = parser.parse_args()
    search = MonteCarloSimplex(arguments.starts)
    rows = measured(arguments.folder, search)
    table = confusion(arguments.frames, search)
    settings = {"frames": arguments.frames, "starts": arguments.starts, "radii_nm": RADII, "bodies": BODIES}
    record.write(arguments.out, {**settings, "measured": rows, "simulated": table})
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
