"""The Chebyshev solver against closed forms, the exact solver, Mie theory and the golden patterns."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.bodies import Sphere, named
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions
from msft.solvers import chebyshev

FloatArray = NDArray[np.float64]

K = Optics().wavenumber
STILL = as_quaternions([1.0, 0, 0, 0])
GENERIC = as_quaternions([0.9, 0.25, -0.1, 0.33])
NONE = Optics(absorption="none")


@pytest.mark.parametrize("case", range(6))
def test_golden_patterns(golden: list[tuple[Particles, Optics, FloatArray]], case: int) -> None:
    particle, optics, expected = golden[case]
    found = np.abs(Simulation(optics, solver="chebyshev").amplitude(particle)[0])
    axis = EwaldDetector().axis
    inner = np.hypot(axis[:, None], axis) < 0.97 * K
    # measured 8.4e-4 for R = 155 nm
    assert np.linalg.norm((found - expected)[inner]) < 1e-3 * np.linalg.norm(expected[inner])
    assert (found[expected == 0] == 0).all()
    assert np.linalg.norm((found.T - expected)[inner]) > 0.05 * np.linalg.norm(expected[inner])


@pytest.mark.parametrize("radius", [5.0, 30.0, 100.0])
def test_a_sphere_without_absorption_is_rayleighs(radius: float) -> None:
    detector = EwaldDetector()
    v = detector.scattering_vectors(K)
    u = radius * np.sqrt(v.x**2 + v.y**2 + v.z**2)  # q_z belongs to |q|
    u[u == 0] = 1e-3
    expected = 4 * math.pi * radius**3 * (np.sin(u) - u * np.cos(u)) / u**3
    found = chebyshev.amplitude(Sphere(), radius, STILL, NONE, detector, 1e-3).ravel()[v.pixel]
    # measured 2.7e-4 for 30 and 100 nm
    assert np.linalg.norm(found - expected) < 1e-3 * np.linalg.norm(expected)
    # without q_z in |q| it is another one
    u = radius * np.hypot(v.x, v.y)
    u[u == 0] = 1e-3
    flat = 4 * math.pi * radius**3 * (np.sin(u) - u * np.cos(u)) / u**3
    if radius > 10:
        assert np.linalg.norm(found - flat) > 5e-3 * np.linalg.norm(flat)


def test_an_absorbing_sphere_forward_is_the_integral_over_its_chords() -> None:
    radius, a = 40.0, 12.5
    found = chebyshev.amplitude(Sphere(), radius, STILL, Optics(), EwaldDetector(4, 0.3 * K), 1e-4)[2, 2]
    # a * area minus a * the integral of 2 pi r exp(-2 sqrt(R^2 - r^2) / a) over r, with u = the chord
    chord = 2 * radius
    leaving = math.pi / 2 * a**2 * (1 - (1 + chord / a) * math.exp(-chord / a))
    assert found == pytest.approx(a * (math.pi * radius**2 - leaving), rel=1e-4)


@pytest.mark.parametrize("radius", [30.0, 70.0])
@pytest.mark.parametrize(
    "optics", [Optics(), NONE, Optics(absorption="refractive")], ids=lambda optics: optics.absorption
)
def test_it_converges_to_the_exact_solver(radius: float, optics: Optics) -> None:
    particle = Particles(radius, GENERIC)
    detector = EwaldDetector(pixels=32, q_step=K / 15.5)
    exact = Simulation(optics, detector, precision="double").amplitude(particle)[0]
    errors = []
    for accuracy in (1e-2, 1e-3, 2e-4):
        found = chebyshev.amplitude(named("icosahedron"), radius, GENERIC, optics, detector, accuracy)
        errors.append(np.linalg.norm(found - exact) / np.linalg.norm(exact))
        # the grid adapts until its estimate says so; measured at most 0.7 of what was asked for here
        assert errors[-1] < accuracy


@pytest.mark.parametrize("radius", [30.0, 50.0, 80.0])
def test_the_sign_of_refraction_is_that_of_mie_theory(radius: float) -> None:
    miepython = pytest.importorskip("miepython")
    # a row of pixels from 0 to 30 degrees
    detector = EwaldDetector(pixels=257, q_step=K * math.sin(math.radians(30)) / 128)
    theta = np.arcsin(detector.axis[128:] / K)
    seen = theta > math.radians(1)
    # miepython's index is n - i k
    index = 1 - 0.1096 - 0.0793j
    mie = miepython.i_unpolarized(index, K * radius, np.cos(theta[seen]))

    def rms(delta: float) -> float:
        optics = Optics(absorption="refractive", delta=delta, beta=0.0793)
        image = chebyshev.amplitude(Sphere(), radius, STILL, optics, detector, 1e-2)
        return float(np.std(np.log10(np.abs(image[128, 128:][seen]) ** 2 / mie)))

    # measured 0.08, 0.11, 0.18 against 0.45, 0.41, 0.26 with the wrong sign
    assert rms(0.1096) < 0.2
    assert rms(0.1096) < 0.75 * rms(-0.1096)


def test_node_counts_are_those_measured_on_the_prototype() -> None:
    # the prototype took 12-16 / 24 / 32 nodes for R = 30 / 80 / 155 nm
    counts = [chebyshev.node_count(K, radius, 1e-4) for radius in (30, 80, 155)]
    for count, least, most in zip(counts, (12, 22, 32), (18, 34, 56), strict=True):
        assert least <= count <= most


@pytest.mark.parametrize("accuracy", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize("depth", [5.0, 80.0, 300.0])
def test_that_many_nodes_interpolate_the_phase(depth: float, accuracy: float) -> None:
    count = chebyshev.node_count(K, depth, accuracy)
    at = np.linspace(0, K, 333)
    for z in (-depth, 0.4 * depth, depth):
        series = np.polynomial.chebyshev.Chebyshev.interpolate(np.cos, count - 1, domain=[0, K * z])
        assert np.abs(series(at * z) - np.cos(at * z)).max() < 2 * accuracy


@pytest.mark.parametrize("accuracy", [0.0, 1e-9, 0.2, -1e-3, math.nan])
def test_impossible_accuracies_are_refused(accuracy: float) -> None:
    with pytest.raises(ParameterError) as caught:
        chebyshev.amplitude(Sphere(), 30.0, STILL, NONE, EwaldDetector(8, 0.05), accuracy)
    assert caught.value.field == "accuracy"
