"""Where the time of `chebyshev` goes on a GPU: shares of several sizes, columns, launches and every kernel.

    python benchmarks/chebyshev_gpu.py [--accuracy 1e-3] [--repeats 3]

Icosahedra of radius 30-160 nm, 128 x 128 pixels over the whole forward hemisphere, intensities that stay on
the GPU. First patterns per second of calls for 1,024 and 4,096 patterns by the size of a share, medians; then
of shares of 32 the time that 1 and 16 threads of the host take for the columns of a particle, that a launch
takes the host, and each kernel the GPU. `benchmarks/engine.py` measures the solver beside the others.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from msft.backends import chebyshev_cupy, with_cupy
from msft.backends.chebyshev_cupy import KERNELS, Load
from msft.bodies import named
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.solvers import on_device
from msft.solvers.chebyshev import Common

SHARE, SHARES = 32, (16, 32, 64)


def seconds(call: Callable[[], object], wait: Callable[[], None], repeats: int) -> float:
    """Median time of some calls but the first."""
    found = []
    for _ in range(repeats + 1):
        begin = time.perf_counter()
        call()
        wait()
        found.append(time.perf_counter() - begin)
    return float(np.median(found[1:]))


def rates(particles: Particles, simulation: Simulation, wait: Callable[[], None], repeats: int) -> None:
    """Patterns per second by the size of a share."""
    kept = on_device.TOGETHER
    for on_device.TOGETHER in SHARES:
        for count in (1024, 4096):
            some = particles[:count]
            took = seconds(lambda some=some: simulation.intensity_on_device(some), wait, repeats)  # type: ignore[misc]
            print(f"shares of {on_device.TOGETHER}, {count} patterns: {count / took:.0f}/s", flush=True)
    on_device.TOGETHER = kept


def columns(make: Callable[[], Sequence[Load]]) -> None:
    """Time of the columns by 1 and by 16 threads."""
    for threads in (1, 16):
        with ThreadPoolExecutor(threads) as pool:
            for _ in range(2):  # the first takes the memory
                begin = time.perf_counter()
                list(pool.map(lambda _: make() and None, range(4 * threads)))
                took = time.perf_counter() - begin
        print(f"columns, {threads} threads: {1e6 * took / (4 * threads * SHARE):.1f} us a particle")


def kernels(loads: Sequence[Load], images: Any, weight: Any, xp: Any) -> None:
    """Time of every kernel of a share."""
    pairs: dict[str, list[tuple[Any, Any]]] = {name: [] for name in KERNELS}

    def timed(name: str, kernel: Any) -> Any:
        def run(*given: Any) -> None:
            before, after = xp.cuda.Event(), xp.cuda.Event()
            before.record()
            kernel(*given)
            after.record()
            pairs[name].append((before, after))

        return run

    compiled = chebyshev_cupy._compiled("float32", 1)
    watched = [timed(name, kernel) for name, kernel in zip(KERNELS, compiled, strict=True)]
    for _ in range(10):
        chebyshev_cupy.launch(watched, xp, loads[0], images, weight)
    xp.cuda.Device().synchronize()
    for name, of_kernel in pairs.items():
        took = np.median([xp.cuda.get_elapsed_time(*pair) for pair in of_kernel])
        print(f"{name}: {1e3 * took / SHARE:.2f} us a particle")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Where the time of chebyshev goes on a GPU.")
    parser.add_argument("--accuracy", type=float, default=1e-3)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if lacking := with_cupy.missing():
        raise SystemExit(f"NO GPU, NOTHING IS MEASURED: {lacking}")
    xp, _ = with_cupy.arrays()
    wait = xp.cuda.Device().synchronize
    particles = ParticleDistribution().draw(0, range(4096))
    simulation = Simulation(solver="chebyshev", backend="cupy", accuracy=options.accuracy)
    rates(particles, simulation, wait, options.repeats)

    body, some = named("icosahedron"), particles[:SHARE]
    common = Common.of(body, particles.radius, Optics(), EwaldDetector(), options.accuracy)

    def make() -> list[Load]:
        made = common.made_of_many([body] * SHARE, some.radius, some.orientation)
        return chebyshev_cupy.prepared(made, common.series, False)

    columns(make)
    loads = make()
    images, weight = xp.zeros((SHARE, 128 * 128), np.float32), xp.ones(128 * 128, np.float32)
    seconds(lambda: chebyshev_cupy.transform(loads, images, weight), wait, 1)
    begin = time.perf_counter()
    for _ in range(10):
        chebyshev_cupy.transform(loads, images, weight)
    print(f"launch: {1e6 * (time.perf_counter() - begin) / 10:.0f} us of the host for {SHARE} particles")
    wait()
    kernels(loads, images, weight, xp)


if __name__ == "__main__":
    main()
