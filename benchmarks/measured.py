"""Which physics the two measured icosahedra of Barke et al. (2015) prefer: forward fits from scratch.

    python benchmarks/measured.py FOLDER [--seeds 2] [--starts 50] [--steps 50]

FOLDER holds barke1.png ... barke8.png (see tests/barke2015.py, which masks and linearises them). The fifth
and the sixth are fitted with the models of absorption and with the split-step propagation, each from several
seeds: with the beam on the pixel [64, 64], as the pictures say, and on the whole pixel where the exact solver
with a free beam puts it. Writes a JSON.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import record

from invert.estimate import Estimates
from invert.fitting.fit import MonteCarloSimplex, fit
from invert.fitting.forward import Beam
from invert.frames import Frames, read_frames
from msft.optics import Optics
from msft.pattern import Simulation
from msft.symmetry import misorientation

PHYSICS = {
    "amplitude": Simulation(optics=Optics(absorption="amplitude")),
    "intensity": Simulation(optics=Optics(absorption="intensity")),
    "refractive": Simulation(optics=Optics(absorption="refractive")),
    "propagation": Simulation(optics=Optics(absorption="refractive"), solver="propagation"),
}
ICOSAHEDRA = slice(4, 6)


def rolled(frames: Frames, beam: Beam) -> Frames:
    """The frames moved by whole pixels, so that this beam comes to the centre."""
    rows, columns = round(beam[0]), round(beam[1])

    def moved(images: Any) -> Any:
        return np.roll(images, (-rows, -columns), axis=(1, 2))

    # what is rolled in from the other side was not measured: the window ends far from the edges
    return replace(frames, images=moved(frames.images), valid=moved(frames.valid))


def row(name: str, frame: int, centre: str, results: list[Estimates], seconds: float) -> dict[str, Any]:
    """One physics on one frame: the best of the seeds, and how far apart the seeds ended."""
    best = max(results, key=lambda estimates: estimates.agreement[0])
    turned = [misorientation(best.particles.orientation[0], one.particles.orientation[0]) for one in results]
    return {
        "physics": name,
        "frame": frame + 1,
        "centre": centre,
        "agreement": [float(one.agreement[0]) for one in results],
        "radius_nm": float(best.particles.radius[0]),
        "radius_sigma_nm": float(best.radius_sigma[0]),
        "orientation": best.particles.orientation[0].tolist(),
        "orientation_sigma_degrees": float(np.degrees(best.orientation_sigma[0])),
        "beam": best.beam[0].tolist(),
        "seeds_apart_degrees": float(np.degrees(max(turned))),
        "seeds_apart_nm": float(np.ptp([one.particles.radius[0] for one in results])),
        "patterns": int(best.patterns_used[0]),
        "seconds_per_fit": seconds / len(results),
    }


def fitted(
    frames: Frames, simulation: Simulation, search: MonteCarloSimplex, seeds: int
) -> tuple[Any, float]:
    """Estimates of one frame from several seeds, and the seconds they took."""
    begin = time.perf_counter()
    results = [fit(frames, simulation, "icosahedron", search, seed).estimates for seed in range(seeds)]
    return results, time.perf_counter() - begin


def main() -> None:
    """Fit, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--physics", nargs="+", default=list(PHYSICS), choices=list(PHYSICS))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "measured.json")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from barke2015 import convert  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as folder:
        convert(arguments.folder, Path(folder) / "exp.h5")
        frames = read_frames(Path(folder) / "exp.h5", rows=ICOSAHEDRA)
    search = MonteCarloSimplex(arguments.starts, arguments.steps)
    fixed = replace(search, free_beam=False)
    found: list[dict[str, Any]] = []

    def add(result: dict[str, Any]) -> None:
        found.append(result)
        agreement = ", ".join(f"{value:.3f}" for value in result["agreement"])
        print(
            f"frame {result['frame']} {result['physics']:12} {result['centre']:10} r {agreement}  "
            f"R {result['radius_nm']:6.1f} nm  seeds apart {result['seeds_apart_degrees']:.2f} deg "
            f"{result['seeds_apart_nm']:.2f} nm  {result['seconds_per_fit']:.0f} s",
            flush=True,
        )

    for index in range(len(frames.images)):
        alone = replace(
            frames,
            images=frames.images[index : index + 1],
            valid=frames.valid[index : index + 1],
            numbers=frames.numbers[index : index + 1],
        )
        number = int(alone.numbers[0])
        results, seconds = fitted(alone, PHYSICS["amplitude"], search, arguments.seeds)
        add(row("amplitude", number, "free", results, seconds))
        beam = (results[0].beam[0, 0], results[0].beam[0, 1])
        for name in arguments.physics:
            for centre, shown in (("[64, 64]", alone), ("whole px", rolled(alone, beam))):
                results, seconds = fitted(shown, PHYSICS[name], fixed, arguments.seeds)
                add(row(name, number, centre, results, seconds))
    record.write(arguments.out, {"fits": found})
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
