"""How errors and their stated uncertainties depend on the part of a pattern that the detector sees.

    msft generate --n 5000 --seed 2 --out test.h5
    python benchmarks/windows.py test.h5 MODEL [MODEL ...] [--patterns 600]

Patterns of 128 x 128 pixels as in the recording `experiment`, but through square windows of several half
sizes around the beam, and through none. Prints a table, writes JSON.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch

from augment import Recording, Window, experiment
from invert import checkpoint
from invert.data import PatternDataset, read_dataset
from invert.metrics import errors, summarise
from invert.model import Answers, Model
from invert.uncertainty import coverage
from msft.particle import Particles

HALVES = (22, 30, 40, 50, 58)
AT_ONCE = 100


def through(window: Window | None) -> Recording:
    """`experiment` with another window, or without one."""
    steps = [window if isinstance(step, Window) else step for step in experiment().filters]
    return Recording(tuple(step for step in steps if step is not None))


def judge(model: Model, test: PatternDataset, recording: Recording) -> dict[str, Any]:
    """Errors through one window, and the fractions of them that the 68 % intervals cover."""
    generator, answers = torch.Generator().manual_seed(1), []
    for start in range(0, len(test), AT_ONCE):
        grey, _ = recording(test.intensity[start : start + AT_ONCE], generator)
        answers.append(model.invert(grey))
    joined = Answers(*(np.concatenate(parts) for parts in zip(*answers, strict=True)))
    estimate = Particles(joined.radius, joined.orientation, model.configuration.body)
    found = errors(estimate, test.particles, model.configuration.radius_range)
    radius, orientation = coverage(found, joined)
    return {**asdict(summarise(found)), "radius_coverage": radius, "orientation_coverage": orientation}


def main() -> None:
    """Judge each model through each window, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Errors and uncertainties through windows.")
    parser.add_argument("test", type=Path)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--patterns", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "windows.json")
    options = parser.parse_args()
    test = read_dataset(options.test).part(slice(0, options.patterns))
    square = Window(corner=(2.0, 2.0), hidden=math.nan)
    windows: dict[str, Window | None] = {"experiment's": Window(hidden=math.nan)}
    for half in HALVES:
        windows[f"half {half}"] = replace(square, half_height=(half, half), half_width=(half, half))
    windows["none"] = None
    rows = []
    print(f"{'weights':17} {'window':13} {'orientation':>11} {'radius':>8}  covered: radius orientation")
    for path in options.models:
        loaded = checkpoint.load(path)
        for name, window in windows.items():
            judged = judge(loaded.model, test, through(window))
            rows.append({"weights": loaded.digest, "window": name, **judged})
            print(
                f"{loaded.digest:17} {name:13} {judged['orientation_median_degrees']:7.2f} deg "
                f"{judged['radius_median_nm']:5.2f} nm {judged['radius_coverage']:15.2f} "
                f"{judged['orientation_coverage']:11.2f}",
                flush=True,
            )
    record.write(options.out, {"patterns": len(test), "rows": rows})
    print(options.out)


if __name__ == "__main__":
    main()
