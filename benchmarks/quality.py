"""How well frames are recognised that no icosahedron explains: the weights of the signs, and the ROC.

    python benchmarks/quality.py MODEL [MODEL ...] [--frames 120] [--seed 0] [--no-refine]

Simulates icosahedra, spheres and spheroids (as helium droplets are), two icosahedra at once, other polyhedra,
halos without structure, flat light and pure noise; records all but the last with the preset `experiment`;
inverts them with each model, polishes the answers, and fits a logistic regression on the signs of
`invert.quality` to one half of the frames, as all the models see them: fitted to a good network alone, the
weights let pass what a small one sees in noise. The other half gives each model's ROC, with the weights that
the package uses and with those fitted here. Prints also the agreement above which 98 of 100 icosahedra lie,
and how intensities and their logarithms are told apart (`invert/reading/scale.py`). Writes JSON and PNG.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from augment import experiment, log_scale
from invert import checkpoint, quality
from invert.estimate import Estimates
from invert.fitting.refine import Refinement, refine
from invert.frames import Frames
from invert.predict import predict
from invert.reading.scale import skewness
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.symmetry import random_orientations

KNOWN = "icosahedron"
POLYHEDRA = ("cube", "octahedron", "truncated octahedron", "dodecahedron")
STRETCHES = (0.5, 0.7, 1.4, 2.0)
KEPT = 0.98
"""Part of the icosahedra that are to pass."""

Patterns = dict[str, NDArray[np.float32]]
Columns = dict[str, NDArray[np.float64]]


def simulated(count: int, simulation: Simulation, generator: np.random.Generator) -> Patterns:
    """Linear intensity of every kind of frame but pure noise."""

    def particles(number: int, body: str = KNOWN, stretch: float = 1.0) -> Particles:
        radius = generator.uniform(35, 160, number)
        return Particles(radius, random_orientations(generator, number), body, stretch)

    smooth = Simulation(simulation.optics, simulation.detector, solver="chebyshev", accuracy=1e-2)
    patterns: Patterns = {
        KNOWN: simulation.intensity(
            ParticleDistribution().draw(int(generator.integers(2**31)), range(3 * count))
        )
    }
    patterns["sphere"] = smooth.intensity(particles(count, "sphere"))
    patterns["spheroid"] = np.concatenate(
        [smooth.intensity(particles(max(1, count // 4), "sphere", stretch)) for stretch in STRETCHES]
    )
    patterns["two icosahedra"] = two_at_once(simulation, particles(count), particles(count), generator)
    for body in POLYHEDRA:
        patterns[body] = simulation.intensity(particles(max(1, count // 2), body))
    pixels = simulation.detector.pixels
    lit = np.zeros(pixels**2, dtype=np.float32)
    lit[simulation.scattering_vectors().pixel] = 1
    flat = np.broadcast_to(lit.reshape(pixels, pixels), (count, pixels, pixels))
    q = np.hypot(*(np.indices((pixels, pixels)) - pixels // 2)) + 1
    patterns["halo"] = np.asarray(flat * q**-4.0, dtype=np.float32)
    patterns["flat light"] = flat.copy()
    return patterns


def two_at_once(
    simulation: Simulation, first: Particles, second: Particles, generator: np.random.Generator
) -> NDArray[np.float32]:
    """Two particles side by side, 200 to 500 nm apart, whose light interferes."""
    angle, distance = generator.uniform(0, 2 * np.pi, len(first)), generator.uniform(200, 500, len(first))
    vectors = simulation.scattering_vectors()
    amplitude = simulation.amplitude(first)
    other = simulation.amplitude(second).reshape(len(first), -1)
    phase = np.multiply.outer(distance * np.cos(angle), vectors.x) + np.multiply.outer(
        distance * np.sin(angle), vectors.y
    )
    amplitude.reshape(len(first), -1)[:, vectors.pixel] += other[:, vectors.pixel] * np.exp(-1j * phase)
    return np.asarray(np.abs(amplitude) ** 2, dtype=np.float32)


def recorded(patterns: Patterns, count: int, seed: int) -> Patterns:
    """Grey frames as a detector might have recorded them, and pure noise."""
    record_it = experiment()
    frames: Patterns = {}
    for number, (name, intensity) in enumerate(patterns.items()):
        generator = torch.Generator().manual_seed(1000 * seed + number)
        frames[name] = record_it(torch.from_numpy(intensity), generator)[0].numpy()
    noise = np.random.default_rng(seed).random((count, *intensity.shape[1:]), dtype=np.float32)
    frames["noise"] = noise * (log_scale(torch.from_numpy(patterns["flat light"])).numpy() > 0)
    return frames


def as_frames(grey: NDArray[np.float32], name: str) -> Frames:
    """Log frames whose dark pixels are masked."""
    numbers = np.arange(len(grey), dtype=np.int64)
    return Frames(grey, grey > 0, "log", numbers, name, None, None, None, None)


def logistic(columns: NDArray[np.float64], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Weights by penalised maximum likelihood (Newton), the two kinds weighing alike."""
    weights = np.zeros(columns.shape[1])
    balance = np.where(known, 0.5 / known.mean(), 0.5 / (~known).mean())
    penalty = 1e-2 * np.eye(len(weights))
    for _ in range(50):
        probability = 1 / (1 + np.exp(-(columns @ weights)))
        slope = columns.T @ (balance * (known - probability)) - penalty @ weights
        curvature = (columns.T * (balance * probability * (1 - probability))) @ columns + penalty
        weights += np.linalg.solve(curvature, slope)
    return weights


