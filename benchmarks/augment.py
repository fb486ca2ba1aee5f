"""Images per second of every filter and of the whole presets, beside training steps of both networks.

    python benchmarks/augment.py [--device cpu] [--repeats 7]

Batches of 64 simulated patterns of 128 x 128 pixels; as many at once as `invert train` records, four on a CPU
and 256 on a GPU, and that part of the time is told. Everything takes turns in every repeat, so that
ratios hold on a machine whose speed drifts; medians are printed. On a CPU they are of the processor time of
one thread, which does not count the time that neighbours take. The time of a filter is that of its recording,
from linear intensity to grey values, the logarithm included. `recipe` is what `invert train` does to a batch:
one recording for each image, drawn from the preset's, for the batches of a group at once. Its share is of the
time of that preset's training step without it (forward, backward, AdamW), and is to be at most 15 % on a CPU
and 10 % on a GPU.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pace
import record
import torch

from augment import OneOf
from augment.filter import take
from augment.presets import EXPERIMENT, PAPER_FILTERS, RECORDINGS, one_of, recording_named
from invert.presets import preset
from invert.training.plan import together
from invert.training.prepared import MOST_BYTES_ON_CPU
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

BATCH = 64
AT_ONCE = {"cpu": MOST_BYTES_ON_CPU // (BATCH * 128 * 128 * 4), "cuda": together(BATCH)}
"""Batches that are recorded at once, as `invert train` does (`invert.training.prepared`)."""

LIMITS = {"cpu": 0.15, "cuda": 0.10}


def recipes() -> dict[str, OneOf]:
    """What training with each preset of `invert train` does to a batch."""
    return {name: one_of(preset(name).training.filters) for name in ("quick", "paper")}


def recipe_calls(
    recipe: OneOf, intensity: torch.Tensor, generator: torch.Generator
) -> tuple[Callable[[], object], Callable[[], object]]:
    """Drawing a group's random numbers, and recording the first of its images with them."""
    group, size = together(BATCH) * BATCH, (intensity.shape[1], intensity.shape[2])
    parameters = recipe.sample(group, size, generator)
    own = torch.arange(len(intensity))
    return (
        lambda: recipe.sample(group, size, generator),
        lambda: recipe.apply(intensity, take(parameters, own)),
    )


def seconds(call: Callable[[], object], device: torch.device) -> float:
    """Processor time of one call, or on a GPU the wall time with what it started there."""
    if device.type == "cpu":
        start = time.process_time()
        call()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    call()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def main() -> None:
    """Measure, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Speed of augmentation beside training.")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=None)
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device(options.device)

    particles = ParticleDistribution().draw(0, range(BATCH))
    at_once = AT_ONCE[options.device]
    intensity = torch.from_numpy(Simulation().intensity(particles)).to(device).repeat(at_once, 1, 1)
    generator = torch.Generator().manual_seed(0)
    calls: dict[str, Callable[[], object]] = {}
    batches: dict[str, int] = {}  # that a call is for
    for name in RECORDINGS:
        calls[name] = partial(recording_named(name), intensity, generator)
        batches[name] = at_once
    grey = torch.rand((BATCH, 128, 128), device=device)
    for name, recipe in recipes().items():
        calls[f"draw {name}"], calls[f"record {name}"] = recipe_calls(recipe, intensity, generator)
        batches |= {f"draw {name}": together(BATCH), f"record {name}": at_once}
        calls[f"training step {name}"] = pace.bare_step(preset(name), grey)

    measured: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        seconds(call, device)  # tables, compilation, memory
    for _ in range(options.repeats):
        for name, call in calls.items():
            measured[name].append(seconds(call, device) / batches.get(name, 1))
    for name in recipes():
        parts = zip(measured.pop(f"draw {name}"), measured.pop(f"record {name}"), strict=True)
        measured[f"recipe {name}"] = [sum(pair) for pair in parts]

    medians = {name: float(np.median(values)) for name, values in measured.items()}
    quick, paper = medians["training step quick"], medians["training step paper"]
    print(f"{'':22} {'images/s':>9} {'ms per batch':>13} {'of quick step':>14} {'of paper step':>14}")
    for name, median in medians.items():
        shares = f"{median / quick:14.1%} {median / paper:14.1%}"
        print(f"{name:22} {BATCH / median:9.0f} {1e3 * median:13.2f} {shares}")
    eleven = sum(medians[name] for name in PAPER_FILTERS)
    print(
        f"all eleven of preset paper: {BATCH * len(PAPER_FILTERS) / eleven:.0f} images/s, "
        f"preset experiment: {BATCH / medians[EXPERIMENT]:.0f} images/s"
    )
    limit = LIMITS[options.device]
    for name in ("quick", "paper"):
        # shares of the same repeat: both saw the same neighbours
        ratios = np.array(measured[f"recipe {name}"]) / np.array(measured[f"training step {name}"])
        share = float(np.median(ratios))
        verdict = "kept" if share <= limit else "MISSED"
        print(f"augmentation in training, preset {name}: {share:.1%} of a step, limit {limit:.0%}: {verdict}")
        medians[f"share {name}"] = share
    result = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
        "threads": 1,
        "batch": BATCH,
        "batches_at_once": at_once,
        "repeats": options.repeats,
        "seconds_median": medians,
    }
    out = options.out or Path(__file__).parent / "records" / f"augment_{options.device}.json"
    record.write(out, result)
    print(out)


if __name__ == "__main__":
    main()
