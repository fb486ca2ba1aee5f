"""What writing a dataset costs beside simulating it, and how much memory it takes at any size.

    python benchmarks/generate.py [--patterns 2000] [--repeats 7] [--sizes 1000 10000 100000]

Engine and whole generation take turns, so that their ratio survives a busy machine. The memory of each size
is that of a process of its own, which reports it as its patterns arrive; the files are removed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import matplotlib
import numba
import numpy as np
import record
from matplotlib.figure import Figure

from msft.compression import FILTERS, chunks
from msft.generate import generate
from msft.shots import Recipe
from msft.workers import batches

GIBIBYTE = 2**30


def resident() -> int:
    """Bytes of memory that this process has at this moment, at most so far if the kernel says."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds that a call takes, and seconds of processors."""
    start = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def engine(count: int) -> None:
    """Draw and simulate patterns, and forget them."""
    recipe = Recipe()
    for rows in batches(range(count), recipe.simulation.detector.pixels):
        recipe.shots(rows).intensity()


def speeds(count: int, repeats: int, folder: Path) -> dict[str, Any]:
    """Seconds per pattern of the engine and of the whole, taking turns, and their ratio."""
    path = folder / "speed.h5"
    engine(64)
    generate(path, 64, force=True)
    alone: list[tuple[float, float]] = []
    whole: list[tuple[float, float]] = []
    for turn in range(repeats):
        # who begins changes, too
        for which in ("alone", "whole") if turn % 2 else ("whole", "alone"):
            if which == "alone":
                alone.append(timed(lambda: engine(count)))
            else:
                whole.append(timed(lambda: generate(path, count, force=True)))
    (alone_wall, alone_cpu), (whole_wall, whole_cpu) = np.array(alone).T / count, np.array(whole).T / count
    ratios = whole_wall / alone_wall
    return {
        "patterns": count,
        "repeats": repeats,
        "threads": numba.get_num_threads(),
        "engine_seconds": alone_wall.tolist(),
        "end_to_end_seconds": whole_wall.tolist(),
        "engine_patterns_per_second": 1 / float(np.median(alone_wall)),
        "end_to_end_patterns_per_second": 1 / float(np.median(whole_wall)),
        "writing_share_of_processor_time": float(np.median(whole_cpu) / np.median(alone_cpu)) - 1,
        "writing_share_median": float(np.median(ratios)) - 1,
        "writing_share_range": [float(ratios.min()) - 1, float(ratios.max()) - 1],
        "file_bytes_per_pattern": path.stat().st_size / count,
    }


def compressors(folder: Path) -> dict[str, dict[str, float]]:
    """Milliseconds and bytes per pattern of ways to write the same patterns into HDF5."""
    recipe = Recipe()
    patterns = recipe.shots(range(128)).intensity()
    ways: dict[str, dict[str, Any] | None] = {
        "ISA-L as gzip, direct chunks": None,
        "gzip 1 of HDF5": FILTERS,
        "bitshuffle lz4": dict(hdf5plugin.Bitshuffle()),
        "bitshuffle zstd 1": dict(hdf5plugin.Bitshuffle(cname="zstd", clevel=1)),
        "none": {},
    }
    rows = {}
    for name, options in ways.items():
        seconds, size = [], 0
        for _ in range(5):
            with h5py.File(folder / "way.h5", "w") as file:
                shape = patterns.shape
                data = file.create_dataset(
                    "data", shape, "f4", chunks=(1, *shape[1:]), **(FILTERS if options is None else options)
                )
                start = time.perf_counter()
                if options is None:
                    for row, chunk in enumerate(chunks(patterns)):
                        data.id.write_direct_chunk((row, 0, 0), chunk)
                else:
                    data[:] = patterns
                file.flush()
                seconds.append(time.perf_counter() - start)
                size = data.id.get_storage_size()
        rows[name] = {
            "milliseconds": 1e3 * float(np.median(seconds)) / len(patterns),
            "bytes": size / len(patterns),
        }
    return rows