def area(known: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Under the ROC: how often a frame of the known kind has the larger score."""
    difference = known[:, None] - other[None]
    return float(np.mean(difference > 0) + 0.5 * np.mean(difference == 0))


def seen(loaded: checkpoint.Checkpoint, images: Patterns, refining: bool) -> dict[str, Columns]:
    """Signs of all frames as a score takes them, by kind: of the network's answers, and of polished ones."""
    configuration = loaded.model.configuration
    network: Columns = {}
    refined: Columns = {}
    for name, grey in images.items():
        begin, frames = time.perf_counter(), as_frames(grey, name)
        estimates: Estimates = predict(loaded, frames).estimates
        assert estimates.signs is not None
        network[name] = estimates.signs.columns()
        if refining:
            search = Refinement(configuration.radius_range)
            polished = refine(estimates, frames, configuration.simulation, search).estimates.agreement
            refined[name] = replace(estimates.signs, agreement=polished).columns()
        print(f"{name}: {len(grey)} frames in {time.perf_counter() - begin:.0f} s", flush=True)
    return {"network": network, "refined": refined} if refining else {"network": network}


def scores_of(columns: Columns, weights: NDArray[np.float64]) -> Columns:
    """Scores of the odd frames, which no weights were fitted to."""
    return {name: quality.odds(rows[1::2], weights) for name, rows in columns.items()}


def fitted(parts: Sequence[Columns]) -> NDArray[np.float64]:
    """Weights from the even frames, as several networks see them."""
    even = np.concatenate([rows[::2] for part in parts for rows in part.values()])
    known = np.concatenate(
        [np.full(len(rows[::2]), name == KNOWN) for part in parts for name, rows in part.items()]
    )
    weights = logistic(even, known)
    # the constant is moved to where KEPT of the known ones have a score above 0.5
    weights[-1] -= np.quantile(even[known] @ weights, 1 - KEPT)
    return weights


def report(title: str, scores: Columns, agreement: Columns) -> dict[str, Any]:
    """Print and return the areas under the ROC, and how many frames are flagged."""
    rows = {}
    for name, values in scores.items():
        rows[name] = {
            "frames": 2 * len(values),
            "median_agreement": float(np.median(agreement[name])),
            "roc_area": area(scores[KNOWN], values),
            "roc_area_of_agreement_alone": area(agreement[KNOWN], agreement[name]),
            "flagged": float((values < quality.LEAST_SCORE).mean()),
        }
        print(
            f"{title:34} {name:22} ROC area {rows[name]['roc_area']:.3f} "
            f"(agreement alone {rows[name]['roc_area_of_agreement_alone']:.3f})  "
            f"flagged {rows[name]['flagged']:.2f}  median agreement {rows[name]['median_agreement']:.2f}"
        )
    return rows


def curves(cases: dict[str, Columns]) -> Figure:
    """Part of the icosahedra that pass over the part of the others that do."""
    figure = Figure(figsize=(4.6 * len(cases), 4.4), layout="constrained")
    for axes, (title, scores) in zip(
        figure.subplots(1, len(cases), squeeze=False)[0], cases.items(), strict=True
    ):
        cuts = np.r_[0.0, np.sort(np.concatenate(list(scores.values()))), 1.0]
        passed = [(scores[KNOWN] >= cut).mean() for cut in cuts]
        for name, values in scores.items():
            if name != KNOWN:
                axes.plot([(values >= cut).mean() for cut in cuts], passed, label=name)
        axes.set_xlabel("other frames that pass")
        axes.set_ylabel("icosahedra that pass")
        axes.set_title(title, fontsize=10)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, frameon=False)
    return figure


