"""The exact solver against independent calculations, closed forms, symmetries and limits."""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import ConvexHull
from scipy.spatial.transform import Rotation

from msft.backends import with_numba, with_numpy
from msft.bodies import ConvexPolyhedron, Sphere, named
from msft.detector import EwaldDetector, FlatDetector, ScatteringVectors
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions, from_axis_angle, multiply
from msft.solvers import exact
from msft.solvers.overlay import meshes

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complexfloating]

CUBE = ConvexPolyhedron.from_vertices("cube", list(itertools.product((-1.0, 1.0), repeat=3)))
OCTAHEDRON = ConvexPolyhedron.from_vertices("octahedron", np.vstack([np.eye(3), -np.eye(3)]))
TETRAHEDRON = ConvexPolyhedron.from_vertices(
    "tetrahedron", [[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]
)
LUMP = ConvexPolyhedron.from_vertices("lump", np.random.default_rng(4).standard_normal((25, 3)))
_icosahedron = named("icosahedron")
assert isinstance(_icosahedron, ConvexPolyhedron)
ICOSAHEDRON: ConvexPolyhedron = _icosahedron
BODIES = [ICOSAHEDRON, CUBE, OCTAHEDRON, TETRAHEDRON, LUMP]
each_body = pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)

K = Optics().wavenumber
SMALL = EwaldDetector(pixels=24, q_step=K / 11.7)
GENERIC = as_quaternions([0.9, 0.25, -0.1, 0.33])
NONE = Optics(absorption="none")
KERNELS: dict[str, Any] = {
    "numpy": with_numpy.face_sums,
    "double": with_numba.face_sums_double,
    "single": with_numba.face_sums_single,
}


def amplitude(
    body: ConvexPolyhedron,
    radius: float,
    q: ArrayLike,
    optics: Optics,
    detector: EwaldDetector | FlatDetector = SMALL,
    kernel: str = "double",
) -> ComplexArray:
    """A (P,) of one particle at the detector's lit pixels."""
    reference = KERNELS["numpy" if kernel == "numpy" else "double"]
    q = np.asarray(q, dtype=np.float64)[None]
    vectors = detector.scattering_vectors(optics.wavenumber)
    found = exact.amplitudes(body, np.array([radius]), q, optics, vectors, KERNELS[kernel], reference)
    return np.asarray(found[0])


def difference(a: ComplexArray, b: ComplexArray) -> float:
    """Largest difference relative to the peak."""
    return float(np.abs(a - b).max() / np.abs(b).max())


def turned(body: ConvexPolyhedron, radius: float, q: ArrayLike) -> FloatArray:
    return np.asarray(Rotation.from_quat(np.roll(q, -1)).apply(radius * body.vertices))


def by_tetrahedra(points: FloatArray, v: ScatteringVectors, order: int = 20) -> ComplexArray:
    """Integral of e^{-i (q_x x + q_y y) + i q_z z} over a hull by Gauss quadrature of its tetrahedra."""
    x, w = np.polynomial.legendre.leggauss(order)
    x, w = (x + 1) / 2, w / 2
    a, b, c = (grid.ravel() for grid in np.meshgrid(x, x, x, indexing="ij"))
    # the cube onto the tetrahedron (Duffy)
    corners = np.stack([a, a * b, a * b * c], axis=-1)
    weight = a**2 * b * np.einsum("i,j,k->ijk", w, w, w).ravel()
    total = np.zeros(v.x.size, dtype=np.complex128)
    for simplex in ConvexHull(points).simplices:
        p, q, r = points[simplex]
        edges = np.stack([p, q - p, r - q])  # the fourth corner is the origin
        phase = (corners @ edges) @ np.stack([-v.x, -v.y, v.z])
        total += abs(np.linalg.det(edges)) * (weight @ np.exp(1j * phase))
    return np.asarray(total)


