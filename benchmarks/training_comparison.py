"""The presets `paper` and `best` at a reduced size, after equally many training images.

    python benchmarks/training_comparison.py [--patterns 3000] [--images 100000] [--tests 2000] [--online]
    python benchmarks/training_comparison.py --patterns 20000 --images 600000 --parts 1 --out LONGER.json
    python benchmarks/training_comparison.py --online-alone 3 --patterns 25000 --out ONLINE.json

Patterns of 64 x 64 pixels over the same angles as the papers', networks of 16 filters, the same number of
images shown to each, new clean patterns to judge on: this compares recipes and says nothing of their full
size. Between the two stands the paper's recipe with nothing but its target and its loss changed. Both presets
are trained on 1/8, 1/4, 1/2 and all of the patterns, too; `--online` adds `best` on a new particle for every
image, and `--online-alone N` compares nothing but the two, with N seeds, which tell what chance does. Writes
a JSON and, of the recipes over several parts, a PNG.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import record
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from invert.data import PatternDataset
from invert.evaluate import evaluate
from invert.presets import Preset, preset
from invert.training.train import fit
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.plot import save
from msft.shots import Recipe

TRAINING_SEED, TEST_SEED = 1, 2
PARTS = (8, 4, 2, 1)
WIDTH, PIXELS, BATCH = 16, 64, 64
COLOURS = {"paper": "#c53030", "paper, code": "#b7791f", "best": "#2b6cb0"}

MEASURES = {
    "orientation_median_degrees": "orientation error, median (degrees)",
    "orientation_99_degrees": "orientation error, 99 % (degrees)",
    "radius_median_nm": "radius error, median (nm)",
    "radius_99_nm": "radius error, 99 % (nm)",
}


def simulate(count: int, seed: int) -> PatternDataset:
    """Patterns of random particles, that know their recipe."""
    simulation = Simulation(detector=EwaldDetector(pixels=PIXELS, q_step=128 / PIXELS * PAPER_Q_STEP))
    recipe = Recipe(seed, ParticleDistribution(), simulation)
    intensity = torch.empty((count, PIXELS, PIXELS))
    for start in range(0, count, 256):
        rows = range(start, min(start + 256, count))
        intensity[rows.start : rows.stop] = torch.from_numpy(recipe.shots(rows).intensity())
    return PatternDataset(intensity, recipe.shots(range(count)).particles, simulation, recipe)


def recipes(images: int) -> dict[str, Preset]:
    """What is compared, at the reduced size."""
    paper, best = (_reduced(preset(name), images) for name in ("paper", "best"))
    code = replace(paper, target="code", training=replace(paper.training, loss="smooth"))
    return {"paper": paper, "paper, code": code, "best": best}


def _reduced(chosen: Preset, images: int) -> Preset:
    training = chosen.training
    return replace(
        chosen,
        network=replace(chosen.network, width=WIDTH),
        # narrow networks take larger steps
        training=replace(training, images=images, batch=BATCH, learning_rate=2 * training.learning_rate),
    )


def _with(chosen: Preset, **training: Any) -> Preset:
    return replace(chosen, training=replace(chosen.training, **training))


def online_or_stored(
    best: Preset, dataset: PatternDataset, tests: PatternDataset, seeds: int
) -> list[dict[str, Any]]:
    """The errors after learning from stored patterns, and from a new particle for every image, by seed."""
    return [
        {"seed": seed, **trained(name, _with(best, online=online, seed=seed), dataset, tests)}
        for seed in range(seeds)
        for name, online in (("best", False), ("best, online", True))
    ]


def trained(name: str, chosen: Preset, dataset: PatternDataset, tests: PatternDataset) -> dict[str, Any]:
    """The errors of a network on the test patterns, clean and through the preset `experiment`."""
    begin = time.perf_counter()
    model = fit(dataset, chosen, torch.device("cpu")).model
    row: dict[str, Any] = {"recipe": name, "patterns": len(dataset), "seconds": time.perf_counter() - begin}
    row |= evaluate(model, tests, 1).as_dict()
    clean = row["identity"]
    print(
        f"{name:14} {len(dataset):6} {row['seconds']:7.0f} {100 * clean['mean_relative_error']:8.2f}"
        f" {100 * clean['mean_symmetric_error']:9.2f}"
        + "".join(f" {clean[measure]:10.2f}" for measure in MEASURES),
        flush=True,
    )
    return row


def draw(rows: list[dict[str, Any]], images: int) -> Figure:
    """Each measure over the number of patterns."""
    figure = Figure(figsize=(10.5, 6.4), layout="constrained")
    figure.suptitle(
        f"{images} images shown, {WIDTH} filters, {PIXELS} x {PIXELS} pixels, clean patterns", fontsize=10
    )
    for axes, (measure, label) in zip(figure.subplots(2, 2).flat, MEASURES.items(), strict=True):
        for name, colour in COLOURS.items():
            own = sorted((row["patterns"], row["identity"][measure]) for row in rows if row["recipe"] == name)
            axes.plot(*zip(*own, strict=True), "o-", color=colour, label=name)
        for row in rows:
            if row["recipe"] == "best, online":
                axes.axhline(
                    row["identity"][measure], color=COLOURS["best"], linestyle="--", label="best, online"
                )
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(sorted({row["patterns"] for row in rows}))
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("patterns of the dataset")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3, which="both")
        axes.legend(frameon=False, fontsize=8)
    return figure


def verdict(rows: list[dict[str, Any]], patterns: int) -> dict[str, bool]:
    """Whether `best` beats `paper` with all patterns, by measure."""
    paper, best = (
        next(row["identity"] for row in rows if row["recipe"] == name and row["patterns"] == patterns)
        for name in ("paper", "best")
    )
    return {measure: best[measure] < paper[measure] for measure in MEASURES}


def main() -> None:
    """Train, judge, print the table, write figure and record."""
    parser = argparse.ArgumentParser(description="The paper's recipe and the best one, reduced.")
    parser.add_argument("--patterns", type=int, default=3000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--tests", type=int, default=2000)
    parser.add_argument("--parts", type=int, nargs="+", default=PARTS)
    parser.add_argument("--online", action="store_true")
    parser.add_argument("--online-alone", type=int, default=0, metavar="SEEDS")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--out", type=Path, default=Path(__file__).parent / "records" / "training_comparison.json"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset, tests = simulate(options.patterns, TRAINING_SEED), simulate(options.tests, TEST_SEED)
    chosen = recipes(options.images)
    print(
        f"{'recipe':14} {'n':>6} {'s':>7} {'mean/%':>8} {'symm./%':>9}", *(f"{m[:10]:>10}" for m in MEASURES)
    )
    settings = {name: getattr(options, name) for name in ("patterns", "images", "tests", "threads")}
    settings |= {"width": WIDTH, "pixels": PIXELS}
    if options.online_alone:
        rows = online_or_stored(chosen["best"], dataset, tests, options.online_alone)
        record.write(options.out, {**settings, "rows": rows})
        return
    rows = []
    for part in sorted(options.parts, reverse=True):
        some = dataset.part(slice(0, len(dataset) // part))
        rows += [trained(name, chosen[name], some, tests) for name in ("paper", "best")]
    rows.append(trained("paper, code", chosen["paper, code"], dataset, tests))
    if options.online:
        rows.append(trained("best, online", _with(chosen["best"], online=True), dataset, tests))
    beaten = verdict(rows, len(dataset) // min(options.parts))
    print("best beats paper:", ", ".join(f"{name} {'yes' if won else 'NO'}" for name, won in beaten.items()))
    record.write(options.out, {**settings, "rows": rows, "beaten": beaten})
    if len(options.parts) > 1:
        save(draw(rows, options.images), options.out.with_suffix(".png"))
    print(options.out)


if __name__ == "__main__":
    main()
