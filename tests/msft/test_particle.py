"""Particles and how they are drawn."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from msft.errors import ParameterError
from msft.particle import ParticleDistribution, Particles
from msft.rotation import rotation_angle
from msft.symmetry import to_fundamental_domain


def test_orientations_are_kept_as_unit_quaternions() -> None:
    particles = Particles([10, 20], [[2, 0, 0, 0], [-1, 1, 1, 1]])
    assert len(particles) == 2
    np.testing.assert_allclose(particles.orientation, np.array([[1, 0, 0, 0], [0.5, -0.5, -0.5, -0.5]]))
    assert len(Particles(10, [1, 0, 0, 0])) == 1


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("radius", (0.0, [1, 0, 0, 0])),
        ("radius", (-5.0, [1, 0, 0, 0])),
        ("radius", (math.nan, [1, 0, 0, 0])),
        ("radius", (math.inf, [1, 0, 0, 0])),
        ("radius", ([10.0, 2e4], [[1, 0, 0, 0]] * 2)),
        ("orientation", (10.0, [0, 0, 0, 0])),
        ("orientation", (10.0, [1, 0, 0])),
        ("orientation", ([10.0, 20.0], [1, 0, 0, 0])),
        ("orientation", (10.0, [[1, 0, 0, 0]] * 2)),
        ("body", (10.0, [1, 0, 0, 0], "blob")),
    ],
)
def test_impossible_particles_are_refused_with_the_name_of_the_field(field: str, arguments: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        Particles(*arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "bounds", [(160.0, 30.0), (-10.0, 30.0), (0.0, 30.0), (30.0, math.inf), (math.nan, 30.0)]
)
def test_impossible_radius_ranges_are_refused(bounds: tuple[float, float]) -> None:
    with pytest.raises(ParameterError) as caught:
        ParticleDistribution(bounds)
    assert caught.value.field == "radius_range"


def test_an_unknown_body_is_refused_before_anything_is_drawn() -> None:
    with pytest.raises(ParameterError) as caught:
        ParticleDistribution(body="blob")
    assert caught.value.field == "body"


def test_a_particle_depends_on_seed_and_index_alone() -> None:
    distribution = ParticleDistribution()
    together = distribution.draw(7, range(6))
    for index in range(6):
        alone = distribution.draw(7, np.array([index]))
        assert alone.radius[0] == together.radius[index]
        np.testing.assert_array_equal(alone.orientation[0], together.orientation[index])
    assert len(np.unique(together.radius)) == 6
    # neighbouring seeds share nothing
    other = distribution.draw(8, range(6))
    assert not np.isin(other.radius, together.radius).any()


def test_drawn_particles_follow_the_distribution() -> None:
    particles = ParticleDistribution((30.0, 160.0)).draw(0, range(3000))
    assert stats.kstest(particles.radius, stats.uniform(30, 130).cdf).pvalue > 1e-3
    np.testing.assert_array_equal(to_fundamental_domain(particles.orientation), particles.orientation)
    assert np.degrees(rotation_angle(particles.orientation)).max() <= 44.48
    # a random guess at the identity is 31 degrees off
    assert np.degrees(np.median(rotation_angle(particles.orientation))) == pytest.approx(31, abs=0.7)
    size_and_angle = np.corrcoef(particles.radius, rotation_angle(particles.orientation))[0, 1]
    assert abs(size_and_angle) < 0.06


def test_a_range_of_one_radius_gives_that_radius() -> None:
    np.testing.assert_array_equal(ParticleDistribution((50.0, 50.0)).draw(0, range(3)).radius, 50.0)


def test_one_body_is_told_only_of_particles_that_have_one() -> None:
    quaternions = [[1, 0, 0, 0]] * 2
    assert Particles([10, 20], quaternions, "cube").body == "cube"
    with pytest.raises(ParameterError) as caught:
        _ = Particles([10, 20], quaternions, ["cube", "icosahedron"]).body
    assert caught.value.field == "body"
    with pytest.raises(ParameterError) as caught:
        _ = Particles([10, 20], quaternions, stretch=[1, 1.1]).body
    assert caught.value.field == "stretch"


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("body", {"bodies": ["cube"] * 3}),
        ("body", {"bodies": ["cube", "blob"]}),
        ("stretch", {"stretch": [1, 1, 1]}),
        ("stretch", {"stretch": 0.0}),
        ("stretch", {"stretch": math.nan}),
    ],
)
def test_bodies_and_stretches_are_one_or_one_each(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError) as caught:
        Particles([10, 20], [[1, 0, 0, 0]] * 2, **arguments)
    assert caught.value.field == field