def by_columns(points: FloatArray, s: complex, v: ScatteringVectors, samples: int = 300) -> ComplexArray:
    """The multi-slice integral by a midpoint sum over columns cut by the hull's half-spaces."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    step = (high - low) / samples
    x, y = ((low[:, None] + step[:, None] * (np.arange(samples) + 0.5))[i] for i in (0, 1))
    z_in, z_out = np.full((samples, samples), -np.inf), np.full((samples, samples), np.inf)
    for n_x, n_y, n_z, offset in ConvexHull(points).equations:
        plane = -(offset + n_x * x[None, :] + n_y * y[:, None]) / n_z
        if n_z < 0:
            z_in = np.maximum(z_in, plane)
        else:
            z_out = np.minimum(z_out, plane)
    length = np.maximum(z_out - z_in, 0.0)
    result = np.empty(v.x.size, dtype=np.complex128)
    for i, (q_x, q_y, q_z) in enumerate(zip(v.x, v.y, v.z, strict=True)):
        rate = s - 1j * q_z
        chord = length if rate == 0 else -np.exp(1j * q_z * z_in) * np.expm1(-rate * length) / rate
        result[i] = np.exp(-1j * q_y * y) @ chord @ np.exp(-1j * q_x * x)
    return np.asarray(result * step[0] * step[1])


# Against independent calculations


@pytest.mark.parametrize("case", range(6))
@pytest.mark.parametrize("kernel", ["numpy", "double", "single"])
def test_golden_patterns(golden: list[tuple[Particles, Optics, FloatArray]], case: int, kernel: str) -> None:
    particle, optics, expected = golden[case]
    precision: Any = "double" if kernel == "numpy" else kernel
    backend: Any = "numpy" if kernel == "numpy" else "numba"
    simulation = Simulation(optics, backend=backend, precision=precision)
    found = np.abs(simulation.amplitude(particle)[0])
    axis = EwaldDetector().axis
    inner = np.hypot(axis[:, None], axis) < 0.97 * K
    norm = np.linalg.norm(expected[inner])
    # measured 3.8e-6, which is the convergence of the golden patterns
    assert np.linalg.norm((found - expected)[inner]) < 1e-5 * norm
    assert (found[expected == 0] == 0).all()
    if case >= 2:  # generic orientations: every mirror image is another pattern
        for mirrored in (np.roll(found[::-1], 1, 0), np.roll(found[:, ::-1], 1, 1), found.T):
            # measured 0.04 and more
            assert np.linalg.norm((mirrored - expected)[inner]) > 0.02 * norm
    else:
        assert np.linalg.norm((found.T - expected)[inner]) > 0.1 * norm


@each_body
@pytest.mark.parametrize("kernel", ["numpy", "double"])
def test_without_absorption_it_is_the_form_factor_of_the_body(body: ConvexPolyhedron, kernel: str) -> None:
    detector = EwaldDetector(pixels=8, q_step=K / 4.1)
    vectors = detector.scattering_vectors(K)
    expected = by_tetrahedra(turned(body, 30.0, GENERIC), vectors)
    # measured 1e-12, of the quadrature
    assert difference(amplitude(body, 30.0, GENERIC, NONE, detector, kernel), expected) < 1e-10


def test_without_absorption_it_is_the_form_factor_of_bornagain() -> None:
    bornagain = pytest.importorskip("bornagain")
    radius = 80.0
    edge = radius * 2 / math.sqrt(PHI_SQRT5)
    # BornAgain's icosahedron stands on a face with a corner towards +x
    x, z = edge / math.sqrt(3), edge * PHI**2 / math.sqrt(12)
    face = np.array([[x, 0, -z], [-x / 2, edge / 2, -z], [-x / 2, -edge / 2, -z]])
    ours = radius * ICOSAHEDRON.vertices[ICOSAHEDRON.faces[0]]
    # our first face is counter-clockwise from outside; theirs, seen from below, is clockwise
    rotation, residual = Rotation.align_vectors(face[[0, 2, 1]], ours)
    assert residual < 1e-6 * radius
    vectors = SMALL.scattering_vectors(K)
    shape = bornagain.Icosahedron(edge)
    theirs = np.array(
        [
            shape.formfactorAtBottom(bornagain.C3(complex(-q_x), complex(-q_y), complex(q_z)))
            for q_x, q_y, q_z in zip(vectors.x, vectors.y, vectors.z, strict=True)
        ]
    )
    theirs = theirs * np.exp(-1j * vectors.z * z)  # from the bottom to the centre
    found = amplitude(ICOSAHEDRON, radius, np.roll(rotation.as_quat(), 1), NONE)
    # measured 1e-13
    assert difference(found, theirs) < 1e-10


@each_body
@pytest.mark.parametrize("s", [0.08, 0.9 + 0j, 0.0369 + 0.051j, 0.0369 - 0.051j])
def test_with_absorption_it_is_the_sum_over_columns(body: ConvexPolyhedron, s: complex) -> None:
    detector = EwaldDetector(pixels=7, q_step=K / 3.05)
    optics = Optics(absorption="refractive", beta=s.real / K, delta=s.imag / K)
    assert optics.attenuation == pytest.approx(s)
    expected = by_columns(turned(body, 40.0, GENERIC), s, detector.scattering_vectors(K))
    # the sum has an error of order 1 / samples^2
    assert difference(amplitude(body, 40.0, GENERIC, optics, detector), expected) < 2e-4


@pytest.mark.parametrize("turn", [0.0, 0.3])
@pytest.mark.parametrize(
    "optics",
    [Optics(), NONE, Optics(absorption="refractive"), Optics(absorption="refractive", beta=0.0)],
    ids=["amplitude", "none", "refractive", "transparent"],
)
@pytest.mark.parametrize("kernel", ["numpy", "double", "single"])
def test_a_cube_along_the_beam_has_a_product_for_an_amplitude(
    turn: float, optics: Optics, kernel: str
) -> None:
    radius = 70.0
    side = 2 * radius / math.sqrt(3)
    v = SMALL.scattering_vectors(K)
    x = v.x * math.cos(turn) + v.y * math.sin(turn)
    y = v.y * math.cos(turn) - v.x * math.sin(turn)
    rate = optics.attenuation - 1j * v.z
    # sinh keeps the value at the pole: e^{-s side / 2} times the integral of e^{-rate z} over the depth
    half = rate * side / 2
    depth = np.where(half == 0, 1, np.sinh(half) / np.where(half == 0, 1, half))
    lateral = np.sinc(x * side / 2 / np.pi) * np.sinc(y * side / 2 / np.pi)
    expected = side**3 * lateral * depth * np.exp(-optics.attenuation * side / 2)
    found = amplitude(CUBE, radius, from_axis_angle([0, 0, 1.0], turn), optics, kernel=kernel)
    # measured 2e-12 and 1e-6
    assert difference(found, expected) < (1e-5 if kernel == "single" else 1e-10)


def test_the_removable_pole_leaves_no_mark() -> None:
    # without absorption but with refraction s = i q_z on a ring at q_z = k delta, through a pixel here
    delta = 0.1
    q_perp = K * math.sqrt(1 - (1 - delta) ** 2)
    detector = EwaldDetector(pixels=13, q_step=q_perp / 3)
    optics = Optics(absorption="refractive", beta=0.0, delta=delta)
    vectors = detector.scattering_vectors(K)
    assert np.abs(optics.attenuation - 1j * vectors.z).min() < 1e-15
    expected = by_columns(turned(ICOSAHEDRON, 60.0, GENERIC), optics.attenuation, vectors, 250)
    for kernel in KERNELS:
        found = amplitude(ICOSAHEDRON, 60.0, GENERIC, optics, detector, kernel)
        assert difference(found, expected) < 2e-4  # measured 2e-5, of the sum


@pytest.mark.parametrize("at_once", [14, 600, 3000])
def test_the_circles_may_be_computed_in_parts(at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    particles = Particles(np.array([20.0, 60, 30, 150]), as_quaternions(np.eye(4) + 0.3))
    simulation = Simulation(NONE, SMALL, precision="double")
    together = simulation.amplitude(particles)
    monkeypatch.setattr(exact, "AT_ONCE", at_once)
    np.testing.assert_allclose(
        simulation.amplitude(particles), together, rtol=0, atol=1e-14 * abs(together).max()
    )


# Symmetries and scaling


def test_the_pattern_is_the_same_for_all_60_rotations_of_the_icosahedron() -> None:
    group = np.roll(rotations_of_the_vertices().as_quat(), 1, axis=1)
    found = exact.amplitudes(
        ICOSAHEDRON,
        np.full(60, 80.0),
        multiply(GENERIC, group),
        Optics(),
        SMALL.scattering_vectors(K),
        with_numba.face_sums_double,
        with_numba.face_sums_double,
    )
    reference = amplitude(ICOSAHEDRON, 80.0, GENERIC, Optics(), kernel="numpy")
    # measured 1e-13
    assert max(difference(one, reference) for one in found) < 1e-10
    # on the other side, the lab's, the same rotations change it
    other = amplitude(ICOSAHEDRON, 80.0, multiply(group[7], GENERIC), Optics())
    assert difference(other, reference) > 0.01


@pytest.mark.parametrize("angle", [90.0, 180.0, 270.0])
@each_body
def test_a_turn_about_the_beam_turns_the_image(body: ConvexPolyhedron, angle: float) -> None:
    pixels = 23
    detector = EwaldDetector(pixels=pixels, q_step=K / 11)
    lit = detector.scattering_vectors(K).pixel

    def image(q: FloatArray) -> ComplexArray:
        flat = np.zeros(pixels * pixels, dtype=np.complex128)
        flat[lit] = amplitude(body, 60.0, q, Optics(), detector)
        return flat.reshape(pixels, pixels)

    still, rotated = (
        image(GENERIC),
        image(multiply(from_axis_angle([0, 0, 1.0], math.radians(angle)), GENERIC)),
    )
    turn = np.rint(Rotation.from_euler("z", angle, degrees=True).as_matrix()[:2, :2]).astype(int)
    expected = np.empty_like(still)
    for y, x in itertools.product(range(-11, 12), repeat=2):
        # what stood at (x, y) stands at R (x, y)
        new_x, new_y = turn @ [x, y]
        expected[new_y + 11, new_x + 11] = still[y + 11, x + 11]
    assert difference(rotated, expected) < 1e-12
    if angle != 180:
        assert difference(rotated, expected[::-1, ::-1]) > 0.01


def test_a_pattern_at_small_angles_is_centrosymmetric_and_at_wide_angles_it_is_not() -> None:
    def asymmetry(largest_q: float) -> float:
        detector = EwaldDetector(pixels=23, q_step=largest_q / 11 / math.sqrt(2))
        simulation = Simulation(NONE, detector, precision="double")
        image = np.abs(simulation.amplitude(Particles(80.0, GENERIC))[0]) ** 2
        return float(np.linalg.norm(image - image[::-1, ::-1]) / np.linalg.norm(image))

    # q_z R = 2e-3, then 0.2, then 32 at the corners; measured 2e-11, 1e-4, 7e-3
    assert asymmetry(0.01 * K) < 1e-10
    assert asymmetry(0.1 * K) < 2e-4
    assert asymmetry(0.99 * K) > 5e-3


def test_without_absorption_friedels_law_holds_in_three_dimensions() -> None:
    # a real density: A(-q) = conj A(q), for the tetrahedron, which has no centre
    v = SMALL.scattering_vectors(K)
    mirrored = ScatteringVectors(-v.x, -v.y, -v.z, v.pixel, v.weight)
    mesh = meshes(TETRAHEDRON, np.array([50.0]), GENERIC[None])
    off = v.z > 1e-3
    here = with_numpy.face_sums(mesh, v, 0j)[0][off] / (-1j * v.z[off])
    there = with_numpy.face_sums(mesh, mirrored, 0j)[0][off] / (1j * v.z[off])
    assert difference(there, here.conj()) < 1e-10


@each_body
def test_twice_the_lengths_give_eight_times_the_amplitude(body: ConvexPolyhedron) -> None:
    small = amplitude(body, 45.0, GENERIC, Optics(wavelength=13.5, absorption_length=12.5))
    detector = EwaldDetector(pixels=SMALL.pixels, q_step=SMALL.q_step / 2)
    large = amplitude(body, 90.0, GENERIC, Optics(wavelength=27.0, absorption_length=25.0), detector)
    assert difference(large, 8 * small) < 1e-12


@each_body
@pytest.mark.parametrize("kernel", KERNELS)
def test_forward_without_absorption_is_the_volume(body: ConvexPolyhedron, kernel: str) -> None:
    forward = amplitude(body, 50.0, GENERIC, NONE, EwaldDetector(pixels=2, q_step=0.9 * K), kernel)[-1]
    assert forward == pytest.approx(body.volume * 50**3, rel=1e-6 if kernel == "single" else 1e-12)


@each_body
def test_weak_absorption_tends_to_none(body: ConvexPolyhedron) -> None:
    weak = amplitude(body, 50.0, GENERIC, Optics(absorption_length=1e9))
    # the path is up to 100 nm: 1e-7
    assert difference(weak, amplitude(body, 50.0, GENERIC, NONE)) < 1e-6
    weaker = amplitude(body, 50.0, GENERIC, Optics(absorption_length=1e12))
    assert difference(weaker, amplitude(body, 50.0, GENERIC, NONE)) < 1e-9


def test_strong_absorption_leaves_the_entry_surface() -> None:
    # with a << all lengths the forward amplitude is a times the silhouette
    found = amplitude(ICOSAHEDRON, 50.0, GENERIC, Optics(absorption_length=1e-3), EwaldDetector(2, 0.9 * K))[
        -1
    ]
    silhouette = ConvexHull(turned(ICOSAHEDRON, 50.0, GENERIC)[:, :2]).volume
    # the rim, where chords are shorter than a, misses 4e-5
    assert found == pytest.approx(1e-3 * silhouette, rel=1e-3)


def test_absorption_of_the_intensity_is_that_of_the_amplitude_over_twice_the_length() -> None:
    one = amplitude(ICOSAHEDRON, 60.0, GENERIC, Optics(absorption="intensity", absorption_length=10))
    other = amplitude(ICOSAHEDRON, 60.0, GENERIC, Optics(absorption="amplitude", absorption_length=20))
    np.testing.assert_array_equal(one, other)
    shorter = amplitude(ICOSAHEDRON, 60.0, GENERIC, Optics(absorption="amplitude", absorption_length=10))
    assert difference(shorter, one) > 0.1


# Every particle, and awkward ones


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    body=st.sampled_from(BODIES),
    radius=st.floats(5, 500),
    log_length=st.floats(0, 6),
    q=st.tuples(*[st.floats(-1, 1)] * 4).filter(lambda q: math.hypot(*q) > 1e-3),
)
def test_back_ends_agree_for_any_particle(
    body: ConvexPolyhedron, radius: float, log_length: float, q: tuple[float, ...]
) -> None:
    optics = Optics(absorption_length=10**log_length)
    orientation = as_quaternions(q)
    reference = amplitude(body, radius, orientation, optics, kernel="numpy")
    double = amplitude(body, radius, orientation, optics, kernel="double")
    single = amplitude(body, radius, orientation, optics, kernel="single")
    assert np.isfinite(reference).all()
    assert np.isfinite(single).all()
    assert difference(double, reference) < 1e-10
    assert difference(single, reference) < 1e-5


SYMMETRY_AXES = [(1.0, 0, 0), (0, 1.0, 0), (1.0, 1, 0), (0.3, -0.8, 0)]


@each_body
@pytest.mark.parametrize("upright", [(1, 0, 0, 0), (1, 1, 0, 0), (1, 0, 1, 0)], ids=["still", "x", "y"])
@pytest.mark.parametrize("axis", SYMMETRY_AXES[1:3])
def test_tiny_tilts_change_the_amplitude_by_as_little(
    body: ConvexPolyhedron, upright: tuple[float, ...], axis: tuple[float, ...]
) -> None:
    # faces and edges stand along the beam, or entry and exit edges lie on each other
    orientation = as_quaternions(upright)
    straight = amplitude(body, 60.0, orientation, Optics())
    assert np.isfinite(straight).all()
    for tilt in (1e-12, 1e-9, 1e-8, 9e-8, 1.2e-7, 1e-6, 1e-4):
        tilted = amplitude(body, 60.0, multiply(from_axis_angle(axis, tilt), orientation), Optics())
        # at most q R = 28 per radian; measured 5e-11 where the tilt is smallest
        assert difference(tilted, straight) < 30 * tilt + 1e-9


@each_body
@pytest.mark.parametrize("axis", SYMMETRY_AXES[2:])
def test_tiny_tilts_keep_the_volume(body: ConvexPolyhedron, axis: tuple[float, ...]) -> None:
    for tilt in (1e-12, 9e-8, 1.2e-7, 1e-5):
        forward = amplitude(body, 60.0, from_axis_angle(axis, tilt), NONE, EwaldDetector(2, 0.9 * K))[-1]
        # faces within 1e-7 of the beam's direction are left out; measured 1.6e-7
        assert forward == pytest.approx(body.volume * 60**3, rel=3e-7)


@pytest.mark.parametrize("face", range(20))
def test_a_face_across_the_beam_is_as_good_as_any(face: int) -> None:
    # entry and exit faces are parallel: on those cells the path is constant
    normal = ICOSAHEDRON.normals[face]
    rotation = Rotation.align_vectors([[0.0, 0, -1]], [normal])[0]
    q = as_quaternions(np.roll(rotation.as_quat(), 1))
    vectors = EwaldDetector(pixels=6, q_step=K / 3.1).scattering_vectors(K)
    found = amplitude(ICOSAHEDRON, 40.0, q, NONE, EwaldDetector(pixels=6, q_step=K / 3.1))
    assert difference(found, by_tetrahedra(turned(ICOSAHEDRON, 40.0, q), vectors)) < 1e-11


def test_a_batch_gives_the_same_as_its_particles_one_by_one() -> None:
    radii = np.array([10.0, 160, 55, 30])
    q = as_quaternions(np.random.default_rng(0).standard_normal((4, 4)))
    sums = with_numba.face_sums_single, with_numba.face_sums_double
    together = exact.amplitudes(ICOSAHEDRON, radii, q, Optics(), SMALL.scattering_vectors(K), *sums)
    for one, radius, orientation in zip(together, radii, q, strict=True):
        np.testing.assert_array_equal(
            one, amplitude(ICOSAHEDRON, radius, orientation, Optics(), kernel="single")
        )


GLASS = Optics(absorption="refractive", delta=0.9, beta=0.0)


@pytest.mark.parametrize(
    ("optics", "stretch", "promised"),
    [
        (Optics(), 1.0, 3e-6),
        (NONE, 1.0, 3e-6),
        (Optics(absorption="refractive", beta=0.0), 1.0, 5e-6),
        (GLASS, 1.0, 1e-5),
        (GLASS, 10.0, 3e-5),
        (GLASS, 100.0, 5e-4),
    ],
    ids=["amplitude", "none", "transparent", "strong", "needle", "long needle"],
)
def test_single_precision_is_as_good_as_promised(optics: Optics, stretch: float, promised: float) -> None:
    q = as_quaternions(np.random.default_rng(1).standard_normal((8, 4)))
    particles = Particles(np.linspace(30, 160, 8), q, stretch=np.full(8, stretch))
    single = Simulation(optics, precision="single").amplitude(particles)
    double = Simulation(optics, precision="double").amplitude(particles)
    assert single.dtype == np.complex64
    assert double.dtype == np.complex128
    norm = np.linalg.norm(double, axis=(1, 2))
    # what pattern.Simulation says; measured 1.4e-6, 4e-7, 2.6e-6, 7e-6, 1.7e-5 and 2.9e-4
    assert (np.linalg.norm(single - double, axis=(1, 2)) / norm).max() < promised


def test_a_sphere_has_no_exact_solution_here() -> None:
    with pytest.raises(ParameterError, match="chebyshev") as caught:
        exact.require_polyhedron(Sphere())
    assert caught.value.field == "solver"


PHI = (1 + math.sqrt(5)) / 2
PHI_SQRT5 = PHI * math.sqrt(5)
"""The circumsphere of an icosahedron has (2 R / edge)^2 = phi sqrt 5."""


def rotations_of_the_vertices() -> Rotation:
    """The rotations that map the icosahedron onto itself, by trying where an edge may go."""
    vertices = ICOSAHEDRON.vertices
    near = vertices @ vertices.T > 0.4
    np.fill_diagonal(near, False)
    first = 0
    second = int(np.flatnonzero(near[0])[0])

    def frame(a: int, b: int) -> FloatArray:
        return np.stack([vertices[a], vertices[b], np.cross(vertices[a], vertices[b])], axis=1)

    matrices = [
        frame(a, b) @ np.linalg.inv(frame(first, second))
        for a in range(12)
        for b in map(int, np.flatnonzero(near[a]))
    ]
    assert len(matrices) == 60
    return Rotation.from_matrix(np.array(matrices))


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_computes_the_same(tmp_path: Path) -> None:
    code = (
        "from msft.particle import ParticleDistribution; from msft.pattern import Simulation;"
        "from msft.detector import EwaldDetector; import hashlib; detector = EwaldDetector(32);"
        "particles = ParticleDistribution().draw(0, range(4)); print([hashlib.sha256("
        "Simulation(detector=detector, precision=p).intensity(particles).tobytes()).hexdigest()"
        " for p in ('single', 'double')])"
    )
    compiled, printed = [], []
    for _ in range(2):
        finished = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
        )
        printed.append(finished.stdout)
        compiled.append({path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.nb?")})
    assert compiled[0]
    assert compiled[1] == compiled[0]
    assert printed[1] == printed[0]
