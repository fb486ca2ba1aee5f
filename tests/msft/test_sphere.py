"""The sphere's chords."""

from __future__ import annotations

import math

import numpy as np
import pytest

from msft.bodies import Sphere


def test_chords_follow_pythagoras() -> None:
    x = np.array([0.0, 3.0, 4.0, 5.0, 6.0])
    z_in, z_out = Sphere().columns(x, np.zeros(5), np.eye(3), 5.0)
    np.testing.assert_allclose(z_out, [5, 4, 3, 0, 0])
    np.testing.assert_allclose(z_in, -z_out)


def test_chords_sum_to_the_volume() -> None:
    axis = np.linspace(-5, 5, 401)
    z_in, z_out = Sphere().columns(axis[None], axis[:, None], np.eye(3), 5.0)
    assert (z_out - z_in).sum() * (axis[1] - axis[0]) ** 2 == pytest.approx(4 / 3 * math.pi * 125, rel=1e-4)
    assert Sphere().volume == pytest.approx(4 / 3 * math.pi)


def test_points_inside() -> None:
    points = np.array([[0, 0, 0], [3, 3, 2.6], [3, 3, 2.7], [5.1, 0, 0]])
    np.testing.assert_array_equal(Sphere().contains(points, np.eye(3), 5.0), [True, True, False, False])
