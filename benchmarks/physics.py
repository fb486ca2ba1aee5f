"""Which physics to trust: every model against Mie theory, with its speed beside it.

    python benchmarks/physics.py [--quick | --speeds]

Writes benchmarks/records/physics.json and docs/physics.png, and prints the tables of docs/physics.md. The
error is the rms of log10 of the intensity over Mie theory's (unpolarised light), after one scale, over 1 to
30 degrees. Models: ``saxs`` (projected density, q_z = 0), ``born`` (no absorption), ``amplitude`` and
``intensity`` (absorption length of the amplitude, of the intensity; it belongs to beta), ``refractive``
(complex index on the way in) and ``propagation``. Speeds are of icosahedra of 30-160 nm on the default
detector, all in turn in each repeat; `--speeds` measures nothing else.
"""

from __future__ import annotations

import argparse
import math
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import miepython
import numpy as np
import record
from matplotlib.figure import Figure
from numpy.typing import NDArray

from msft.bodies import named
from msft.detector import EwaldDetector
from msft.optics import AbsorptionModel, Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions
from msft.solvers import propagation
from msft.solvers.propagation_grid import PropagationGrid

FloatArray = NDArray[np.float64]

MODELS = ("saxs", "born", "amplitude", "intensity", "refractive", "propagation")
SILVER = Optics()
K = SILVER.wavenumber
ROW = EwaldDetector(257, K * math.sin(math.radians(30)) / 128, "unpolarised")
"""From its middle on, its middle row looks at 0 to 30 degrees."""

THETA = np.arcsin(ROW.axis[128:] / K)
SEEN = np.degrees(THETA) > 1
TABLE_RADII = (30.0, 80.0, 160.0)
MAPS = ("intensity", "refractive", "propagation")
MAP_RADIUS = 80.0
RINGS = (0.0, 0.4, 0.8, 0.9, 0.97)
"""Bounds in q_perp / k."""


def absorbing(optics: Optics, model: str) -> Optics:
    """The optics of a model for a material: its absorption length belongs to its index."""
    length = min(1 / (2 * optics.wavenumber * max(optics.beta, 1e-12)), 1e9)
    absorption: dict[str, AbsorptionModel] = {
        "amplitude": "amplitude", "intensity": "intensity", "refractive": "refractive"
    }  # fmt: skip
    return Optics(optics.wavelength, absorption.get(model, "none"), length, optics.delta, optics.beta)


def intensity(model: str, radius: float, optics: Optics) -> FloatArray:
    """Of a sphere over `THETA`, any scale."""
    if model == "saxs":
        u = np.maximum(ROW.axis[128:] * radius, 1e-3)
        form = (np.sin(u) - u * np.cos(u)) / u**3
        return np.asarray(form**2 * (1 + np.cos(THETA) ** 2))
    if model == "propagation":
        simulation = Simulation(optics, ROW, "propagation", propagation_accuracy=0.02)
    else:
        simulation = Simulation(absorbing(optics, model), ROW, "chebyshev", accuracy=3e-3)
    image = simulation.intensity(Particles(radius, [1, 0, 0, 0], "sphere"))[0]
    return np.asarray(image[128, 128:], dtype=np.float64)


def mie(radius: float, optics: Optics) -> FloatArray:
    """Mie theory's intensity over `THETA`; miepython's index is n - i k."""
    index = complex(1 - optics.delta, -optics.beta)
    return np.asarray(miepython.i_unpolarized(index, optics.wavenumber * radius, np.cos(THETA)))


def error(model: str, radius: float, optics: Optics) -> float:
    """Rms of log10 of the intensity over Mie theory's, after one scale, over 1 to 30 degrees."""
    ratio = intensity(model, radius, optics)[SEEN] / mie(radius, optics)[SEEN]
    return float(np.log10(ratio).std())


