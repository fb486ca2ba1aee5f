"""Patterns per second of the Chebyshev solver, body by body, and the share of the arithmetic's floor.

Particles are drawn as by `msft generate`: radius 30-160 nm, any orientation; 128 x 128 pixels over the whole
forward hemisphere at 13.5 nm, silver. CPU seconds stand beside the wall's, for machines that are shared: two
threads do one pattern in half of them. Errors are against accuracy 1e-6, of polyhedra against `exact`.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import engine
import numpy as np
import record
from numpy.typing import NDArray

from msft.bodies import Body, ChordedBody, ConvexPolyhedron, Voxels, named
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.rotation import rotation_matrix
from msft.solvers.chebyshev import OF_COLUMNS, OF_SERIES
from msft.solvers.quadrature import Rates, columns
from msft.solvers.series import STEP, series


def voxelised(count: int) -> Voxels:
    """An icosahedron in count^3 voxels."""
    axis = (np.arange(count) - (count - 1) / 2) / (count / 2)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    return Voxels.from_density("voxels", named("icosahedron").contains(points, np.eye(3), 0.97))


def operations(
    body: Body, radii: NDArray[np.float64], turns: NDArray[np.float64], accuracy: float
) -> tuple[float, float]:
    """Columns and operations of the two matrix products, averages over the particles."""
    assert isinstance(body, ChordedBody)
    optics = Optics()
    shared = series(body.densities, optics, EwaldDetector(), float(radii.max()), OF_SERIES * accuracy)
    rates = Rates.of(shared)
    lit, counts, flops = len(shared.axis), [], []
    squared = shared.axis[:, None] ** 2 + shared.axis**2
    q_z = shared.k - np.sqrt(shared.k**2 - squared[squared < shared.k**2])
    for radius, turn in zip(radii, rotation_matrix(turns), strict=True):
        where = columns(body, radius, turn, rates, OF_COLUMNS * min(accuracy, 2e-3))
        length = np.minimum(where.z_out - where.z_in, shared.deepest)
        seen = length > 0
        half = float((where.z_in + length)[seen].max() - where.z_in[seen].min()) / 2
        orders = shared.terms[np.ceil(half * q_z / STEP).astype(np.int64)]
        counts.append(len(where.x))
        flops.append(4 * len(where.x) * lit * orders.max() + 4 * len(where.y) * orders.sum())
    return float(np.mean(counts)), float(np.mean(flops))


def main() -> None:
    """Measure, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Patterns per second of the Chebyshev solver.")
    parser.add_argument("--patterns", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--voxels", type=int, default=128, help="per side")
    bodies = ("icosahedron", "sphere", "ellipsoid", "capsule", "dumbbell", "voxels")
    parser.add_argument("--bodies", nargs="+", default=bodies, help="names; voxels are an icosahedron")
    default = Path(__file__).parent / "records" / "chebyshev.json"
    parser.add_argument("--out", type=Path, default=default)
    options = parser.parse_args()
    particles = ParticleDistribution().draw(0, range(options.patterns))
    radii, turns = particles.radius, particles.orientation
    rows: dict[str, dict[str, float]] = {}
    for name in options.bodies:
        body: Body = voxelised(options.voxels) if name == "voxels" else named(name)
        few = max(1, options.patterns // 16) if name == "voxels" else options.patterns
        for accuracy in (1e-3,) if name == "voxels" else (1e-2, 1e-3, 1e-4):
            simulation = Simulation(solver="chebyshev", accuracy=accuracy)
            found = simulation.amplitude_of(body, radii[:few], turns[:few])  # compiles, too
            row: dict[str, float] = {}
            if name != "voxels":
                solver = Simulation(precision="double")
                if not isinstance(body, ConvexPolyhedron):
                    solver = Simulation(solver="chebyshev", accuracy=1e-6)
                true = solver.amplitude_of(body, radii, turns)
                row["amplitude_error"], row["log10_rms"] = engine.error(found, true, scaled=False)
                row["columns"], row["operations"] = operations(body, radii, turns, accuracy)
            walls, cpus = [], []
            for _ in range(options.repeats):
                wall, cpu = time.perf_counter(), time.process_time()
                simulation.amplitude_of(body, radii[:few], turns[:few])
                walls.append((time.perf_counter() - wall) / few)
                cpus.append((time.process_time() - cpu) / few)
            row["seconds_median"], row["cpu_seconds_median"] = float(np.median(walls)), float(np.median(cpus))
            rows[f"{name} {accuracy:g}"] = row
            print(
                f"{name:12} {accuracy:g} {1 / row['seconds_median']:8.1f}/s, CPU "
                f"{1e3 * row['cpu_seconds_median']:7.1f} ms, "
                + ", ".join(f"{key} {value:.3g}" for key, value in row.items() if "seconds" not in key),
                flush=True,
            )
    rate = engine.matrix_rate()
    for name, row in rows.items():
        if "operations" in row:
            share = row["operations"] / row["cpu_seconds_median"] / rate
            print(f"{name}: {100 * share:.0f} % of a float32 matrix product's {rate / 1e9:.0f} Gflop/s")
    record.write(options.out, {"patterns": options.patterns, "rows": rows, "matrix_product_rate": rate})
    print(options.out)


if __name__ == "__main__":
    main()
