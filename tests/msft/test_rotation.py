"""Quaternions against SciPy's rotations."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.transform import Rotation

from msft.errors import ParameterError
from msft.rotation import (
    as_quaternions,
    conjugate,
    from_axis_angle,
    multiply,
    random_rotations,
    rotation_angle,
    rotation_matrix,
)

FloatArray = NDArray[np.float64]


def some(count: int = 200, seed: int = 0) -> FloatArray:
    return as_quaternions(np.random.default_rng(seed).standard_normal((count, 4)))


def scipy_of(q: FloatArray) -> Rotation:
    return Rotation.from_quat(np.roll(q, -1, axis=-1))  # SciPy keeps w last


def test_matrices_are_those_of_scipy() -> None:
    q = some()
    np.testing.assert_allclose(rotation_matrix(q), scipy_of(q).as_matrix(), atol=1e-14)


def test_products_are_those_of_scipy() -> None:
    p, q = some(seed=1), some(seed=2)
    np.testing.assert_allclose(
        rotation_matrix(multiply(p, q)), (scipy_of(p) * scipy_of(q)).as_matrix(), atol=1e-14
    )


def test_products_broadcast() -> None:
    p, q = some(3)[:, None], some(4, seed=1)
    product = multiply(p, q)
    assert product.shape == (3, 4, 4)
    np.testing.assert_array_equal(product[2, 1], multiply(p[2, 0], q[1]))


def test_the_conjugate_undoes_a_rotation() -> None:
    q = some()
    np.testing.assert_allclose(multiply(q, conjugate(q)), np.tile([1.0, 0, 0, 0], (len(q), 1)), atol=1e-15)


def test_a_quarter_turn_about_the_beam_takes_x_to_y() -> None:
    matrix = rotation_matrix(from_axis_angle([0, 0, 5.0], math.pi / 2))
    np.testing.assert_allclose(matrix @ [1, 0, 0], [0, 1, 0], atol=1e-15)
    np.testing.assert_allclose(matrix @ [0, 1, 0], [-1, 0, 0], atol=1e-15)


def test_axis_and_angle_are_the_rotation_vector_of_scipy() -> None:
    generator = np.random.default_rng(3)
    axis, angle = generator.standard_normal((50, 3)), generator.uniform(-7, 7, 50)
    vector = axis / np.linalg.norm(axis, axis=1, keepdims=True) * angle[:, None]
    q = from_axis_angle(axis, angle)
    np.testing.assert_allclose(rotation_matrix(q), Rotation.from_rotvec(vector).as_matrix(), atol=1e-14)
    assert (q[:, 0] >= 0).all()


def test_angles_are_those_of_scipy() -> None:
    q = some()
    np.testing.assert_allclose(rotation_angle(q), scipy_of(q).magnitude(), atol=1e-14)
    np.testing.assert_allclose(rotation_angle(-q), rotation_angle(q), rtol=0, atol=0)


@pytest.mark.parametrize("angle", [0.0, 1e-300, 1e-12, 1e-8, 1e-3, 3.0, math.pi])
def test_angles_keep_their_digits_however_small(angle: float) -> None:
    assert rotation_angle(from_axis_angle([1, -2, 0.5], angle)) == pytest.approx(angle, rel=1e-14)


def test_any_norm_and_sign_become_a_unit_quaternion_of_positive_w() -> None:
    q = as_quaternions([[-2.0, 0, 0, 0], [0, 0, 3, 4], [1e-150, 1e-150, 0, 0]])
    half = math.sqrt(0.5)
    np.testing.assert_allclose(q, np.array([[1, 0, 0, 0], [0, 0, 0.6, 0.8], [half, half, 0, 0]]), atol=1e-15)


@pytest.mark.parametrize(
    "orientation",
    [
        [0.0, 0, 0, 0],
        [np.nan, 0, 0, 1],
        [np.inf, 0, 0, 1],
        [1.0, 0, 0],
        1.0,
        [[1.0, 0, 0, 0], [0, 0, 0, 0]],
    ],
)
def test_what_is_no_rotation_is_refused(orientation: object) -> None:
    with pytest.raises(ParameterError) as caught:
        as_quaternions(orientation)
    assert caught.value.field == "orientation"


def test_objects_of_numpy_quaternion_are_accepted() -> None:
    quaternion = pytest.importorskip("quaternion")
    q = some(6)
    objects = quaternion.as_quat_array(q)
    np.testing.assert_allclose(as_quaternions(objects), q, atol=1e-15)
    np.testing.assert_allclose(as_quaternions(objects.reshape(2, 3)), q.reshape(2, 3, 4), atol=1e-15)
    np.testing.assert_allclose(as_quaternions(objects[::2]), q[::2], atol=1e-15)
    np.testing.assert_allclose(as_quaternions(objects[1]), q[1], atol=1e-15)
    np.testing.assert_allclose(rotation_matrix(q), quaternion.as_rotation_matrix(objects), atol=1e-14)


def test_random_rotations_are_uniform() -> None:
    q = random_rotations(np.random.default_rng(11), 20_000)
    assert (q[:, 0] >= 0).all()
    # the angle of a uniform rotation has the distribution (a - sin a) / pi
    assert stats.kstest(rotation_angle(q), lambda a: (a - np.sin(a)) / math.pi).pvalue > 1e-3
    # each turned axis is uniform on the sphere, so each of its components is uniform
    for component in rotation_matrix(q).reshape(-1, 9).T:
        assert stats.kstest(component, stats.uniform(-1, 2).cdf).pvalue > 1e-4
