"""What forward fitting makes of a network's estimates: errors before and after, by method and by radius.

    python benchmarks/refine.py MODEL [--tests 200] [--method-tests 40] [--patterns 200] [--fits 100]

MODEL is a folder of `invert train`. The test patterns are new ones, clean and through the preset
`experiment`, whose hidden pixels are masked. The first table compares methods from the same estimates on
clean patterns, with as many patterns per frame for each: Levenberg-Marquardt (`invert.fitting.polish`),
L-BFGS-B of scipy on forward differences of the misfit, and Nelder-Mead from the estimate and three points
around it. The others are `invert predict --refine` as it is: on clean patterns, on those of the preset
without what a detector does to the light (photons, window, hole and gaps are left), and on those of the whole
preset; how many of the errors are within the stated 68 % intervals, and how many frames went astray, further
than 5 degrees or 3 nm from the truth. The last one is `invert fit` from scratch on some of the latter frames.
Writes a JSON.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import detected
import numpy as np
import record
from numpy.typing import NDArray
from scipy.optimize import minimize

from augment import FullWell, GaussianBlur, ReadoutNoise, UnevenSensitivity
from augment.filter import Filter
from augment.scaling import FLOOR_DECADES
from invert import checkpoint
from invert.estimate import Estimates
from invert.fitting.fit import MonteCarloSimplex, fit
from invert.fitting.forward import Candidate, ForwardModel
from invert.fitting.polish import polish, turned
from invert.fitting.refine import Refinement, refine
from invert.fitting.simplex import minimise
from invert.frames import Frames
from invert.metrics import Errors, errors
from invert.predict import predict
from invert.uncertainty import ANGLE
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation

FloatArray = NDArray[np.float64]
Vector = tuple[float, FloatArray]
"""A radius in nm and an orientation."""

TEST_SEED = 3
CASES: tuple[tuple[str, str, tuple[type[Filter], ...]], ...] = (
    ("identity", "identity", ()),
    ("photons", "experiment", (GaussianBlur, UnevenSensitivity, FullWell, ReadoutNoise)),
    ("experiment", "experiment", ()),
)
"""Names of the test sets, and the presets and what of them is left out."""

ASTRAY_DEGREES, ASTRAY_NM = 5.0, 3.0

EDGES = np.linspace(30, 160, 6)
"""Of the classes of radii, in nm."""

TURN, GROWTH = 0.01, 1.0
"""Length of the first simplex and of the scaled coordinates of L-BFGS, in rad and nm."""


def gradient(model: ForwardModel, radius: float, orientation: FloatArray, patterns: int) -> Vector:
    """Levenberg-Marquardt."""
    found = polish(model, Candidate(radius, orientation, FLOOR_DECADES), (25.0, 165.0), patterns).candidate
    return found.radius, found.orientation


def quasi_newton(model: ForwardModel, radius: float, orientation: FloatArray, patterns: int) -> Vector:
    """L-BFGS-B on the misfit and its forward differences, five patterns each."""
    step = np.vstack([np.zeros(4), 0.03 * np.eye(4)])

    def misfit_and_slope(point: FloatArray) -> tuple[float, FloatArray]:
        values = model.misfit(*_particles(point + step, radius, orientation), (FLOOR_DECADES,))[0]
        return values[0], (values[1:] - values[0]) / 0.03

    result = minimize(
        misfit_and_slope,
        np.zeros(4),
        jac=True,
        method="L-BFGS-B",
        options={"maxfun": patterns // 5, "ftol": 0},
    )
    found, turn = _particles(result.x[None], radius, orientation)
    return float(found[0]), turn[0]


def simplices(model: ForwardModel, radius: float, orientation: FloatArray, patterns: int) -> Vector:
    """Nelder-Mead from the estimate and three points around it; a step takes somewhat under two patterns."""
    starts = np.vstack([np.zeros(4), np.random.default_rng(0).standard_normal((3, 4))])
    vertices = starts[:, None] + np.vstack([np.zeros(4), np.eye(4)])

    def misfit(points: FloatArray, owners: NDArray[np.intp]) -> FloatArray:
        return model.misfit(*_particles(points, radius, orientation), (FLOOR_DECADES,))[0]

    descent = minimise(misfit, vertices, (patterns - vertices.size // 4) // (2 * len(vertices)))
    found, turn = _particles(descent.points[descent.values.argmin()][None], radius, orientation)
    return float(found[0]), turn[0]


METHODS: dict[str, Callable[[ForwardModel, float, FloatArray, int], Vector]] = {
    "Levenberg-Marquardt": gradient,
    "L-BFGS-B": quasi_newton,
    "Nelder-Mead, 4 starts": simplices,
}


def _particles(points: FloatArray, radius: float, orientation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Radii and orientations at points (N, 4) of scaled coordinates around an estimate."""
    orientations = np.repeat(orientation[None], len(points), axis=0)
    return np.maximum(radius + GROWTH * points[:, 3], 1.0), turned(orientations, TURN * points[:, :3])


def judged(particles: Particles, truth: Particles) -> Errors:
    """Errors, the radius relative to the range of the papers."""
    return errors(particles, truth, ParticleDistribution().radius_range)


