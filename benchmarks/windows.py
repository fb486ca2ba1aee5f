"""How errors and their stated uncertainties depend on the part of a pattern that the detector sees.

    msft generate --n 5000 --seed 2 --out test.h5
    python benchmarks/windows.py test.h5 MODEL [MODEL ...] [--patterns 600]

Patterns of 128 x 128 pixels as in the recording `experiment`, but through square windows of several half
sizes around the beam, and through none. Prints a table, writes JSON.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path

import record

from augment import Filter, Recording, Window, experiment
from invert import checkpoint
from invert.data import read_dataset
from invert.evaluate import evaluate

HALVES = (22, 30, 40, 50, 58)


def through(window: Window | None) -> Recording:
    """`experiment` with another window, or without one."""
    steps = [window if isinstance(step, Window) else step for step in experiment().filters]
    return Recording(tuple(step for step in steps if step is not None))


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
    cases: dict[str, Filter] = {"experiment's": through(Window(hidden=math.nan))}
    for half in HALVES:
        cases[f"half {half}"] = through(replace(square, half_height=(half, half), half_width=(half, half)))
    cases["none"] = through(None)
    rows = []
    print(f"{'weights':17} {'window':13} {'orientation':>11} {'radius':>8}  covered: radius orientation")
    for path in options.models:
        loaded = checkpoint.load(path)
        errors = evaluate(loaded.model, test, 1, cases).as_dict()
        for name in cases:
            judged = errors[name]
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
