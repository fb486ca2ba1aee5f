"""The preset `paper` or `best` trained and judged at full size, which takes a GPU some minutes.

    python benchmarks/full_size.py best [--minutes 3] [--patterns 25058] [--test 5000] [--folder full_size]

Simulates the patterns to learn from and the new ones to be judged on, trains as many images as can be shown
in so many minutes, at most the preset's, and tells the errors under every recording, the targets first: what
`msft generate`, `invert train --preset NAME` and `invert evaluate` do, but that no state is written down, for
which a GPU would wait half a minute in all: a training that is killed leaves nothing. One that takes a fifth
longer than it should is stopped, and the best weights so far are judged; the record says so. The record and
its picture are `full_size_NAME`; the weights, in half precision as they are judged, stay in the folder, for
`benchmarks/ship_weights.py`.

With `--device cpu` and small numbers it shows that it runs, and nothing of the targets.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pace
import record
import torch

from augment.presets import EXPERIMENT, RECORDINGS
from invert import checkpoint, figures
from invert.data import PatternDataset, read_dataset
from invert.evaluate import CLEAN, Evaluation, evaluate
from invert.model import pick_device
from invert.overlap import source_of
from invert.presets import Preset, preset
from invert.training.plan import together
from invert.training.task import Left
from invert.training.train import Trained, fit
from msft.generate import generate
from msft.pattern import Simulation

BEGIN = time.perf_counter()

TEST_SEED = 2

PATIENCE = 1.2
"""Times the minutes that were asked for: a training that takes longer is stopped."""

Target = tuple[str, str, float]

TARGETS: dict[str, tuple[Target, ...]] = {
    "paper": ((CLEAN, "mean_relative_error", 0.01),),
    "best": (
        (CLEAN, "mean_relative_error", 0.003),
        (CLEAN, "orientation_99_degrees", 2.0),
        (CLEAN, "radius_99_nm", 1.0),
        (EXPERIMENT, "mean_relative_error", 0.01),
    ),
}
"""Recording, error and its limit at full size: 25,058 patterns, 5,000 new ones to be judged on."""


def shown_in(
    minutes: float, chosen: Preset, dataset: PatternDataset, device: torch.device
) -> tuple[int, float]:
    """How many images a training shows in so many minutes, at most the preset's; and images per second."""
    steps = 2 * together(chosen.training.batch) if device.type == "cuda" else 3
    rate = chosen.training.batch / pace.seconds_per_step(chosen, dataset, device, steps)
    return min(chosen.training.images, max(chosen.training.batch, round(60 * minutes * rate))), rate


class Late(Exception):
    """A training has taken too long."""


def trained_by(
    end: float, dataset: PatternDataset, chosen: Preset, device: torch.device
) -> tuple[Trained, int]:
    """A training, stopped at the first validation after a time; and how many images it has shown."""
    last: dict[str, Any] = {}

    def keep(left: Left) -> None:
        last.update(left)
        row = left["history"][-1]
        told(f"{row['images']:.0f} images: {row['validation_loss']:.4g}")
        if time.perf_counter() > end:
            raise Late

    try:
        return fit(dataset, chosen, device, keep=keep), chosen.training.images
    except Late:
        # the same training as if it had ended here
        images = min(chosen.training.images, last["step"] * chosen.training.batch)
        stopped = replace(chosen, training=replace(chosen.training, images=images))
        return fit(dataset, stopped, device, left=last), images


def reached(name: str, judged: Evaluation) -> list[dict[str, Any]]:
    """The targets, what was reached of them, and whether they are met."""
    errors = judged.as_dict()
    return [
        {
            "recording": recording,
            "error": error,
            "limit": limit,
            "reached": errors[recording][error],
            "met": errors[recording][error] <= limit,
        }
        for recording, error, limit in TARGETS[name]
    ]


def told(what: str) -> None:
    """Print something with the seconds since this script began."""
    print(f"[{time.perf_counter() - BEGIN:.0f} s] {what}", flush=True)


def main() -> None:
    """Simulate, train, judge, record."""
    parser = argparse.ArgumentParser(description="A preset at full size.")
    parser.add_argument("preset", choices=list(TARGETS))
    parser.add_argument("--minutes", type=float, default=3.0, help="of training, the rest not counted")
    parser.add_argument("--patterns", type=int, default=25_058)
    parser.add_argument("--test", type=int, default=5_000)
    parser.add_argument("--device", default="cuda", choices=("cpu", "cuda"))
    parser.add_argument("--folder", type=Path, default=Path("full_size"))
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records")
    options = parser.parse_args()
    device, name = pick_device(options.device), options.preset
    folder = options.folder / name
    folder.mkdir(parents=True, exist_ok=True)
    learned, test = options.folder / "dataset.h5", options.folder / "test.h5"
    simulation = Simulation(backend="cupy" if device.type == "cuda" else "auto")
    for path, count, seed in ((learned, options.patterns, 1), (test, options.test, TEST_SEED)):
        generate(path, count, seed, simulation=simulation, resume=True)  # what is there already serves
    patterns, chosen = read_dataset(learned), preset(name)
    told("patterns are there")
    images, rate = shown_in(options.minutes, chosen, patterns, device)
    told(f"{name}: {rate:.0f} images/s, {images} images of {chosen.training.images}")
    begin = time.perf_counter()
    planned = replace(chosen, training=replace(chosen.training, images=images))
    end = begin + PATIENCE * 60 * options.minutes
    trained, shown = trained_by(end, patterns, planned, device)
    minutes = (time.perf_counter() - begin) / 60
    if shown < images:
        told(f"STOPPED after {shown} of {images} images: it took too long")
    source = source_of(learned, len(patterns))
    errors, command = trained.evaluation.as_dict(), f"python benchmarks/full_size.py {name}"
    command += f" --minutes {options.minutes:g}"
    provenance = {"dataset": source, "command": command}
    training = replace(planned.training, images=shown)
    checkpoint.save(folder, trained.model, training, errors, provenance, half=True)
    told("trained")
    kept = checkpoint.load(folder)
    judged = evaluate(kept.model.to(device), read_dataset(test), 1, RECORDINGS)
    told("judged")
    targets = reached(name, judged)
    for target in targets:
        verdict = "met" if target["met"] else "MISSED"
        print("{recording}, {error}: {reached:.4g}, at most {limit:g}:".format(**target), verdict)
    print("\n".join(judged.lines()))
    record.write(
        options.out / f"full_size_{name}.json",
        {
            "device": torch.cuda.get_device_name() if device.type == "cuda" else f"{os.cpu_count()} cores",
            "patterns": options.patterns,
            "test": options.test,
            "test_seed": TEST_SEED,
            "images": shown,
            "images_planned": images,
            "images_per_second": rate,
            "minutes": minutes,
            "weights_sha256": kept.digest,
            "history": trained.history,
            "targets": targets,
            "errors": judged.as_dict(),
        },
    )
    figures.save(figures.evaluation(judged), options.out / f"full_size_{name}.png")


if __name__ == "__main__":
    main()