def statistics(result: Errors, rows: NDArray[np.bool_] | slice = slice(None)) -> dict[str, float]:
    """Medians, 90 and 99 % quantiles of angle and radius, and how many frames went astray."""
    astray = (result.orientation > ASTRAY_DEGREES) | (result.radius > ASTRAY_NM)
    return {
        f"{name}_{label}": float(np.quantile(values[rows], quantile))
        for name, values in (("degrees", result.orientation), ("nm", result.radius))
        for label, quantile in (("median", 0.5), ("90", 0.9), ("99", 0.99))
    } | {"astray": int(astray[rows].sum())}


def describe(numbers: dict[str, float]) -> str:
    """The same for people."""
    quantiles = "median", "90", "99"
    angle, radius = (
        " / ".join(f"{numbers[f'{name}_{label}']:8.2g}" for label in quantiles) for name in ("degrees", "nm")
    )
    return f"{angle} deg  {radius} nm  {numbers['astray']} astray"


def methods(
    estimates: Estimates, frames: Frames, simulation: Simulation, patterns: int
) -> list[dict[str, Any]]:
    """Each method on the same frames and estimates."""
    assert frames.truth is not None
    rows = []
    for name, method in METHODS.items():
        radius, orientation, used = [], [], []
        for index in range(len(estimates)):
            model = ForwardModel(frames.images[index], frames.valid[index], simulation, "icosahedron")
            start = estimates.particles[index : index + 1]
            found = method(model, float(start.radius[0]), start.orientation[0], patterns)
            radius.append(found[0])
            orientation.append(found[1])
            used.append(model.patterns)
        result = statistics(judged(Particles(np.array(radius), np.array(orientation)), frames.truth))
        rows.append({"method": name, "patterns": float(np.mean(used)), **result})
        print(f"{name:24} {np.mean(used):4.0f} patterns {describe(result)}", flush=True)
    return rows


def before_and_after(
    case: str, estimates: Estimates, frames: Frames, simulation: Simulation, refinement: Refinement
) -> dict[str, Any]:
    """The network's errors and the refined ones, over all radii and in classes."""
    truth = frames.truth
    assert truth is not None
    refined = refine(estimates, frames, simulation, refinement).estimates
    before, after = judged(estimates.particles, truth), judged(refined.particles, truth)
    result: dict[str, Any] = {
        "patterns_median": float(np.median(refined.patterns_used)),
        "patterns_most": int(refined.patterns_used.max()),
        "network": statistics(before),
        "refined": statistics(after),
        "covered_orientation": float(
            (np.radians(after.orientation) <= ANGLE * refined.orientation_sigma).mean()
        ),
        "covered_radius": float((after.radius <= refined.radius_sigma).mean()),
        "by_radius": [],
    }
    middle, most = result["patterns_median"], result["patterns_most"]
    print(f"{case}: {middle:.0f} patterns per frame, at most {most}")
    print(f"  {'network':18} {describe(result['network'])}")
    print(f"  {'refined':18} {describe(result['refined'])}")
    within = ", ".join(f"{result[f'covered_{name}']:.0%} in {name}" for name in ("orientation", "radius"))
    print(f"  within their 68 % intervals: {within}")
    for low, high in itertools.pairwise(EDGES):
        rows = (truth.radius >= low) & (truth.radius <= high)
        numbers = statistics(after, rows)
        result["by_radius"].append({"from_nm": low, "to_nm": high, "frames": int(rows.sum()), **numbers})
        print(f"  {low:4.0f} to {high:4.0f} nm ({rows.sum():3d}) {describe(numbers)}", flush=True)
    return result


def from_scratch(frames: Frames, simulation: Simulation) -> dict[str, Any]:
    """The errors of fits from random starts."""
    assert frames.truth is not None
    begin = time.perf_counter()
    found = fit(frames, simulation, "icosahedron", MonteCarloSimplex()).estimates
    result = {
        "frames": len(found),
        "patterns_median": float(np.median(found.patterns_used)),
        "patterns_most": int(found.patterns_used.max()),
        "seconds_per_frame": (time.perf_counter() - begin) / len(found),
        **statistics(judged(found.particles, frames.truth)),
    }
    print(f"from scratch, {result['frames']} frames: {result['patterns_median']:.0f} patterns per frame")
    print(f"  {'fitted':18} {describe(result)}")
    return result


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--tests", type=int, default=200)
    parser.add_argument("--method-tests", type=int, default=40)
    parser.add_argument("--patterns", type=int, default=200)
    parser.add_argument("--fits", type=int, default=100, help="from scratch")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "refine.json")
    arguments = parser.parse_args()
    loaded = checkpoint.load(arguments.model)
    simulation = loaded.model.configuration.simulation
    particles = ParticleDistribution().draw(TEST_SEED, range(arguments.tests))
    refinement = Refinement(loaded.model.configuration.radius_range, arguments.patterns)
    result: dict[str, Any] = {"weights": loaded.digest, "patterns": arguments.patterns}
    for name, preset, left_out in CASES:
        frames = detected.frames_of(particles, simulation, preset, TEST_SEED, left_out)
        estimates = predict(loaded, frames).estimates
        if name == "identity":
            some = frames.part(np.arange(min(len(particles), arguments.method_tests)))
            result["methods"] = methods(predict(loaded, some).estimates, some, simulation, arguments.patterns)
        result[name] = before_and_after(name, estimates, frames, simulation, refinement)
    few = frames.part(np.arange(min(len(particles), arguments.fits)))
    if len(few.images):
        result["from_scratch"] = from_scratch(few, simulation)
    record.write(arguments.out, result)
    print(f"wrote {arguments.out}")


if __name__ == "__main__":
    main()
