"""One call for every solver and back end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from msft.backends.choice import BACKENDS_OF
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation

SMALL = EwaldDetector(pixels=16, q_step=0.05)
TWO = Particles([40.0, 60.0], [[0.9, 0.25, -0.1, 0.33], [1, 0, 0, 0]])


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("solver", {"solver": "born"}),
        ("backend", {"backend": "cuda"}),
        ("backend", {"backend": "cupy", "solver": "slices"}),
        ("backend", {"backend": "numba", "solver": "slices"}),
        ("precision", {"precision": "half"}),
        ("q_step", {"detector": EwaldDetector(q_step=0.5)}),
        ("q_step", {"detector": EwaldDetector(q_step=7.4e6), "solver": "chebyshev"}),  # in m^-1
    ],
)
def test_impossible_combinations_are_refused_with_the_name_of_the_field(field: str, arguments: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        Simulation(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize("accuracy", [0.0, 1.0, float("nan")])
def test_an_impossible_accuracy_is_refused_when_the_simulation_is_made_or_checked(accuracy: float) -> None:
    particles = Particles(40.0, [1, 0, 0, 0])
    with pytest.raises(ParameterError) as caught:
        Simulation(solver="chebyshev", accuracy=accuracy).check(particles)
    assert caught.value.field == "accuracy"


def test_solvers_and_back_ends_show_the_same_particles() -> None:
    optics = Optics(absorption="none")
    reference = Simulation(optics, SMALL, backend="numpy").amplitude(TWO)
    assert reference.shape == (2, 16, 16)
    norm = np.linalg.norm(reference)
    for precision, tolerance in (("single", 3e-6), ("double", 1e-12)):
        other: Any = precision
        found = Simulation(optics, SMALL, backend="numba", precision=other).amplitude(TWO)
        assert np.linalg.norm(found - reference) < tolerance * norm
    found = Simulation(optics, SMALL, solver="chebyshev").amplitude(TWO)
    assert np.linalg.norm(found - reference) < 1e-3 * norm
    assert np.linalg.norm(reference[0] - reference[1]) > 0.1 * norm


@pytest.mark.parametrize("solver", sorted(BACKENDS_OF))
def test_intensity_is_the_square_of_the_amplitude(solver: Any) -> None:
    detector = EwaldDetector(pixels=16)
    simulation = Simulation(detector=detector, solver=solver)
    one = Particles(40.0, [0.9, 0.25, -0.1, 0.33])
    intensity = simulation.intensity(one)
    assert intensity.dtype == np.float32
    np.testing.assert_allclose(intensity, np.abs(simulation.amplitude(one)) ** 2, rtol=1e-6)
    assert np.unravel_index(intensity[0].argmax(), (16, 16)) == (8, 8)


def test_a_sphere_goes_to_the_solvers_that_know_it() -> None:
    sphere = Particles(40.0, [1, 0, 0, 0], "sphere")
    with pytest.raises(ParameterError) as caught:
        Simulation().intensity(sphere)
    assert caught.value.field == "solver"
    assert np.isfinite(Simulation(detector=SMALL, solver="chebyshev").intensity(sphere)).all()


def test_no_particles_give_no_patterns() -> None:
    none = Particles(np.empty(0), np.empty((0, 4)))
    for solver in ("exact", "chebyshev"):
        chosen: Any = solver
        assert Simulation(detector=SMALL, solver=chosen).intensity(none).shape == (0, 16, 16)


def test_large_particles_at_short_wavelengths_stay_finite_in_single_precision() -> None:
    # phases of thousands of radians are reduced in double precision nowhere: the error grows, values stay
    optics = Optics(wavelength=1.0)
    particle = Particles(500.0, [0.9, 0.25, -0.1, 0.33])
    detector = EwaldDetector(pixels=16, q_step=0.7)
    single = Simulation(optics, detector, precision="single").amplitude(particle)
    double = Simulation(optics, detector, precision="double").amplitude(particle)
    assert np.isfinite(single).all()
    assert np.linalg.norm(single - double) < 1e-4 * np.linalg.norm(double)
