"""Forward fitting against networks: error over patterns computed (Stielow et al. 2020, figure 4b).

    python benchmarks/simplex_vs_network.py [--patterns 25000] [--images 100000] [--tests 30] [--device auto]
        [--model invert/weights]

Three methods invert the same test patterns, clean ones that no network was trained on:

- the Monte Carlo simplex, 50 random starts of 50 steps: its best approximation after every step;
- networks trained on 1/8, 1/4, 1/2 and all of the patterns: one point each at what they cost, once;
- forward fitting by the gradient method that starts from the largest network's estimate;

and with --model a network that was trained elsewhere, longer.

The error is the papers': |error| / range averaged over the five parameters. A network's cost is told in
patterns that were simulated for it, and in patterns that could have been simulated in the time of simulating
and training (the papers' 31,000), at this machine's rate in this run. Writes a PNG and a JSON.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES, log_scale
from invert import checkpoint
from invert.data import PatternDataset
from invert.estimate import Alternatives, Estimates
from invert.fitting.fit import MonteCarloSimplex, Starts, descend
from invert.fitting.forward import ForwardModel
from invert.fitting.refine import Refinement, refine
from invert.frames import Frames
from invert.metrics import Errors, errors
from invert.model import Model, pick_device
from invert.presets import preset
from invert.training.train import fit
from msft.detector import EwaldDetector
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.plot import save
from msft.seeding import generator_of

FloatArray = NDArray[np.float64]

TRAINING_SEED, TEST_SEED = 1, 2
BUDGETS = (20, 30, 40, 60, 80, 120, 160, 200)
"""Patterns per frame at which refinement is looked at."""

BATCH = 256


def simulate(simulation: Simulation, count: int, seed: int) -> tuple[PatternDataset, float]:
    """Patterns of random particles, and the seconds that simulating them took."""
    particles = ParticleDistribution().draw(seed, range(count))
    pixels = simulation.detector.pixels
    intensity = torch.empty((count, pixels, pixels))
    seconds = 0.0
    simulation.intensity(particles[:8])  # compiles
    for start in range(0, count, BATCH):
        rows = slice(start, min(start + BATCH, count))
        begin = time.perf_counter()
        values = simulation.intensity(particles[rows])
        seconds += time.perf_counter() - begin
        intensity[rows] = torch.from_numpy(values)
    return PatternDataset(intensity, particles, simulation), seconds


def grey(tests: PatternDataset) -> torch.Tensor:
    """Clean grey images (N, H, W) in [0, 1]."""
    return log_scale(tests.intensity, FLOOR_DECADES)


def simplex(tests: PatternDataset, search: MonteCarloSimplex) -> tuple[FloatArray, list[Errors], float]:
    """Patterns computed per frame after each step (mean over frames), errors then, and the seconds."""
    images = grey(tests).numpy()
    valid = np.ones(images.shape[1:], dtype=bool)
    patterns, found = [], []
    begin = time.perf_counter()
    for row in range(len(tests)):
        model = ForwardModel(images[row], valid, tests.simulation, tests.particles.body)
        starts = Starts.draw(search, generator_of(0, row))
        points: list[FloatArray] = []
        descent = descend(model, search, starts, points.append)
        winner = descent.best.argmin(axis=1)
        chosen = np.array([point[index] for point, index in zip(points, winner, strict=True)])
        found.append(starts.particles(chosen, winner))
        patterns.append(descent.calls)
    seconds = time.perf_counter() - begin
    steps = [
        Particles(np.array([one[0][step] for one in found]), np.array([one[1][step] for one in found]))
        for step in range(search.steps + 1)
    ]
    return np.mean(patterns, axis=0), [judged(step, tests) for step in steps], seconds


def judged(particles: Particles, tests: PatternDataset) -> Errors:
    """Errors of estimates, the radius relative to the range of the papers."""
    return errors(particles, tests.particles, ParticleDistribution().radius_range)


def networks(
    training: PatternDataset, tests: PatternDataset, arguments: argparse.Namespace, say: Callable[[str], None]
) -> tuple[list[dict[str, Any]], Model]:
    """A point for each part of the training set, and the last network."""
    chosen = preset(arguments.preset)
    points = []
    device = pick_device(arguments.device)
    for part in arguments.parts:
        count = len(training) // part
        settings = replace(chosen, training=replace(chosen.training, images=arguments.images))
        begin = time.perf_counter()
        trained = fit(training.part(slice(0, count)), settings, device)
        seconds = time.perf_counter() - begin
        particles = Particles(*trained.model.invert(grey(tests))[:2], tests.particles.body)
        points.append(
            {"patterns": count, "training_seconds": seconds, **statistics(judged(particles, tests))}
        )
        say(f"network on {count} patterns: {describe(points[-1])}, trained in {seconds:.0f} s")
    return points, trained.model


def elsewhere(path: Path, tests: PatternDataset) -> dict[str, Any]:
    """The point of a network that was trained before, on patterns other than the test's."""
    loaded = checkpoint.load(path)
    particles = Particles(*loaded.model.invert(grey(tests))[:2], tests.particles.body)
    return {
        "patterns": loaded.provenance["dataset"]["patterns"],
        "images": loaded.training["images"],
        "weights_sha256": loaded.digest,
        **statistics(judged(particles, tests)),
    }


