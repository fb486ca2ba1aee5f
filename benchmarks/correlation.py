"""Milliseconds per cross-correlation map, beside a direct implementation of equations 13 to 15.

    python benchmarks/correlation.py [--images 256] [--direct 2] [--size 128] [--threads 2]

Maps of Zimmermann et al. 2019, section 5.3, of patterns as `msft generate --preset helium` simulates them.
The direct implementation loops over the pairs of circles and sums over angles as the paper writes it, in
NumPy. Both start at the same polar maps and take turns, so that ratios hold on a machine whose speed drifts.
A map of 128 x 128 is to take at most 5 ms on two cores, from its polar map and from the image; the paper took
three days of a quad-core processor for 39,879 images, 6.5 s each.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from numpy.typing import NDArray

from augment.correlation import ORDER, correlation_images, correlation_map
from augment.polar import polar_map
from msft.configuration import read_toml
from msft.helium import PRESET
from msft.shots import recipe_of

LIMIT_MS, PAPER_MS = 5.0, 3 * 86400e3 / 39_879
REPEATS = 7


def direct(polar: NDArray[np.float64], order: int = ORDER) -> NDArray[np.float64]:
    """One map (Q, Q) of a polar pattern (Q, A), pair by pair."""
    radii, angles = polar.shape
    step = 2 * np.pi / angles
    wave = np.exp(-1j * order * step * np.arange(angles))
    result = np.empty((radii, radii))
    for i in range(radii):
        for j in range(radii):
            if j <= i:
                result[i, j] = np.sum(polar[i] * polar[j]) * step  # equation 13, Delta = 0
            else:
                one = np.sum(polar[i] * wave) * step / (2 * np.pi)  # equation 15
                other = np.sum(polar[j] * wave) * step / (2 * np.pi)
                result[i, j] = (one.conjugate() * other).real  # equation 14
    return result


def patterns(count: int) -> torch.Tensor:
    """Helium patterns, repeated to that many."""
    recipe = recipe_of(read_toml(PRESET), seed=1)
    few = torch.from_numpy(recipe.shots(range(min(count, 32))).intensity())
    return few.repeat(-(-count // len(few)), 1, 1)[:count]


def milliseconds(call: Callable[[], object], images: int) -> float:
    """Wall time of a call, per image."""
    start = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - start) / images


def main() -> None:
    """Measure, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Cross-correlation maps, fast and direct.")
    parser.add_argument("--images", type=int, default=256, help="images of a batch")
    parser.add_argument("--direct", type=int, default=2, help="images for the direct implementation")
    parser.add_argument("--size", type=int, default=128, help="circles and angles")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "correlation.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    images = patterns(options.images)
    images = images / images.amax(dim=(1, 2), keepdim=True).clamp_min(1e-30)
    polar = polar_map(images, options.size, options.size)
    few = polar[: options.direct].double().numpy()
    calls: dict[str, tuple[Callable[[], object], int]] = {
        "correlation_map": (lambda: correlation_map(polar), len(polar)),
        "polar_map": (lambda: polar_map(images, options.size, options.size), len(images)),
        "correlation_images": (lambda: correlation_images(images), len(images)),
        "direct": (lambda: [direct(pattern) for pattern in few], len(few)),
    }
    for call, _ in calls.values():
        call()
    measured: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, (call, count) in calls.items():
            measured[name].append(milliseconds(call, count))
    medians = {name: float(np.median(values)) for name, values in measured.items()}

    expected = np.array([direct(pattern) for pattern in few])
    found = correlation_map(polar[: options.direct]).double().numpy()
    # in units of what two circles can have in common
    power = np.sqrt(np.diagonal(expected, axis1=1, axis2=2))
    scale = np.maximum(power[:, :, None] * power[:, None], np.finfo(np.float32).tiny)
    deviation = float((np.abs(found - expected) / scale).max())

    print(f"{options.size} x {options.size}, {options.images} images, {options.threads} threads")
    for name, median in medians.items():
        print(f"{name:20} {median:10.3f} ms per image")
    ratio = float(np.median(np.array(measured["direct"]) / np.array(measured["correlation_map"])))
    print(f"direct over correlation_map: {ratio:.0f}; the paper's maps took {PAPER_MS:.0f} ms each")
    print(f"largest deviation: {deviation:.1e}")
    for name in ("correlation_map", "correlation_images"):
        verdict = "kept" if medians[name] <= LIMIT_MS else "MISSED"
        print(f"{name}: limit {LIMIT_MS:g} ms {verdict}")
    result: dict[str, Any] = {
        "size": options.size,
        "images": options.images,
        "threads": options.threads,
        "milliseconds_median": medians,
        "ratio_to_direct": ratio,
        "largest_deviation": deviation,
        "paper_milliseconds": PAPER_MS,
    }
    record.write(options.out, result)
    print(options.out)


if __name__ == "__main__":
    main()
