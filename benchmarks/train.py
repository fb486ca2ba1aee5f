"""Images per second of training as it is, with data and augmentation, beside the bare network's.

    python benchmarks/train.py [--presets quick paper] [--device cpu] [--steps 20] [--repeats 5]

The whole step is that of `invert.training.trainer`: a batch taken from 2,000 patterns of 128 x 128 pixels,
recorded by the preset's filters, forward, backward, optimiser, schedule. The bare one is forward, backward
and optimiser on one batch of grey images that is there already. They take turns, so that the ratio holds on a
machine whose speed drifts; on a CPU both are timed in processor seconds of one thread, which neighbours do
not lengthen. Of the batches that are prepared at once, on a CPU four of 64 images, whole groups are timed.
The whole is to reach at least 80 % of the bare images per second, and the preset `paper` 6,000 on an
H200-class card.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pace
import record
import torch

from augment.scaling import log_scale
from invert.data import PatternDataset
from invert.model import pick_device
from invert.presets import PRESETS, Preset, preset
from invert.training.plan import together
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

LIMIT = 0.8
"""Share of the bare network's images per second that is to be reached."""

STEPS, GROUPS = 20, 2
"""Steps that are timed: five groups of batches that a CPU prepares at once; on a GPU, groups of steps."""


def bare(chosen: Preset, dataset: PatternDataset, device: torch.device, steps: int) -> float:
    """Seconds per step of the network alone."""
    step = pace.bare_step(chosen, log_scale(dataset.intensity[: chosen.training.batch]).to(device))
    for _ in range(pace.WARM_UP):
        step()
    begin = pace.clock(device)
    for _ in range(steps):
        step()
    return (pace.clock(device) - begin) / steps


def measure(name: str, dataset: PatternDataset, options: argparse.Namespace) -> dict[str, float]:
    """Medians over the repeats, and their ratio."""
    device, chosen = pick_device(options.device), preset(name)
    steps = options.steps or (STEPS if device.type == "cpu" else GROUPS * together(chosen.training.batch))
    seconds: dict[str, list[float]] = {"whole": [], "bare": []}
    ways: dict[str, Callable[..., float]] = {"whole": pace.seconds_per_step, "bare": bare}
    for _ in range(options.repeats):
        for way, call in ways.items():
            seconds[way].append(call(chosen, dataset, device, steps))
    rates = {
        f"{way}_images_per_second": chosen.training.batch / float(np.median(seconds[way])) for way in ways
    }
    return {
        **rates,
        "steps": steps,
        "share": float(np.median(np.array(seconds["bare"]) / np.array(seconds["whole"]))),
    }


def main() -> None:
    """Measure, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Training throughput beside the bare network's.")
    parser.add_argument("--presets", nargs="+", default=["quick", "best", "paper"], choices=list(PRESETS))
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--patterns", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    simulation, particles = Simulation(), ParticleDistribution().draw(0, range(options.patterns))
    intensity = torch.cat(
        [
            torch.from_numpy(simulation.intensity(particles[start : start + 64]))
            for start in range(0, options.patterns, 64)
        ]
    )
    dataset = PatternDataset(intensity, particles, simulation)
    result: dict[str, Any] = {}
    print(f"{'preset':8} {'bare images/s':>14} {'whole images/s':>15} {'share':>7}")
    for name in options.presets:
        one = result[name] = measure(name, dataset, options)
        verdict = "kept" if one["share"] >= LIMIT else "MISSED"
        bare_rate, whole_rate = one["bare_images_per_second"], one["whole_images_per_second"]
        print(f"{name:8} {bare_rate:14.1f} {whole_rate:15.1f} {one['share']:7.1%} at least 80 %: {verdict}")
    on_gpu = options.device == "cuda"
    settings = {name: getattr(options, name) for name in ("patterns", "repeats")}
    device = torch.cuda.get_device_name() if on_gpu else "cpu, one thread"
    out = options.out or Path(__file__).parent / "records" / f"train_{options.device}.json"
    record.write(out, {"device": device, **settings, "presets": result})
    print(out)


if __name__ == "__main__":
    main()