def refined(model: Model, tests: PatternDataset) -> tuple[list[dict[str, Any]], float]:
    """Errors of the network's estimates, forward fitted with each of `BUDGETS`; and seconds per frame."""
    count, images = len(tests), grey(tests)
    answers = model.invert(images)
    estimates = Estimates(
        Particles(answers.radius, answers.orientation, tests.particles.body),
        answers.radius_sigma,
        answers.orientation_sigma,
        np.zeros(count),
        np.zeros((count, 2)),
        Alternatives.none(count),
        np.zeros(count, dtype=np.uint32),
        np.ones(count, dtype=np.int64),
        np.arange(count),
    )
    valid = np.ones(images.shape, dtype=bool)
    frames = Frames(images.numpy(), valid, "log", np.arange(count), "tests", None, None, None, None)
    curve = [{"patterns": 1.0, **statistics(judged(estimates.particles, tests))}]
    for budget in BUDGETS:
        begin = time.perf_counter()
        result = refine(estimates, frames, tests.simulation, Refinement(patterns=budget)).estimates
        seconds = (time.perf_counter() - begin) / count
        used = {"patterns": float(result.patterns_used.mean()), "budget": budget}
        curve.append({**used, **statistics(judged(result.particles, tests))})
    return curve, seconds


def statistics(result: Errors) -> dict[str, float]:
    """Median and 90 % quantile of the papers' mean error, of the angle and of the radius."""
    quantities = {"mean_error": result.mean, "degrees": result.orientation, "nm": result.radius}
    return {
        f"{name}_{label}": float(np.quantile(values, quantile))
        for name, values in quantities.items()
        for label, quantile in (("median", 0.5), ("90", 0.9))
    }


def describe(point: dict[str, Any]) -> str:
    """Errors of a point of the figure, for people."""
    return (
        f"error {100 * point['mean_error_median']:.2g} % (90 %: {100 * point['mean_error_90']:.2g} %), "
        f"{point['degrees_median']:.2g} deg, {point['nm_median']:.2g} nm"
    )