def memory(count: int, folder: Path) -> dict[str, Any]:
    """Memory of a process that writes `count` patterns."""
    finished = subprocess.run(
        [sys.executable, __file__, "--child", str(count), str(folder / "memory.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, Any] = json.loads(finished.stdout)
    (folder / "memory.h5").unlink()
    return result


def child(count: int, path: Path) -> None:
    """Generate, and print the memory along the way."""
    curve: list[tuple[int, int]] = []
    done = 0

    def watch(new: int) -> None:
        nonlocal done
        done += new
        if not curve or done - curve[-1][0] >= max(count // 200, 1):
            curve.append((done, resident()))

    seconds, _ = timed(lambda: generate(path, count, progress=watch))
    peak = next(
        int(line.split()[1]) * 1024
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM")
    )
    size = path.stat().st_size
    print(json.dumps({"n": count, "peak": peak, "seconds": seconds, "file_bytes": size, "curve": curve}))


def draw(sizes: list[dict[str, Any]], speed: dict[str, Any], path: Path) -> None:
    """Memory against patterns done, and the two speeds."""
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2, 1])
    colours = matplotlib.colormaps["viridis"](np.linspace(0.1, 0.8, len(sizes)))
    for result, colour in zip(sizes, colours, strict=True):
        done, resident_bytes = np.array(result["curve"][1:]).T
        left.plot(done, resident_bytes / 2**20, color=colour, label=f"n = {result['n']:,}")
    left.axhline(1024, color="black", linestyle="--", linewidth=1)
    where: dict[str, Any] = {"xycoords": ("axes fraction", "data"), "fontsize": 8, "va": "bottom"}
    left.annotate("limit: 1 GiB", (0.01, 1030), **where)
    left.set(xscale="log", xlabel="patterns written", ylabel="resident memory (MiB)", ylim=(0, 1200))
    left.legend(fontsize=8)
    names = ["engine alone", "whole generation"]
    values = [speed["engine_patterns_per_second"], speed["end_to_end_patterns_per_second"]]
    right.bar(names, values, color=["#888888", colours[0]])
    for place, value in enumerate(values):
        right.text(place, value, f"{value:.0f}", ha="center", va="bottom", fontsize=9)
    right.set(ylabel="patterns per second")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure, print, write the record and the picture."""
    parser = argparse.ArgumentParser(description="Cost of writing, and memory, of dataset generation.")
    parser.add_argument("--patterns", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000])
    parser.add_argument("--child", nargs=2, default=None, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "generate.json")
    options = parser.parse_args()
    if options.child:
        child(int(options.child[0]), Path(options.child[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speed = speeds(options.patterns, options.repeats, folder)
        low, high = (100 * share for share in speed["writing_share_range"])
        print(
            f"engine alone {speed['engine_patterns_per_second']:.0f} patterns/s, "
            f"whole generation {speed['end_to_end_patterns_per_second']:.0f} patterns/s: writing costs "
            f"{100 * speed['writing_share_median']:.1f} % of the time ({low:.1f} to {high:.1f} %), "
            f"{100 * speed['writing_share_of_processor_time']:.1f} % of the processors' time"
        )
        ways = compressors(folder)
        for way, row in ways.items():
            print(f"{way:30} {row['milliseconds']:7.3f} ms {row['bytes'] / 1024:7.1f} KiB per pattern")
        sizes = []
        for count in options.sizes:
            sizes.append(memory(count, folder))
            result = sizes[-1]
            print(
                f"n = {count:7}: at most {result['peak'] / 2**20:.0f} MiB resident, "
                f"{count / result['seconds']:.0f} patterns/s, file of {result['file_bytes'] / 1e6:.0f} MB"
            )
    for result in sizes:
        assert result["peak"] < GIBIBYTE, f"{result['n']} patterns took {result['peak']} bytes"
    draw(sizes, speed, options.out.with_suffix(".png"))
    record.write(
        options.out, {"speed": speed, "compression": ways, "memory": sizes, "load_average": os.getloadavg()}
    )
    print(options.out)


if __name__ == "__main__":
    main()
