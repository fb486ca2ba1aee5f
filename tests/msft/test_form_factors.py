"""Bodies without absorption against closed forms, quadrature, tetrahedra and BornAgain's polyhedra."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.linalg import expm
from scipy.spatial import Delaunay
from scipy.special import j0, j1

from msft.bodies import Body, Dumbbell, Ellipsoid, named
from msft.bodies.archimedean import VERTICES
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.pattern import Simulation
from msft.rotation import as_quaternions, rotation_matrix

FloatArray = NDArray[np.float64]

GENERIC = as_quaternions([0.9, 0.25, -0.1, 0.33])
NONE = Optics(absorption="none")
DETECTOR = EwaldDetector(pixels=32, q_step=0.0285)
RADIUS = 40.0


def in_body_frame() -> FloatArray:
    """Scattering vectors of the lit pixels, shape (P, 3): the transform is of e^{-i Q.r}, Q_z = -q_z."""
    v = DETECTOR.scattering_vectors(NONE.wavenumber)
    return np.stack([v.x, v.y, -v.z], axis=-1) @ rotation_matrix(GENERIC)


def simulated(body: Body, solver: Any) -> NDArray[np.complexfloating]:
    simulation = Simulation(NONE, DETECTOR, solver, precision="double")
    image = simulation.amplitude_of(body, np.array([RADIUS]), GENERIC[None])[0]
    return np.asarray(image.ravel()[DETECTOR.scattering_vectors(NONE.wavenumber).pixel])


def relative(found: Any, expected: Any) -> float:
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


def ball(u: FloatArray) -> FloatArray:
    """Form factor of the unit ball."""
    u = np.maximum(u, 1e-3)
    return np.asarray(4 * math.pi * (np.sin(u) - u * np.cos(u)) / u**3)


@pytest.mark.parametrize("semi_axes", [(1.0, 1.0, 1.0), (1.0, 0.7, 0.4), (0.3, 0.3, 1.0)])
def test_an_ellipsoid_is_a_ball_seen_in_other_units(semi_axes: tuple[float, float, float]) -> None:
    axes = RADIUS * np.array(semi_axes)
    expected = np.prod(axes) * ball(np.linalg.norm(in_body_frame() * axes, axis=1))
    assert relative(simulated(Ellipsoid(semi_axes), "chebyshev"), expected) < 1e-3


def by_discs(body: Dumbbell, radius: float, q: FloatArray) -> FloatArray:
    """Form factor of a dumbbell without absorption at Q (P, 3) of its own frame: the sum of its discs."""
    across, along = np.hypot(q[:, 0], q[:, 1])[:, None], q[:, 2:]
    top = body.half_distance + body.lobe_height
    rim = body.half_distance - body.lobe_height * math.sqrt(1 - (body.neck_radius / body.lobe_radius) ** 2)
    breaks = [0.0, rim, body.half_distance, body.half_distance - body.lobe_height, top]
    nodes, weights = np.polynomial.legendre.leggauss(200)
    total = np.zeros(len(q))
    for low, high in itertools.pairwise(sorted(z for z in breaks if 0 <= z <= top)):
        # the sine takes the root away with which a disc's radius ends
        z = low + (high - low) / 2 * (1 + np.sin(np.pi / 2 * nodes))
        weight = (high - low) / 2 * np.pi / 2 * np.cos(np.pi / 2 * nodes) * weights
        lobe = 1 - ((z - body.half_distance) / body.lobe_height) ** 2
        neck = np.where(z < body.half_distance, body.neck_radius, 0.0)
        r = radius * np.maximum(body.lobe_radius * np.sqrt(np.maximum(lobe, 0)), neck)
        u = np.maximum(across * r, 1e-9)
        disc = 2 * math.pi * r**2 * j1(u) / u
        total += 2 * radius * (disc * np.cos(along * radius * z)) @ weight
    return total


@pytest.mark.parametrize(
    "body", [named("capsule"), named("capsule(4)"), named("dumbbell"), named("dumbbell(2,0)"),
             named("capsule").stretched(0.4), named("dumbbell").stretched(1.5)],
    ids=lambda body: f"{body.name} {body.volume:.2f}",
)  # fmt: skip
@pytest.mark.parametrize("radius", [40.0, 155.0])
def test_bodies_of_revolution_are_the_sum_of_their_discs(body: Dumbbell, radius: float) -> None:
    # in any orientation, about the beam's, and where the neck's side is steep
    turns = [[0.9, 0.25, -0.1, 0.33], [1, 0, 0, 0], [0.7, 0.1, 0.7, -0.05], [0.9991, 0.0425, 0.0046, 0],
             [0.9936, 0.1132, 0, 0]]  # fmt: skip
    v = DETECTOR.scattering_vectors(NONE.wavenumber)
    for turn in as_quaternions(turns):
        q = np.stack([v.x, v.y, -v.z], axis=-1) @ rotation_matrix(turn)
        image = Simulation(NONE, DETECTOR, "chebyshev").amplitude_of(body, np.array([radius]), turn[None])
        assert relative(image[0].ravel()[v.pixel], by_discs(body, radius, q)) < 1e-3


@pytest.mark.parametrize("name", ["dumbbell(1.5,0.3)", "capsule"])
def test_forward_the_path_through_all_chords_absorbs(name: str) -> None:
    # along the beam the integral over depth is (1 - e^{-s L}) / s with L the whole path of a column
    optics, body = Optics(), named(name)
    tilt = as_quaternions([math.cos(0.3), math.sin(0.3), 0, 0])
    assert isinstance(body, Dumbbell)
    axis = RADIUS * (np.arange(1200) - 599.5) / 600
    z_in, z_out = body.chords(axis[None], axis[:, None], rotation_matrix(tilt), RADIUS)
    chords = np.maximum(z_out - z_in, 0)
    assert name == "capsule" or ((chords > 0).sum(axis=0) > 1).any()
    s = optics.attenuation.real
    expected = (-np.expm1(-s * chords.sum(axis=0)) / s).sum() * (axis[1] - axis[0]) ** 2
    simulation = Simulation(optics, EwaldDetector(8, 0.05), "chebyshev")
    found = simulation.amplitude_of(body, np.array([RADIUS]), tilt[None])[0, 4, 4]
    assert found == pytest.approx(expected, rel=1e-3)


def turn_about_z(degrees: float) -> FloatArray:
    half = math.radians(degrees) / 2
    return rotation_matrix(np.array([math.cos(half), 0, 0, math.sin(half)]))


def face_down(body: Any) -> FloatArray:
    """A turn after which a face of the body lies below, one of its corners towards +x."""
    down = -body.normals[0]
    w = np.array([1 + down[2], down[1], -down[0], 0.0])
    tilt = rotation_matrix(w / np.linalg.norm(w))
    x, y, _ = tilt @ body.vertices[body.faces[0, 0]]
    return np.asarray(turn_about_z(-math.degrees(math.atan2(y, x))) @ tilt)


@pytest.mark.parametrize("name", ["cube", "truncated cube", "octahedron", "dodecahedron"])
def test_polyhedra_are_those_of_bornagain(name: str) -> None:
    # the icosahedron, with its phase: tests/msft/test_exact.py
    bornagain = pytest.importorskip("bornagain")
    body: Any = named(name)
    edge = RADIUS * min(
        np.linalg.norm(body.vertices[0] - other) for other in body.vertices[1:]
    )  # of regular bodies the shortest distance
    solids: dict[str, Callable[[], tuple[Any, FloatArray]]] = {
        "cube": lambda: (bornagain.Box(edge, edge, edge), np.eye(3)),
        "truncated cube": lambda: (
            bornagain.TruncatedCube(edge * (1 + math.sqrt(2)), edge / math.sqrt(2)), np.eye(3)),
        "octahedron": lambda: (bornagain.PlatonicOctahedron(edge), turn_about_z(45)),
        "dodecahedron": lambda: (bornagain.Dodecahedron(edge), face_down(body)),
    }  # fmt: skip
    solid, turn = solids[name]()
    q = in_body_frame() @ turn.T
    expected = [abs(solid.formfactorAtBottom(bornagain.C3(*map(complex, row)))) for row in q]
    found = np.abs(simulated(body, "exact"))
    # measured 1e-13; BornAgain's place and sign of q are free, for bodies that look the same from behind
    assert relative(found, expected) < 1e-10
    assert relative(np.abs(simulated(body, "chebyshev")), expected) < 1e-3
    elsewhere = in_body_frame() @ turn_about_z(10).T @ turn.T
    wrong = [abs(solid.formfactorAtBottom(bornagain.C3(*map(complex, row)))) for row in elsewhere]
    assert relative(found, wrong) > 0.05


@pytest.mark.parametrize("name", sorted(VERTICES))
def test_every_named_polyhedron_is_the_sum_of_its_tetrahedra(name: str) -> None:
    body: Any = named(name)
    corners = RADIUS * body.vertices[Delaunay(body.vertices).simplices]
    volume = np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1])) / 6
    assert volume.sum() == pytest.approx(RADIUS**3 * body.volume)
    # over a tetrahedron e^f with f linear is 6 V times the divided difference of exp at its corners, which is
    # a corner of the exponential of a matrix (Opitz)
    exponents = -1j * np.einsum("pd,tcd->ptc", in_body_frame()[::37], corners)
    matrices = np.eye(4, k=1) + exponents[..., None] * np.eye(4)
    expected = (6 * volume * expm(matrices)[..., 0, 3]).sum(axis=1)
    assert relative(simulated(body, "exact")[::37], expected) < 1e-9


def test_the_form_factor_of_a_disc() -> None:
    # what `disc` rests on: the integral of 2 pi r J0(q r) over a disc
    found = quad(lambda r: 2 * math.pi * r * j0(0.3 * r), 0, 5.0)[0]
    assert found == pytest.approx(2 * math.pi * 5 * j1(1.5) / 0.3)
