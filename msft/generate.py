"""Datasets of random particles."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

import msft
from msft.configuration import to_mapping
from msft.dataset import create
from msft.errors import ParameterError
from msft.output import check_writable
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation

BATCH = 64
"""Patterns that are simulated and written at a time."""


def generate(
    path: Path,
    count: int,
    seed: int = 0,
    distribution: ParticleDistribution | None = None,
    simulation: Simulation | None = None,
    *,
    force: bool = False,
    command: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Simulate random particles into a dataset; pattern i depends on (seed, i) alone.

    Parameters
    ----------
    path
        The HDF5 file; it appears whole or not at all.
    count
        Number of patterns.
    seed
        Seed of the particles.
    distribution, simulation
        Which particles, and how they are simulated; by default those of Stielow et al. 2020.
    force
        Replace a file that is there.
    command
        The command line, for the record.
    progress
        Called with 0 once the arguments are found good, then with the number of patterns of each batch.

    Raises
    ------
    ParameterError
        If an argument cannot be used, or the file cannot be written; nothing is left behind.
    """
    distribution = distribution or ParticleDistribution()
    simulation = simulation or Simulation()
    if count <= 0:
        raise ParameterError("n", count, "a number of patterns above 0")
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")
    check_writable(path, force)
    # the ends of the range stand for all that will be drawn: refuse before the first batch
    simulation.check(Particles(distribution.radius_range, np.array([[1.0, 0, 0, 0]] * 2), distribution.body))
    provenance = {
        "program": "msft generate",
        "version": msft.__version__,
        "command": command,
        "seed": seed,
        "particles": json.dumps(to_mapping(distribution)),
    }
    progress(0)
    with create(path, count, simulation, provenance) as writer:
        for start in range(0, count, BATCH):
            particles = distribution.draw(seed, range(start, min(start + BATCH, count)))
            writer.append(simulation.intensity(particles), particles)
            progress(len(particles))
