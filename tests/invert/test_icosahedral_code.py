"""The 13-dimensional code: smooth, one-to-one, and blind to the 60 equivalents."""

from __future__ import annotations

import numpy as np
import pytest

from invert import icosahedral_code
from msft.rotation import from_axis_angle, from_rotation_vector, multiply
from msft.symmetry import icosahedral_group, misorientation, random_orientations, to_fundamental_domain


def on_the_surface(count: int) -> np.ndarray:
    """Orientations half a fivefold turn away from the identity, and on the domain's corners."""
    faces = from_axis_angle([[0, 1, (1 + 5**0.5) / 2]] * count, np.full(count, np.pi / 5))
    generator = np.random.default_rng(5)
    jitter = from_axis_angle(generator.standard_normal((count, 3)), np.full(count, 1e-6))
    return multiply(jitter, faces)


@pytest.mark.parametrize("where", ["inside", "surface"])
def test_decoding_inverts_encoding(where: str) -> None:
    orientation = (
        random_orientations(np.random.default_rng(1), 500) if where == "inside" else on_the_surface(50)
    )
    decoded = icosahedral_code.decode(icosahedral_code.encode(orientation))
    assert np.degrees(misorientation(decoded, orientation)).max() < 1e-6


def test_code_is_the_same_for_all_60_equivalents() -> None:
    orientation = random_orientations(np.random.default_rng(2), 20)
    code = icosahedral_code.encode(orientation)
    for element in icosahedral_group():
        assert np.allclose(icosahedral_code.encode(multiply(orientation, element)), code, atol=1e-12)


def test_code_does_not_jump_where_the_quaternion_does() -> None:
    axis = [0, 1, (1 + 5**0.5) / 2]
    before = from_axis_angle([axis], np.array([np.pi / 5 - 1e-4]))
    after = from_axis_angle([axis], np.array([np.pi / 5 + 1e-4]))
    jump = np.linalg.norm(to_fundamental_domain(before) - to_fundamental_domain(after))
    assert jump > 0.5
    assert np.linalg.norm(icosahedral_code.encode(before) - icosahedral_code.encode(after)) < 2e-3


def test_inner_product_falls_with_the_angle_as_the_degree_6_character_says() -> None:
    # measured by an independent calculation when the code was chosen
    generator = np.random.default_rng(3)
    orientation = random_orientations(generator, 4000)
    for angle, expected in ((0, 1.0), (5, 0.95), (15, 0.58), (25, 0.1)):
        turned = multiply(
            from_axis_angle(generator.standard_normal((4000, 3)), np.full(4000, np.radians(angle))),
            orientation,
        )
        product = (icosahedral_code.encode(orientation) * icosahedral_code.encode(turned)).sum(axis=1)
        assert product.mean() == pytest.approx(expected, abs=0.015)


def test_decoding_survives_noise_and_any_length() -> None:
    generator = np.random.default_rng(4)
    orientation = random_orientations(generator, 300)
    code = icosahedral_code.encode(orientation) + 0.02 * generator.standard_normal((300, 13))
    near, scaled = icosahedral_code.decode(code), icosahedral_code.decode(0.1 * code)
    assert np.degrees(misorientation(near, orientation)).max() < 3
    assert np.allclose(near, scaled)
    assert np.isfinite(icosahedral_code.decode(np.zeros((1, 13)))).all()


def test_no_two_far_orientations_share_a_code() -> None:
    orientation = random_orientations(np.random.default_rng(6), 1500)
    code = icosahedral_code.encode(orientation)
    close = code @ code.T > 0.9
    first, second = np.nonzero(np.triu(close, 1))
    assert np.degrees(misorientation(orientation[first], orientation[second])).max() < 9


def test_codes_turn_with_bodies() -> None:
    generator = np.random.default_rng(4)
    turn, orientations = random_orientations(generator, 1)[0], random_orientations(generator, 50)
    matrix = icosahedral_code.turning(turn)
    assert np.allclose(matrix @ matrix.T, np.eye(13), atol=1e-9)
    expected = icosahedral_code.encode(multiply(turn, orientations))
    assert np.allclose(icosahedral_code.encode(orientations) @ matrix, expected, atol=1e-9)


def test_codes_of_near_orientations_are_as_far_apart_as_the_slope_says() -> None:
    generator = np.random.default_rng(5)
    orientations = random_orientations(generator, 50)
    steps = 1e-3 * generator.standard_normal((50, 3))
    moved = icosahedral_code.encode(multiply(from_rotation_vector(steps), orientations))
    distance = np.linalg.norm(moved - icosahedral_code.encode(orientations), axis=1)
    assert np.allclose(distance, icosahedral_code.slope() * np.linalg.norm(steps, axis=1), rtol=1e-3)


@pytest.mark.parametrize("lengths", [[0.0], [1e-7], [0.17], [0.0, 1e-7, 1e-3, 0.17]])
def test_turned_codes_are_those_of_turned_bodies(lengths: list[float]) -> None:
    generator = np.random.default_rng(7)
    orientations = random_orientations(generator, 40)
    steps = generator.standard_normal((40, 3))
    steps *= np.resize(lengths, (40, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
    expected = icosahedral_code.encode(multiply(from_rotation_vector(steps), orientations))
    turned = icosahedral_code._turned(icosahedral_code.encode(orientations), steps)
    assert np.allclose(turned, expected, rtol=0, atol=1e-9)


def test_decoded_codes_are_nearest() -> None:
    generator = np.random.default_rng(8)
    code = icosahedral_code.encode(random_orientations(generator, 100))
    code += 0.05 * generator.standard_normal(code.shape)
    decoded = icosahedral_code.decode(code)
    best = (icosahedral_code.encode(decoded) * code).sum(axis=1)
    for length in (1e-3, 1e-4):
        steps = length * np.concatenate([np.eye(3), -np.eye(3)])
        for step in steps:
            beside = icosahedral_code.encode(multiply(from_rotation_vector(step), decoded))
            assert ((beside * code).sum(axis=1) < best).all()
