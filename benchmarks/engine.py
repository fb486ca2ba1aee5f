"""Patterns per second and errors of every solver and back end, in one run, beside peers.

    python benchmarks/engine.py [--pymsft PYTHON] [--patterns 64] [--gpu-patterns 4096] [--repeats 7]
                                [--brief]

All take turns in every repeat, so that ratios hold on a machine whose speed drifts; medians are printed.
Icosahedra of radius 30-160 nm, 128 x 128 pixels over the whole forward hemisphere at 13.5 nm. Errors are
against `exact` by numpy, in double precision: relative L2 of the amplitude (after the best complex scale for
the slices and the peer, whose scale is another), and rms of log10(I + 1e-6 max). `--pymsft` names the Python
of an environment with pyMSFT 1.0.2. With `--brief` the fastest row of the CPU stands for all of them, whose
kernels take half a minute to compile where they never were: for a machine that is lent for its GPU.

On a GPU the time is that of intensities which stay there, from particles, and for "kernel alone" that of the
mesh integrals from meshes that are built already, for "kernels alone" that of the Chebyshev transform from
columns. The record has a picture beside it, see `engine_figure.py`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import engine_figure
import numba
import numpy as np
import record
from numpy.typing import NDArray

from msft.backends import chebyshev_cupy, with_cupy
from msft.backends.choice import engine
from msft.bodies import ConvexPolyhedron, named
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.rotation import rotation_matrix
from msft.solvers.chebyshev import Common
from msft.solvers.overlay import meshes

Images = NDArray[np.complexfloating]

FASTEST = "exact, numba, single"
"""Row of the CPU that others are compared with."""

FLOPS = {"vertex": 48, "cell": 23, "edge": 41}
"""Arithmetic of the compiled kernel per pixel, additions, multiplications and divisions, without the series:
vertex: phase 5, fold 4, two polynomials of degree 8 and two products 35, decay 4; see `with_numba._build`."""


def error(found: Images, exact: Images, scaled: bool) -> tuple[float, float]:
    """Relative L2 error of amplitudes, and rms of log10(I + 1e-6 max); the medians over the patterns."""
    norms, logs = [], []
    for one, true in zip(found.astype(np.complex128), exact, strict=True):
        # both were computed for the same pixels: the best scale is one number for the whole pattern
        image = one * (np.vdot(one, true) / np.vdot(one, one) if scaled else 1.0)
        norms.append(np.linalg.norm(image - true) / np.linalg.norm(true))
        intensity, reference = np.abs(image) ** 2, np.abs(true) ** 2
        floor = 1e-6 * reference.max()
        lit = reference > 0
        logs.append(np.sqrt(np.mean(np.log10((intensity + floor) / (reference + floor))[lit] ** 2)))
    return float(np.median(norms)), float(np.median(logs))


def voxels(particle: Particles, count: int, box: float, wavelength: float, length: float) -> Any:
    """N - 1 on pyMSFT's grid: x, y, z, positions from -box / 2 to box / 2, absorbing only."""
    axis = np.linspace(-box / 2, box / 2, count)
    body, rotation = named(particle.body), rotation_matrix(particle.orientation[0])
    index = np.zeros((count, count, count), dtype=np.complex128)
    x, y = np.meshgrid(axis, axis, indexing="ij")
    for depth, z in enumerate(axis):
        inside = body.contains(np.stack([x, y, np.full_like(x, z)], axis=-1), rotation, particle.radius[0])
        index[..., depth] = inside * 1j / (length * 2 * np.pi / wavelength)
    return index


