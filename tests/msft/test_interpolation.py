"""Flat detectors on every solver, against the exact solver, which needs no interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msft.detector import FlatDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions
from msft.solvers import interpolation

GENERIC = as_quaternions([0.9, 0.25, -0.1, 0.33])
FLAT = FlatDetector(pixels=32, pixel_size=2.4)
"""Up to 56 degrees in its corners."""

STEEP = FlatDetector(pixels=32, pixel_size=6.0)
"""Up to 75 degrees."""


def relative(found: Any, expected: Any) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("detector", [FLAT, STEEP], ids=["56 degrees", "75 degrees"])
@pytest.mark.parametrize("radius", [25.0, 60.0, 150.0])
def test_interpolated_amplitudes_are_those_computed_at_the_pixels(
    detector: FlatDetector, radius: float
) -> None:
    # the exact solver on the grid and on the pixels: the interpolation alone
    k = Optics().wavenumber
    vectors = detector.scattering_vectors(k)
    grid = interpolation.grid_detector(vectors, k, radius)
    particle = Particles(radius, GENERIC)
    exact = Simulation(detector=detector, precision="double").amplitude(particle)
    on_grid = Simulation(detector=grid, precision="double").amplitude(particle)
    found = interpolation.interpolate(on_grid, grid, vectors)
    # measured 3e-6 to 1e-5
    assert relative(found, exact.reshape(1, -1)[:, vectors.pixel]) < 5e-5


@pytest.mark.parametrize(
    ("solver", "tolerance"), [("chebyshev", 1e-3), ("slices", 2e-2), ("propagation", 4e-3)]
)
def test_every_solver_serves_flat_detectors(solver: Any, tolerance: float) -> None:
    # an index so close to 1 that the propagation agrees with the others
    optics = Optics(absorption="refractive", delta=1e-4, beta=1e-4)
    particles = Particles([25.0, 40.0], [GENERIC, [1, 0, 0, 0]])
    exact = Simulation(optics, FLAT, precision="double").intensity(particles)
    simulation = Simulation(optics, FLAT, solver, propagation_accuracy=3e-3)
    found = simulation.intensity(particles)
    assert found.shape == (2, 32, 32)
    for one, other in zip(found, exact, strict=True):
        assert relative(np.sqrt(one), np.sqrt(other)) < tolerance
        assert relative(np.sqrt(one.T), np.sqrt(other)) > 5 * tolerance or solver == "slices"


def test_a_pattern_on_a_flat_detector_depends_on_its_particle_alone() -> None:
    simulation = Simulation(detector=FLAT, solver="propagation")
    particles = Particles([31.0, 55.0, 30.0], [GENERIC, GENERIC, [1, 0, 0, 0]])
    together = simulation.amplitude(particles)
    for index in range(3):
        alone = simulation.amplitude(particles[index : index + 1])[0]
        assert relative(together[index], alone) < 1e-6


def test_a_detector_too_steep_for_a_particle_that_large_is_refused() -> None:
    steep = FlatDetector(pixels=128, pixel_size=60.0)
    with pytest.raises(ParameterError, match="exact") as caught:
        Simulation(detector=steep, solver="chebyshev").check(Particles(3000.0, [1, 0, 0, 0]))
    assert caught.value.field == "detector"


@pytest.mark.parametrize(
    ("solver", "distance", "field"),
    [("chebyshev", 0.596, "detector"), ("propagation", 2.07, "propagation_accuracy")],
)
def test_what_is_computed_is_what_was_checked(solver: Any, distance: float, field: str) -> None:
    # particles of 800 nm share the grid of those of 851, which these detectors are too steep for
    optics, detector = Optics(delta=0.01, beta=0.01), FlatDetector(16, 0.6, distance)
    simulation = Simulation(optics, detector, solver=solver, propagation_accuracy=0.1)
    with pytest.raises(ParameterError) as caught:
        simulation.check(Particles(800.0, GENERIC))
    assert caught.value.field == field
