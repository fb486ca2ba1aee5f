"""Bodies without absorption against closed forms, quadrature and BornAgain's polyhedra."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.integrate import quad
from scipy.special import j0, j1

from msft.bodies import Body, Dumbbell, Ellipsoid, named
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


@pytest.mark.parametrize(
    "body", [named("capsule"), named("capsule(4)"), named("dumbbell"), named("dumbbell(2,0)"),
             named("capsule").stretched(0.4), named("dumbbell").stretched(1.5)],
    ids=lambda body: f"{body.name} {body.volume:.2f}",
)  # fmt: skip
def test_bodies_of_revolution_are_the_sum_of_their_discs(body: Dumbbell) -> None:
    q = in_body_frame()[::7]
    across, along = np.hypot(q[:, 0], q[:, 1]), q[:, 2]

    def profile(z: float) -> float:
        """Radius of the disc at height z, in units of the circumsphere radius."""
        lobe = 1 - ((abs(z) - body.half_distance) / body.lobe_height) ** 2
        neck = body.neck_radius if abs(z) < body.half_distance else 0.0
        return max(body.lobe_radius * math.sqrt(max(lobe, 0.0)), neck)

    def disc(z: float, q_across: float, q_along: float) -> float:
        r = RADIUS * profile(z)
        area = math.pi * r * r if q_across * r < 1e-6 else 2 * math.pi * r * j1(q_across * r) / q_across
        return float(area * math.cos(q_along * RADIUS * z) * RADIUS)

    top = body.half_distance + body.lobe_height
    rim = body.half_distance - body.lobe_height * math.sqrt(1 - (body.neck_radius / body.lobe_radius) ** 2)
    breaks = [z for z in (rim, body.half_distance, body.half_distance - body.lobe_height) if 0 < z < top]
    expected = [
        2 * quad(disc, 0, top, args=(float(a), float(b)), points=breaks, limit=200, epsrel=1e-6)[0]
        for a, b in zip(across, along, strict=True)
    ]
    assert relative(simulated(body, "chebyshev")[::7], np.array(expected)) < 1.5e-3


POLYHEDRA: dict[str, Callable[[Any, float], tuple[Any, float]]] = {
    # BornAgain takes edges; its shapes stand on z = 0, of which only the modulus is free
    "cube": lambda ba, r: (ba.Box(*[2 * r / math.sqrt(3)] * 3), 0.0),
    "dodecahedron": lambda ba, r: (ba.Dodecahedron(4 * r / (math.sqrt(3) * (1 + math.sqrt(5)))), 0.0),
    "icosahedron": lambda ba, r: (ba.Icosahedron(r / math.sin(2 * math.pi / 5)), 0.0),
    "octahedron": lambda ba, r: (
        ba.Bipyramid4(r * math.sqrt(2), r, 1.0, math.degrees(math.atan(math.sqrt(2)))), 0.0),
}  # fmt: skip


def aligned(name: str, ours: FloatArray, solid: Any, ba: Any) -> list[NDArray[np.complex128]]:
    """BornAgain's form factor for turns of its frame against ours by which a body may stand elsewhere."""
    turns = {
        "cube": [np.eye(3)],
        "octahedron": [rotation_about(np.array([0, 0, 1.0]), math.pi / 4)],
    }.get(name)
    if turns is None:
        # a face lies below in BornAgain: turn one of our faces down, then try azimuths
        body: Any = named(name)
        down = to_z(-body.normals[0])
        turns = [
            rotation_about(np.array([0, 0, 1.0]), math.radians(azimuth)) @ down
            for azimuth in face_azimuths(body, down)
        ]
    middle = {"cube": 0.5, "octahedron": 0.0}.get(name)
    return [form_factor(ba, solid, ours @ turn.T, middle) for turn in turns]


def rotation_about(axis: FloatArray, angle: float) -> FloatArray:
    half = angle / 2
    return rotation_matrix(np.array([math.cos(half), *(math.sin(half) * axis)]))


def to_z(direction: FloatArray) -> FloatArray:
    """A rotation that takes a direction to +z."""
    w = np.array([1 + direction[2], direction[1], -direction[0], 0.0])
    return rotation_matrix(w / np.linalg.norm(w))


def face_azimuths(body: Any, down: FloatArray) -> list[float]:
    face = body.faces[0][body.faces[0] >= 0]
    corner = down @ body.vertices[face[0]]
    at = math.degrees(math.atan2(corner[1], corner[0]))
    return [step - at for step in range(0, 360, 6)]


def form_factor(ba: Any, solid: Any, q: FloatArray, middle: float | None) -> NDArray[np.complex128]:
    values = np.array([solid.formfactor(ba.C3(*row)) for row in q.astype(complex)])
    return np.abs(values).astype(np.complex128)


@pytest.mark.parametrize("name", sorted(POLYHEDRA))
def test_polyhedra_are_those_of_bornagain(name: str) -> None:
    ba = pytest.importorskip("bornagain")
    solid, _ = POLYHEDRA[name](ba, RADIUS)
    found = np.abs(simulated(named(name), "exact"))
    errors = [relative(found, np.abs(other)) for other in aligned(name, in_body_frame(), solid, ba)]
    assert min(errors) < 1e-6
    if len(errors) > 1:
        assert np.median(errors) > 1e-2


def test_the_form_factor_of_a_disc() -> None:
    # what `disc` rests on: the integral of 2 pi r J0(q r) over a disc
    found = quad(lambda r: 2 * math.pi * r * j0(0.3 * r), 0, 5.0)[0]
    assert found == pytest.approx(2 * math.pi * 5 * j1(1.5) / 0.3)