class Peer:
    """pyMSFT in a second process, which answers each request with the seconds it took."""

    def __init__(self, python: str, particle: Particles, simulation: Simulation, folder: Path) -> None:
        assert isinstance(simulation.detector, EwaldDetector)
        step = 2 * np.pi / (512 * simulation.detector.q_step)
        optics, path = simulation.optics, folder / "voxels.npy"
        np.save(path, voxels(particle, 192, 191 * step, optics.wavelength, optics.absorption_length))
        self._process = subprocess.Popen(
            [
                python, str(Path(__file__).with_name("pymsft_peer.py")),
                str(path), str(191 * step), "512", str(optics.wavelength),
            ],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        if self._read() != "ready":
            raise SystemExit(f"--pymsft {python}: pyMSFT did not start there")
        middle = slice(256 - 64, 256 + 64)
        # indexed [x, y]; outside the Ewald sphere it is NaN
        image = np.nan_to_num(np.load(path.with_name("voxels.image.npy")))[middle, middle].T
        self.magnitude = np.sqrt(np.maximum(image, 0))

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def seconds(self) -> float:
        """One simulation."""
        assert self._process.stdin is not None
        self._process.stdin.write("run\n")
        self._process.stdin.flush()
        return float(self._read())


class Case(NamedTuple):
    """A row of the table: how many patterns a repeat computes, and the call that does."""

    simulation: Simulation
    patterns: int
    compute: Callable[[], object]


def cases(particles: Particles, count: int, brief: bool) -> dict[str, Case]:
    """Solvers and back ends of the CPU on the first `count` particles or fewer, of the GPU on all."""
    few = max(1, count // 16)

    def on_cpu(simulation: Simulation, size: int) -> Case:
        return Case(simulation, size, lambda: simulation.amplitude(particles[:size]))

    table = {
        FASTEST: on_cpu(Simulation(), count),
        "exact, numba, single, no absorption": on_cpu(Simulation(Optics(absorption="none")), few),
        "exact, numba, double": on_cpu(Simulation(precision="double"), count),
        "exact, numpy": on_cpu(Simulation(backend="numpy"), few),
        "chebyshev 1e-2, numba": on_cpu(Simulation(solver="chebyshev", accuracy=1e-2), count),
        "chebyshev 1e-3, numba": on_cpu(Simulation(solver="chebyshev"), count),
        "chebyshev 1e-3, numpy": on_cpu(Simulation(solver="chebyshev", backend="numpy"), few),
        "slices 192/512, numpy": on_cpu(Simulation(solver="slices"), 1),
    }
    if brief:
        table = {FASTEST: table[FASTEST]}
    if with_cupy.missing():
        return table
    for precision in ("single", "double"):
        chosen: Any = precision
        simulation = Simulation(backend="cupy", precision=chosen)
        table[f"exact, cupy, {precision}"] = Case(simulation, len(particles), _on_gpu(simulation, particles))
        first = particles[: min(len(particles), 256)]
        alone = _kernel_alone(simulation, first)
        table[f"exact, cupy, {precision}, kernel alone"] = Case(simulation, len(first), alone)
    for name, accuracy in (("1e-2", 1e-2), ("1e-3", 1e-3)):
        simulation = Simulation(solver="chebyshev", backend="cupy", accuracy=accuracy)
        first = particles[:64]
        table[f"chebyshev {name}, cupy"] = Case(simulation, len(particles), _on_gpu(simulation, particles))
        alone = _transform_alone(simulation, first)
        table[f"chebyshev {name}, cupy, kernels alone"] = Case(simulation, len(first), alone)
    return table


def _on_gpu(simulation: Simulation, particles: Particles) -> Callable[[], object]:
    wait = engine("cupy", "single").xp.cuda.Device().synchronize

    def compute() -> None:
        simulation.intensity_on_device(particles)
        wait()

    return compute


def _kernel_alone(simulation: Simulation, particles: Particles) -> Callable[[], object]:
    by = engine("cupy", simulation.precision)
    body, wait = named(particles.body), by.xp.cuda.Device().synchronize
    assert isinstance(body, ConvexPolyhedron)
    mesh = meshes(body, particles.radius, particles.orientation)
    vectors, s = simulation.scattering_vectors(), simulation.optics.attenuation

    def compute() -> None:
        by.face_sums(mesh, vectors, s)
        wait()

    return compute


def _transform_alone(simulation: Simulation, particles: Particles) -> Callable[[], object]:
    body, wait = named(particles.body), engine("cupy", "single").xp.cuda.Device().synchronize
    assert isinstance(simulation.detector, EwaldDetector)
    given = simulation.optics, simulation.detector, simulation.accuracy
    common = Common.of(body, particles.radius, *given)
    made = common.made_of_many([body] * len(particles), particles.radius, particles.orientation)
    loads = chebyshev_cupy.prepared(made, common.series, False)
    xp, pixels = chebyshev_cupy.arrays()[0], simulation.detector.pixels**2
    images, weight = xp.zeros((len(particles), pixels), np.float32), xp.ones(pixels, np.float32)

    def compute() -> None:
        chebyshev_cupy.transform(loads, images, weight)
        wait()

    return compute


def graphics_card() -> str | None:
    """Name of the GPU, if there is one."""
    if lacking := with_cupy.missing():
        print(f"NO GPU, NO ROWS OF cupy: {lacking}")
        return None
    properties = engine("cupy", "single").xp.cuda.runtime.getDeviceProperties(0)
    return str(properties["name"].decode())


def mesh_seconds(particles: Particles) -> float:
    """Seconds to build a mesh, by all threads; the median of five."""
    body = named(particles.body)
    assert isinstance(body, ConvexPolyhedron)
    times = [_timed(lambda: meshes(body, particles.radius, particles.orientation)) for _ in range(6)]
    return float(np.median(times[1:])) / len(particles)


def floor(particles: Particles) -> float:
    """Arithmetic operations of an average pattern, by the kernel's count."""
    body = named(particles.body)
    assert isinstance(body, ConvexPolyhedron)
    vertices, edges, cells = meshes(body, particles.radius, particles.orientation).counts.mean(axis=0)
    lit = EwaldDetector().scattering_vectors(Optics().wavenumber).x.size
    return float(lit * (FLOPS["vertex"] * vertices + FLOPS["edge"] * edges + FLOPS["cell"] * cells))


def matrix_rate() -> float:
    """Float32 operations per second of a matrix product: what this machine's arithmetic allows."""
    a = np.ones((1500, 1500), dtype=np.float32)
    best = min(_timed(lambda: a @ a) for _ in range(5))
    return float(2 * 1500**3 / best)


def _timed(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    """Measure, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Patterns per second and errors of every solver.")
    parser.add_argument("--patterns", type=int, default=64)
    parser.add_argument("--gpu-patterns", type=int, default=4096, help="on a GPU, in a repeat")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--brief", action="store_true", help="of the CPU the fastest row alone")
    parser.add_argument("--pymsft", default=None, help="Python of an environment with pyMSFT")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "engine.json")
    options = parser.parse_args()

    card = graphics_card()
    drawn = ParticleDistribution().draw(0, range(max(options.patterns, options.gpu_patterns if card else 0)))
    particles = drawn[: options.patterns]
    table = cases(drawn, options.patterns, options.brief)
    exact = {
        optics: Simulation(optics, backend="numpy").amplitude(particles)
        for optics in {case.simulation.optics for case in table.values()}
    }
    rows: dict[str, dict[str, float]] = {name: {} for name in table}
    for name, case in table.items():  # compiles, too
        simulation, chosen = case.simulation, particles[: case.patterns]
        if not name.endswith("alone"):
            found, true = simulation.amplitude(chosen), exact[simulation.optics][: len(chosen)]
            norm, log = error(found, true, scaled=simulation.solver == "slices")
            rows[name] = {"amplitude_error": norm, "log10_rms": log}
        if simulation.backend == "cupy":
            case.compute()  # at its full size, which takes the card's memory

    seconds: dict[str, list[float]] = {name: [] for name in table}
    with tempfile.TemporaryDirectory() as folder:
        peer = None
        if options.pymsft is None:
            print("PYMSFT IS MISSING: give --pymsft PYTHON for the comparison with it")
        else:
            peer = Peer(options.pymsft, particles[:1], Simulation(), Path(folder))
            scaled = np.abs(exact[Optics()][:1])
            norm, log = error(peer.magnitude[None].astype(np.complex128), scaled.astype(complex), scaled=True)
            rows["pyMSFT MSFTSimulation 192/512"] = {"amplitude_error": norm, "log10_rms": log}
            seconds["pyMSFT MSFTSimulation 192/512"] = []
        for _ in range(options.repeats):
            for name, case in table.items():
                seconds[name].append(_timed(case.compute) / case.patterns)
            if peer is not None:
                seconds["pyMSFT MSFTSimulation 192/512"].append(peer.seconds())

    print(f"{'':36} {'patterns/s':>10} {'ms':>9} {'amplitude error':>16} {'rms log10 I':>12}")
    for name, row in rows.items():
        row["seconds_median"] = float(np.median(seconds[name]))
        row["seconds_smallest"] = min(seconds[name])
        print(
            f"{name:36} {1 / row['seconds_median']:10.1f} {1e3 * row['seconds_median']:9.3f} "
            f"{row.get('amplitude_error', np.nan):16.1e} {row.get('log10_rms', np.nan):12.1e}"
        )
    fastest = rows[FASTEST]["seconds_median"]
    operations, rate = floor(particles), matrix_rate()
    share = operations / fastest / rate
    print(
        f"exact, numba, single: {operations / 1e6:.0f} Mflop each, {operations / fastest / 1e9:.0f} Gflop/s, "
        f"{100 * share:.0f} % of a float32 matrix product's {rate / 1e9:.0f} Gflop/s"
    )
    building = mesh_seconds(drawn)
    print(f"meshes, {numba.get_num_threads()} threads: {1e6 * building:.0f} us each, {1 / building:.0f}/s")
    summary: dict[str, Any] = {
        "patterns": options.patterns,
        "gpu": card,
        "gpu_patterns": len(drawn) if card else 0,
        "mesh_seconds": building,
        "repeats": options.repeats,
        "threads": numba.get_num_threads(),
        "rows": rows,
        "operations_per_pattern": operations,
        "matrix_product_rate": rate,
    }
    if peer is not None:
        ratio = rows["pyMSFT MSFTSimulation 192/512"]["seconds_median"] / fastest
        summary["times_pymsft"] = ratio
        print(
            f"{ratio:.0f} times pyMSFT in one process on one core, {ratio / 2:.0f} times two such processes"
        )
    record.write(options.out, summary)
    picture = options.out.with_suffix(".png")
    engine_figure.draw(json.loads(options.out.read_text())).savefig(picture, dpi=200)
    print(options.out, picture)


if __name__ == "__main__":
    main()