def speeds(patterns: int, repeats: int) -> dict[str, tuple[float, float]]:
    """Patterns per second: the median over the repeats, and the best of them."""
    particles = ParticleDistribution().draw(0, range(patterns))
    propagated = Simulation(solver="propagation")
    cases = {
        "exact (born to refractive)": (Simulation(), particles),
        "chebyshev 1e-2 (born to refractive)": (
            Simulation(solver="chebyshev", accuracy=1e-2),
            particles[: max(1, patterns // 4)],
        ),
        "propagation": (propagated, particles),
        **{
            f"propagation, all R = {radius:g} nm": (
                propagated,
                Particles(np.full(patterns, radius), particles.orientation),
            )
            for radius in TABLE_RADII
        },
    }
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for repeat in range(repeats + 1):
        for name, (simulation, chosen) in cases.items():
            start = time.perf_counter()
            simulation.amplitude(chosen)
            if repeat:  # the first compiles
                seconds[name].append((time.perf_counter() - start) / len(chosen))
    return {name: (1 / float(np.median(values)), 1 / min(values)) for name, values in seconds.items()}


def evanescent() -> list[dict[str, float]]:
    """Power that the propagator cuts from a field without absorption, in geometric cross-sections."""
    rows = []
    orientation = as_quaternions([[0.9, 0.25, -0.1, 0.33]])
    for delta in (-0.1, 0.1, 0.2):
        for radius in (30.0, 80.0):
            optics = Optics(absorption="refractive", delta=delta, beta=0.0)
            grid = PropagationGrid.of(radius, optics, EwaldDetector().q_step, 0.03)
            spectrum = propagation.propagate(
                named("icosahedron"), np.array([radius]), orientation, optics, grid, dtype="complex128"
            )[0]
            share = propagation.lost_area(spectrum, grid) / (math.pi * radius**2)
            rows.append({"delta": delta, "radius_nm": radius, "lost": share})
    return rows


def weak() -> list[dict[str, Any]]:
    """What remains of the propagation's error where hardly anything scatters twice, by angle."""
    optics = Optics(absorption="refractive", delta=1e-5, beta=0.0)
    turns = as_quaternions([[0.9, 0.25, -0.1, 0.33], [7, 1, 6, -2], [2, 8, 3, 5]])
    particles = Particles([60.0] * 3, turns)
    exact = Simulation(optics, precision="double").amplitude(particles)
    axis = EwaldDetector().axis / K
    q = np.hypot(axis[:, None], axis)
    rows = []
    for accuracy in (0.03, 0.003):
        simulation = Simulation(
            optics, solver="propagation", precision="double", propagation_accuracy=accuracy
        )
        difference = simulation.amplitude(particles) - exact
        errors = []
        for low, high in pairwise(RINGS):
            ring = (q >= low) & (q < high)
            errors.append(float(np.linalg.norm(difference[:, ring]) / np.linalg.norm(exact[:, ring])))
        rows.append({"accuracy": accuracy, "errors": errors})
    return rows


def figure(radii: FloatArray, by_radius: dict[str, list[float]], deltas: FloatArray, betas: FloatArray,
           maps: dict[str, list[list[float]]]) -> Figure:  # fmt: skip
    """Patterns, error against radius, and maps of the error over the index."""
    sheet = Figure(figsize=(11, 7.2), layout="constrained")
    grid = sheet.add_gridspec(2, 6)
    patterns, curves = sheet.add_subplot(grid[0, :3]), sheet.add_subplot(grid[0, 3:])
    colours = ["#999999", "#56b4e9", "#e69f00", "#cc79a7", "#0072b2", "#d55e00"]
    angle = np.degrees(THETA[SEEN])
    exact = mie(80.0, SILVER)[SEEN]
    patterns.plot(angle, exact, "k", linewidth=2.5, label="Mie")
    for model, colour in zip(MODELS, colours, strict=True):
        found = intensity(model, 80.0, SILVER)[SEEN]
        scale = 10 ** float(np.mean(np.log10(exact / found)))
        if model in ("born", "intensity", "refractive", "propagation"):
            style = "--" if model == "propagation" else "-"
            patterns.plot(angle, scale * found, style, color=colour, linewidth=1.2, label=model)
        curves.plot(radii, by_radius[model], "o-", color=colour, markersize=3, label=model)
    patterns.set(yscale="log", xlabel="scattering angle (degrees)", ylabel="intensity (units of Mie theory)")
    patterns.set_title("silver sphere, R = 80 nm, 13.5 nm", fontsize=10)
    curves.set(yscale="log", xlabel="radius (nm)", ylabel="rms error of log$_{10}$ intensity")
    curves.set_title("silver spheres, 1-30 degrees, after one scale", fontsize=10)
    for axes in (patterns, curves):
        axes.legend(fontsize=8, ncols=2)
    image: Any = None
    panels = []
    for place, model in enumerate(MAPS):
        axes = sheet.add_subplot(grid[1, 2 * place : 2 * place + 2])
        panels.append(axes)
        half = [(axis[1] - axis[0]) / 2 for axis in (deltas, betas)]
        edges = (deltas[0] - half[0], deltas[-1] + half[0], betas[0] - half[1], betas[-1] + half[1])
        image = axes.imshow(
            np.log10(maps[model]),
            origin="lower",
            extent=edges,
            aspect="auto",
            vmin=-2.5,
            vmax=0,
            cmap="viridis",
        )
        axes.plot(SILVER.delta, SILVER.beta, "w*", markeredgecolor="k", markersize=11)
        axes.set(xlabel=r"index decrement $\delta$", title=f"{model}, R = {MAP_RADIUS:g} nm")
    panels[0].set_ylabel(r"extinction $\beta$")
    sheet.colorbar(image, ax=panels, label="log$_{10}$ of the rms error; star: silver")
    return sheet


def main() -> None:
    """Measure, print the tables, write figure and record."""
    parser = argparse.ArgumentParser(description="Every model against Mie theory.")
    parser.add_argument("--quick", action="store_true", help="few radii and indices, no record, no figure")
    parser.add_argument("--speeds", action="store_true", help="speeds alone, no record, no figure")
    parser.add_argument("--patterns", type=int, default=16, help="patterns per timing")
    parser.add_argument("--repeats", type=int, default=9)
    options = parser.parse_args()
    root = Path(__file__).parents[1]

    rates = speeds(options.patterns, 1 if options.quick else options.repeats)
    print("| solver | patterns/s, median | best |\n|---|---|---|")
    for name, (median, best) in rates.items():
        print(f"| {name} | {median:.1f} | {best:.1f} |")
    if options.speeds:
        return
    table = {model: [error(model, radius, SILVER) for radius in TABLE_RADII] for model in MODELS}
    lost, alone = evanescent(), weak()
    print("\n| model | R = 30 nm | R = 80 nm | R = 160 nm |\n|---|---|---|---|")
    for model, values in table.items():
        print(f"| {model} | " + " | ".join(f"{value:.3f}" for value in values) + " |")
    print("\n| delta | R (nm) | power cut, in geometric cross-sections |\n|---|---|---|")
    for row in lost:
        print(f"| {row['delta']:g} | {row['radius_nm']:g} | {row['lost']:.4f} |")
    print(
        "\n| accuracy | "
        + " | ".join(f"{a:g}-{b:g} k" for a, b in pairwise(RINGS))
        + " |\n|---|---|---|---|---|"
    )
    for ring in alone:
        print(f"| {ring['accuracy']:g} | " + " | ".join(f"{value:.4f}" for value in ring["errors"]) + " |")
    if options.quick:
        return
    radii = np.array([10, 20, 30, 40, 50, 60, 80, 100, 120, 140, 160], dtype=np.float64)
    by_radius = {model: [error(model, radius, SILVER) for radius in radii] for model in MODELS}
    deltas, betas = np.linspace(-0.1, 0.2, 13), np.linspace(0.0, 0.1, 9)
    deltas[np.abs(deltas) < 1e-9] = 1e-3  # at n = 1 nothing scatters
    maps = {
        model: [
            [
                error(model, MAP_RADIUS, Optics(absorption="refractive", delta=delta, beta=beta))
                for delta in deltas
            ]
            for beta in betas
        ]
        for model in MODELS
        if model != "saxs"
    }
    print("\n| model | median | largest |\n|---|---|---|")
    for model, errors in maps.items():
        print(f"| {model} | {np.median(errors):.3f} | {np.max(errors):.3f} |")
    figure(radii, by_radius, deltas, betas, maps).savefig(root / "docs" / "physics.png", dpi=150)
    record.write(
        root / "benchmarks" / "records" / "physics.json",
        {
            "table": {"radii_nm": TABLE_RADII, "errors": table},
            "speeds": rates,
            "timing": {"patterns": options.patterns, "repeats": options.repeats},
            "evanescent": lost,
            "weak": {"rings": RINGS, "rows": alone},
            "by_radius": {"radii_nm": radii.tolist(), "errors": by_radius},
            "by_index": {"delta": deltas.tolist(), "beta": betas.tolist(), "errors": maps},
        },
    )


if __name__ == "__main__":
    main()
