"""Frames per second from a file to its predictions, and how long a single frame takes.

    python benchmarks/predict.py MODEL [--frames 1000] [--threads 2] [--device cpu] [--jobs 8]

Simulates frames of the preset `experiment`, writes them as a detector would (compressed HDF5, linear 16-bit
counts; after the first 1,024 they come again) and inverts the file end to end: reading, preparing, network
(each frame in its views), re-simulation, score, writing. Prints and records how long each stage takes by
itself, and how long all but reading and writing takes with those beside it, as they are end to end; how much
is written and what the disk takes of a file that nobody has to make, on a GPU also the rate if nothing is
written; with --jobs, the rate of so many processes that are there already, and how long they take to come;
and the latency of a frame, for which the paper has 5 ms (network alone; it names a GTX 1060 for the
training), with and without the re-simulation.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median
from typing import Any

UNIQUE = 1024
"""Frames that differ from each other."""


def seconds(work: Callable[[], Any], repeats: int = 1) -> float:
    """Median time of some calls, until a GPU has ended them, too."""
    import torch

    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begin)
    return median(times)


def stages(loaded: Any, source: Any, count: int, folder: Path) -> dict[str, float]:
    """Milliseconds that a frame takes in each stage, in a batch of so many."""
    from dataclasses import replace

    import h5py
    import torch

    from invert.agreement import simulated
    from invert.beside import backend_beside
    from invert.predict import JUDGED, judge, predict, prepare
    from invert.predictions import append, compressed, lay_out
    from invert.stream import COMPRESSING, beside_gpu
    from msft.particle import Particles

    configuration = loaded.model.configuration
    device = next(loaded.model.parameters()).device
    simulation = replace(configuration.simulation, backend=backend_beside(configuration.simulation, device))
    frames = source.read(range(count))
    prepared = prepare(frames, configuration, device)
    grey, (pixels, worth) = prepared.grey, prepared.comparable
    answers = loaded.model.invert(grey)
    particles = Particles(answers.radius, answers.orientation, configuration.body)
    here = worth.cpu()
    light = simulated(particles, here, simulation, device)
    radius = torch.from_numpy(particles.radius).float().to(device)
    tensors = grey, pixels.float(), worth.float(), light, radius
    portion = JUDGED[device.type]
    inversion = predict(loaded, frames)
    target = loaded.model.target
    numbers = target.encode(answers.radius, answers.orientation)

    def judged() -> None:
        with torch.inference_mode():
            for parts in zip(*(torch.split(tensor, portion) for tensor in tensors), strict=True):
                judge(configuration, *parts)

    with h5py.File(folder / "stages.h5", "w") as file, beside_gpu(device, COMPRESSING) as threads:
        lay_out(file, source.size, simulation, {}, "")
        parts: dict[str, Callable[[], Any]] = {
            "reading": lambda: source.read(range(count)),
            "grey values and compared pixels": lambda: prepare(frames, configuration, device),
            "network and decoding": lambda: loaded.model.invert(grey),
            "of that, decoding": lambda: target.decode(numbers),
            "re-simulation": lambda: simulated(particles, here, simulation, device),
            "agreement and signs": judged,
            "writing": lambda: append(file, inversion.estimates, "source", compressed(inversion, threads)),
        }
        return {name: 1e3 * seconds(work, 5) / count for name, work in parts.items()}


def disk(path: Path, size: int) -> float:
    """Bytes per second that a file takes which nobody has to make, until they are on the disk."""

    def write() -> None:
        with path.open("wb") as file:
            for _ in range(max(1, size >> 20)):
                file.write(block)
            file.flush()
            os.fsync(file.fileno())

    block = os.urandom(1 << 20)
    return max(1, size >> 20) * len(block) / seconds(write)


def write_frames(path: Path, count: int, simulation: Any) -> None:
    """Frames as counts of a detector."""
    import h5py
    import numpy as np
    import torch

    from augment import experiment, linear_scale
    from msft.particle import ParticleDistribution

    with h5py.File(path, "w") as file:
        size = simulation.detector.pixels
        data = file.create_dataset(
            "entry_1/data_1/data", (count, size, size), "u2", chunks=(1, size, size), compression="gzip"
        )
        mask = file.create_dataset(
            "entry_1/data_1/mask", data.shape, "u1", chunks=data.chunks, compression="gzip"
        )
        unique = min(count, UNIQUE)
        for first in range(0, unique, 64):
            rows = range(first, min(first + 64, unique))
            patterns = simulation.intensity(ParticleDistribution().draw(3, rows))
            grey, _ = experiment()(torch.from_numpy(patterns), torch.Generator().manual_seed(first))
            data[rows.start : rows.stop] = np.rint(6e4 * linear_scale(grey).numpy())
            mask[rows.start : rows.stop] = grey.numpy() == 0
        for row in range(unique, count):
            for stack in (data, mask):
                _, chunk = stack.id.read_direct_chunk((row % unique, 0, 0))
                stack.id.write_direct_chunk((row, 0, 0), chunk)


def main() -> None:
    """Measure, print, record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--jobs", type=int, nargs="*", default=[], help="processes; several numbers in turn")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "predict.json")
    arguments = parser.parse_args()
    os.environ |= dict.fromkeys(("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"), str(arguments.threads))
    import record
    import torch

    from invert import checkpoint
    from invert.ahead import Ahead
    from invert.frames import open_frames
    from invert.network_inverter import NetworkInverter
    from invert.predict import BATCHES, predict
    from invert.processes import InvertingProcesses
    from invert.stream import invert_stream

    torch.set_num_threads(arguments.threads)
    loaded = checkpoint.load(arguments.model)
    loaded.model.to(torch.device(arguments.device))
    configuration = loaded.model.configuration
    simulation = configuration.simulation
    with tempfile.TemporaryDirectory() as folder:
        path, out = Path(folder) / "exp.h5", Path(folder) / "exp.predictions.h5"
        write_frames(path, arguments.frames, simulation)
        with open_frames(path) as source:
            source.onto(simulation.detector, simulation.optics.wavelength)
            count = min(BATCHES[arguments.device], len(source))
            one = source.read(range(1))
            predict(loaded, source.read(range(count)))  # compiles the kernel

            inverting = []

            class Timed(NetworkInverter):
                """Counts the time that it takes beside reading and writing."""

                def __call__(self, *given: Any) -> Any:
                    """Invert."""
                    begin = time.perf_counter()
                    answer = super().__call__(*given)
                    inverting.append(time.perf_counter() - begin)
                    return answer

            def run() -> None:
                inverting.clear()
                invert_stream(source, slice(None), Timed(loaded), out, {}, {})

            def read_and_invert() -> None:
                portions = source.portions(slice(None), 0, BATCHES[arguments.device])
                with closing(iter(Ahead(map(source.take, portions)))) as ready:
                    for frames in ready:
                        predict(loaded, frames)

            whole = seconds(run, 3)
            grey = one.grey(configuration.floor_decades)
            result: dict[str, Any] = {
                "frames": arguments.frames,
                "threads": arguments.threads,
                "device": arguments.device,
                "weights_sha256": loaded.digest,
                "frames_per_second": arguments.frames / whole,
                "bytes_written_per_frame": out.stat().st_size / arguments.frames,
                "disk_bytes_per_second": disk(Path(folder) / "disk", out.stat().st_size),
                "milliseconds_inverting_beside_the_rest": 1e3 * sum(inverting) / arguments.frames,
                "milliseconds_per_frame": stages(loaded, source, count, Path(folder)),
                "latency_of_one_frame_ms": {
                    "network alone": 1e3 * seconds(lambda: loaded.model.invert(grey), 20),
                    "all but writing": 1e3 * seconds(lambda: predict(loaded, one), 20),
                },
            }
            for jobs in arguments.jobs:
                with InvertingProcesses(source, NetworkInverter(loaded), jobs) as processes:

                    def run_by_processes(processes: InvertingProcesses = processes) -> None:
                        invert_stream(
                            source, slice(None), NetworkInverter(loaded), out, {}, {}, processes=processes
                        )

                    first, then = seconds(run_by_processes), seconds(run_by_processes, 3)
                result.setdefault("processes", {})[str(jobs)] = {
                    "frames_per_second": arguments.frames / then,
                    "seconds_to_come": first - then,
                }
            if arguments.device == "cuda":
                result["frames_per_second_not_written"] = arguments.frames / seconds(read_and_invert, 3)
    rate = f"{result['frames_per_second']:.0f} frames/s end to end"
    written = result["frames_per_second"] * result["bytes_written_per_frame"] / 1e6
    alone = result["disk_bytes_per_second"] / 1e6
    print(f"{written:.0f} MB/s written; this disk takes {alone:.0f} MB/s of a file of that size")
    print(f"{rate}, {arguments.threads} threads, {arguments.device}")
    for jobs, found in result.get("processes", {}).items():
        come = f"which take {found['seconds_to_come']:.1f} s to come"
        print(f"{found['frames_per_second']:.0f} frames/s of {jobs} processes, {come}")
    if "frames_per_second_not_written" in result:
        print(f"{result['frames_per_second_not_written']:.0f} frames/s if nothing is written")
    beside = result["milliseconds_inverting_beside_the_rest"]
    print(f"  all but reading and writing, beside them: {beside:.2f} ms a frame")
    for name, value in result["milliseconds_per_frame"].items():
        print(f"  {name}: {value:.2f} ms a frame in batches of {count}")
    for name, value in result["latency_of_one_frame_ms"].items():
        print(f"  one frame, {name}: {value:.1f} ms")
    record.write(arguments.out, result)
    print(f"wrote {arguments.out}", file=sys.stderr)


if __name__ == "__main__":
    main()
