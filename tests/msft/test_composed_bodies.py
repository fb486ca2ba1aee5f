"""Twins, layers and empty frames: their amplitudes against those of simpler bodies."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from msft.bodies import Dumbbell, Ellipsoid, Layered, Sphere, Twins, named
from msft.detector import EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation

DETECTOR = EwaldDetector(pixels=24)
HELIUM = Optics(wavelength=45.0, absorption="refractive", delta=0.03, beta=0.02)
TURN = np.array([[0.8, 0.3, -0.4, 0.2]]) / np.linalg.norm([0.8, 0.3, -0.4, 0.2])
MATRIX = Rotation.from_quat(TURN[0], scalar_first=True).as_matrix()


def simulation(optics: Optics = HELIUM, **options: Any) -> Simulation:
    given: dict[str, Any] = {"solver": "chebyshev", "accuracy": 1e-4, **options}
    return Simulation(optics, DETECTOR, **given)


def amplitude(body: Any, radius: float, optics: Optics = HELIUM, **options: Any) -> NDArray[np.complex128]:
    return np.asarray(simulation(optics, **options).amplitude_of(body, np.array([radius]), TURN)[0])


def close(one: NDArray[Any], other: NDArray[Any], tolerance: float) -> None:
    assert np.linalg.norm(one - other) <= tolerance * np.linalg.norm(other)


@pytest.mark.parametrize("solver", ["chebyshev", "slices", "propagation"])
def test_an_inner_layer_of_the_same_density_is_none(solver: Any) -> None:
    radius = 120.0
    options: dict[str, Any] = {"solver": solver}
    layered, plain = Layered(0.5, 1.0, 0.3).stretched(0.7), Sphere().stretched(0.7)
    close(amplitude(layered, radius, **options), amplitude(plain, radius, **options), 2e-4)


@pytest.mark.parametrize(("density", "factor"), [(0.0, 1.6), (0.4, 1.0), (2.5, 0.6)])
def test_without_absorption_layers_add_up(density: float, factor: float) -> None:
    # Born: the amplitude is linear in the density
    radius, born = 120.0, Optics(wavelength=45.0, absorption="none")
    body = Layered(0.5, density, 0.3).stretched(factor)
    inner = amplitude(Sphere().stretched(factor), 0.5 * radius, born)
    k = 2 * np.pi / 45
    q_y, q_x = np.meshgrid(DETECTOR.axis, DETECTOR.axis, indexing="ij")
    q_z = k - np.sqrt(np.maximum(k * k - q_x**2 - q_y**2, 0))
    x, y, z = MATRIX @ [0, 0, 0.3 * radius * min(1.0, factor)]  # flattened, the z axis is the shorter one
    shifted = inner * np.exp(-1j * (q_x * x + q_y * y) + 1j * q_z * z)
    expected = amplitude(Sphere().stretched(factor), radius, born) + (density - 1) * shifted
    close(amplitude(body, radius, born), expected, 3e-4)


@pytest.mark.parametrize("name", ["layered(0.6,0,0.2)", "layered(0.5,2.5)", "twins(1.2,0.7,1.3)"])
def test_closed_chords_are_the_limit_of_slices(name: str) -> None:
    # slices know only the density at points, not the chords
    particles = Particles([120.0], TURN, name)
    one = simulation().amplitude(particles)[0]
    close(one, simulation(solver="slices").amplitude(particles)[0], 0.02)


def test_thin_layers_propagate_as_they_are_projected() -> None:
    thin = Optics(wavelength=45.0, absorption="refractive", delta=1e-4, beta=0.0)
    particles = Particles([120.0], TURN, "layered(0.6,3,0.2)")
    one = simulation(thin).amplitude(particles)[0]
    other = simulation(thin, solver="propagation", propagation_accuracy=0.01).amplitude(particles)[0]
    scale = np.vdot(other, one) / np.vdot(other, other)
    close(scale * other, one, 0.02)


def test_droplets_far_apart_are_two_lobes_without_a_neck() -> None:
    # the columns of the dumbbell know nothing of the sum over droplets; the beam meets no column twice
    radius = 400.0
    twins, lobes = Twins(7.0, 1.0), Dumbbell(3.5, 1.0, 0.0)
    assert twins.apart
    assert twins.sizes[0] == pytest.approx(lobes.lobe_radius)
    close(amplitude(twins, radius), amplitude(lobes, radius), 1e-3)


def test_droplets_of_two_sizes_each_stand_at_their_place() -> None:
    # Born: droplets apart add up even where they stand in one column, as one list of chords has them
    class Near(Twins):
        @property
        def apart(self) -> bool:
            return False

    radius, born = 300.0, Optics(wavelength=45.0, absorption="none")
    shape: Any = (9.2, 0.5, (1.4, 1.0, 1.0))
    assert Twins(*shape).apart
    close(amplitude(Twins(*shape), radius, born), amplitude(Near(*shape), radius, born), 1e-3)


def test_rings_of_twins_behind_each_other_are_newtons() -> None:
    # path difference d (1 - cos theta): dark where it is an odd number of half waves
    distance, wavelength = 1500.0, 45.0
    twins = Twins(distance / 60, 1.0)
    radius = distance / twins.distance
    detector = FlatDetector(pixels=64, pixel_size=1.17, distance=65.0)
    optics = Optics(wavelength=wavelength, absorption="none")
    pair = Particles([radius], [[1.0, 0, 0, 0]], "twins(25,1)")
    single = Particles([60.0], [[1.0, 0, 0, 0]], "sphere")
    both, alone = (Simulation(optics, detector, solver="chebyshev").intensity(p)[0] for p in (pair, single))
    pitch = 1.17 * np.hypot(*np.meshgrid(np.arange(64) - 32, np.arange(64) - 32))
    cosine = 65.0 / np.hypot(65.0, pitch)
    fringes = 4 * np.cos(np.pi * distance * (1 - cosine) / wavelength) ** 2
    lit = alone > 1e-3 * alone.max()
    np.testing.assert_allclose(both[lit], (fringes * alone)[lit], atol=0.02 * alone.max())


@pytest.mark.parametrize("solver", ["chebyshev", "slices", "propagation"])
def test_an_empty_frame_is_dark(solver: Any) -> None:
    assert not amplitude(named("nothing"), 100.0, solver=solver).any()
    assert named("nothing").stretched(2.0).volume == 0


def test_volumes_of_layers_and_twins() -> None:
    # outer radius 1, inner 0.5 of density 3: 4 pi / 3 (1 + 2 / 8)
    assert Layered(0.5, 3.0).volume == pytest.approx(4 * np.pi / 3 * 1.25)
    axis = (np.arange(60) - 29.5) / 30
    sampled = Layered(0.6, 0.2, 0.3).stretched(0.5).density(axis, axis, axis, MATRIX, 1.0).sum() / 30**3
    assert Layered(0.6, 0.2, 0.3).stretched(0.5).volume == pytest.approx(sampled, rel=0.01)
    # two whole spheres, radii 1 and 1 / 2, over a circumsphere of (1 + 3 + 0.5) / 2
    assert Twins(3.0, 0.5).volume == pytest.approx(4 * np.pi / 3 * 1.125 / 2.25**3)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("twins(0.1,0.5)", "distance"),
        ("twins(3,1.5)", "second"),
        ("twins(3,0.5,-1)", "semi_axes"),
        ("layered(1.5)", "inner_radius"),
        ("layered(0.5,-1)", "inner_density"),
        ("layered(0.5,0,0.6)", "offset"),
        ("layered(a)", "body"),
        ("nothing(1)", "body"),
    ],
)
def test_impossible_proportions_are_refused(name: str, field: str) -> None:
    with pytest.raises(ParameterError) as caught:
        named(name)
    assert caught.value.field == field


def test_a_layer_hides_nothing_of_the_ellipsoid_around_it() -> None:
    body, shape = Layered(0.5, 0.0).stretched(0.6), Ellipsoid((1.0, 1.0, 0.6))
    points = np.random.default_rng(1).uniform(-1, 1, (2000, 3))
    np.testing.assert_array_equal(body.contains(points, MATRIX, 0.9), shape.contains(points, MATRIX, 0.9))