def scales(patterns: NDArray[np.float32]) -> dict[str, float]:
    """Medians of the skewness of intensities and of their logarithms, around a hole of 10 pixels."""
    around = np.hypot(*(np.indices(patterns.shape[1:]) - patterns.shape[1] // 2)) > 10
    around &= patterns[0] > 0
    kinds = {"intensities": patterns} | {
        f"logarithms over {decades:g} decades": log_scale(torch.from_numpy(patterns), decades).numpy()
        for decades in (3.0, 4.0, 5.0)
    }
    return {
        name: float(np.median([skewness(image[around]) for image in images]))
        for name, images in kinds.items()
    }


def main() -> None:
    """Simulate, invert, fit, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-refine", action="store_true")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "quality.json")
    arguments = parser.parse_args()
    models = [checkpoint.load(path) for path in arguments.models]
    simulation = models[0].model.configuration.simulation
    patterns = simulated(arguments.frames, simulation, np.random.default_rng(arguments.seed))
    images = recorded(patterns, arguments.frames, arguments.seed)
    found = {loaded.digest: seen(loaded, images, not arguments.no_refine) for loaded in models}
    result: dict[str, Any] = {"frames": arguments.frames, "seed": arguments.seed, "stages": {}}
    cases = {}
    in_use = {"network": quality.NETWORK, "refined": quality.REFINED}
    for stage in found[models[0].digest]:
        weights = fitted([columns[stage] for columns in found.values()])
        print(f"{stage} weights fitted here = ({', '.join(f'{weight:.2f}' for weight in weights)})")
        told = result["stages"][stage] = {"weights_fitted_here": weights.tolist(), "networks": {}}
        for digest, columns in found.items():
            agreed = {name: rows[1::2, 0] for name, rows in columns[stage].items()}
            scores = scores_of(columns[stage], np.array(in_use[stage]))
            cases[f"{stage} {digest}"] = scores
            least = float(np.quantile(agreed[KNOWN], 1 - KEPT))
            print(f"{KEPT:.0%} of the icosahedra agree by {least:.2f} or more")
            told["networks"][digest] = {
                "least_agreement": least,
                "kinds": report(f"{stage} {digest}", scores, agreed),
                "kinds_by_those": report(
                    f"{stage} {digest}, fitted", scores_of(columns[stage], weights), agreed
                ),
            }
    result["skewness"] = scales(patterns[KNOWN][: arguments.frames])
    print(result["skewness"])
    record.write(arguments.out, result)
    figure = curves(cases)
    figure.savefig(arguments.out.with_suffix(".png"), dpi=120)
    print(f"wrote {arguments.out} and {arguments.out.with_suffix('.png')}")


if __name__ == "__main__":
    main()