def figure(result: dict[str, Any]) -> Figure:
    """Error against patterns: the papers' mean error, and the angle."""
    picture = Figure(figsize=(9.6, 4.5), layout="constrained")
    panels = (
        ("mean_error", 100.0, "mean relative error (%)"),
        ("degrees", 1.0, "orientation error (degrees)"),
    )
    for axes, (name, factor, label) in zip(picture.subplots(1, 2, sharex=True), panels, strict=True):
        curves: Sequence[tuple[str, str, str]] = (
            ("simplex", "Monte Carlo simplex", "#2b6cb0"),
            ("refined", "network, then gradient method", "#2f855a"),
        )
        for key, title, colour in curves:
            patterns = [point["patterns"] for point in result[key]]
            middle, high = (
                [factor * max(point[f"{name}_{end}"], 1e-9) for point in result[key]]
                for end in ("median", "90")
            )
            axes.plot(patterns, middle, color=colour, label=title)
            axes.fill_between(patterns, middle, high, color=colour, alpha=0.2, linewidth=0)
        for cost, title, face in (
            ("patterns", "networks, at patterns simulated", "#c53030"),
            ("equivalent_patterns", "... and time of training", "white"),
        ):
            median, quantile = (
                factor * np.array([point[f"{name}_{end}"] for point in result["networks"]])
                for end in ("median", "90")
            )
            axes.errorbar(
                [point[cost] for point in result["networks"]],
                median,
                yerr=[np.zeros_like(median), quantile - median],
                fmt="o",
                color="#c53030",
                markerfacecolor=face,
                capsize=2,
                linewidth=1,
                label=title,
            )
        if trained := result["elsewhere"]:
            low, high = (factor * trained[f"{name}_{end}"] for end in ("median", "90"))
            axes.errorbar(
                trained["patterns"],
                low,
                yerr=[[0.0], [high - low]],
                fmt="D",
                color="#6b46c1",
                capsize=2,
                linewidth=1,
                label=f"network trained longer ({1e-6 * trained['images']:.1f} million images)",
            )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_ylabel(label)
        axes.set_xlabel("patterns computed (per frame; for a network once)")
        axes.grid(alpha=0.3)
    handles, labels = axes.get_legend_handles_labels()
    picture.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    picture.suptitle(f"{result['tests']} test patterns: median, and up to the 90 % quantile", fontsize=10)
    return picture


def main() -> None:
    """Run all three methods, print, draw and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--patterns", type=int, default=25_000, help="of the training set")
    parser.add_argument("--parts", type=int, nargs="+", default=[8, 4, 2, 1], help="divisors of it")
    parser.add_argument("--images", type=int, default=100_000, help="training images shown to each network")
    parser.add_argument("--preset", default="quick", help="of the networks")
    parser.add_argument("--tests", type=int, default=30, help="test patterns")
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--pixels", type=int, default=128, help="per side; fewer see less of the hemisphere")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--model", type=Path, help="a further network, trained before")
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "records" / "simplex_vs_network.json"
    )
    arguments = parser.parse_args()
    begin = time.perf_counter()

    def say(text: str) -> None:
        print(f"[{time.perf_counter() - begin:6.0f} s] {text}", flush=True)

    simulation = Simulation(detector=EwaldDetector(pixels=arguments.pixels))
    tests, _ = simulate(simulation, arguments.tests, TEST_SEED)
    training, seconds = simulate(simulation, arguments.patterns, TRAINING_SEED)
    rate = arguments.patterns / seconds
    say(f"{arguments.patterns} patterns simulated at {rate:.0f}/s")
    search = MonteCarloSimplex(arguments.starts, arguments.steps, floors=(FLOOR_DECADES,))
    patterns, steps, simplex_seconds = simplex(tests, search)
    curve = [{"patterns": float(p), **statistics(e)} for p, e in zip(patterns, steps, strict=True)]
    say(f"simplex, {patterns[-1]:.0f} patterns per frame: {describe(curve[-1])}")
    points, model = networks(training, tests, arguments, say)
    for point in points:
        point["equivalent_patterns"] = point["patterns"] + point["training_seconds"] * rate
    refinement, refine_seconds = refined(model, tests)
    say(f"refined, {refinement[-1]['patterns']:.0f} patterns per frame: {describe(refinement[-1])}")
    trained = None if arguments.model is None else elsewhere(arguments.model, tests)
    if trained is not None:
        say(f"{arguments.model}, on {trained['patterns']} patterns: {describe(trained)}")
    options = {name: value for name, value in vars(arguments).items() if name not in ("model", "out")}
    result = {
        "options": options,
        "tests": arguments.tests,
        "patterns_per_second": rate,
        "simplex": curve,
        "simplex_seconds_per_frame": simplex_seconds / arguments.tests,
        "networks": points,
        "elsewhere": trained,
        "refined": refinement,
        "refined_seconds_per_frame": refine_seconds,
        "seconds": time.perf_counter() - begin,
    }
    record.write(arguments.out, result)
    save(figure(result), arguments.out.with_suffix(".png"))
    last = points[-1]
    even = last["equivalent_patterns"] / patterns[-1]
    say(
        f"the largest network cost {last['equivalent_patterns']:.0f} patterns in all (the papers': 31000): "
        f"as much as {even:.0f} frames by the simplex"
    )
    say(f"wrote {arguments.out} and {arguments.out.with_suffix('.png')}")


if __name__ == "__main__":
    main()
