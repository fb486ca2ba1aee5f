"""Distributions against SciPy's, and what they refuse."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from msft.distribution import Distribution, LogNormal, LogUniform, Normal, Uniform
from msft.errors import ParameterError
from msft.particle import Aligned, ParticleDistribution
from msft.rotation import conjugate, multiply, rotation_angle

LOW, HIGH = 30.0, 160.0
CASES: list[tuple[Distribution, Any]] = [
    (Uniform(), stats.uniform(LOW, HIGH - LOW)),
    (LogUniform(), stats.loguniform(LOW, HIGH)),
    (Normal(80.0, 20.0), stats.truncnorm(-2.5, 4.0, 80, 20)),
    (Normal(10.0, 5.0), stats.truncnorm(4.0, 30.0, 10, 5)),
    (Normal(180.0, 8.0), stats.truncnorm(-18.75, -2.5, 180, 8)),
]


@pytest.mark.parametrize(("distribution", "reference"), CASES, ids=lambda case: str(case)[:30])
def test_quantiles_are_scipys(distribution: Distribution, reference: Any) -> None:
    shares = np.linspace(0, 1, 23)
    found = [distribution.quantile(share, LOW, HIGH) for share in shares]
    np.testing.assert_allclose(found, reference.ppf(shares), rtol=1e-7)


def test_a_log_normal_is_the_exponential_of_a_normal() -> None:
    share = np.linspace(0, 1, 11)
    found = np.log([LogNormal(60.0, 0.5).quantile(value, LOW, HIGH) for value in share])
    ends = np.log(np.array([LOW, HIGH]) / 60) / 0.5
    np.testing.assert_allclose(found, stats.truncnorm(*ends, math.log(60), 0.5).ppf(share), rtol=1e-9)


@pytest.mark.parametrize(
    ("distribution", "reference"), [case for case in CASES if not isinstance(case[0], Uniform)][:2]
)
def test_drawn_radii_follow_them(distribution: Distribution, reference: Any) -> None:
    radius = ParticleDistribution((LOW, HIGH), radius=distribution).draw(0, range(2000)).radius
    assert stats.kstest(radius, reference.cdf).pvalue > 1e-3


def test_bodies_come_as_often_as_their_weights_say() -> None:
    weights = {"icosahedron": 0.5, "cube": 0.3, "sphere": 0.2}
    particles = ParticleDistribution(body=weights, stretch_range=(0.5, 2.0), stretch=LogUniform()).draw(
        3, range(3000)
    )
    counts = [int((particles.bodies == name).sum()) for name in weights]
    assert stats.chisquare(counts, [1500, 900, 600]).pvalue > 1e-3
    assert stats.kstest(particles.stretch, stats.loguniform(0.5, 2).cdf).pvalue > 1e-3
    # which body it is says nothing of its size, stretch or orientation
    for values in (particles.radius, particles.stretch, particles.orientation[:, 1]):
        groups = [values[particles.bodies == name] for name in weights]
        assert stats.kruskal(*groups).pvalue > 1e-3


def test_choices_leave_radii_and_raw_orientations_as_they_were() -> None:
    plain = ParticleDistribution().draw(5, range(50))
    mixed = ParticleDistribution(body={"icosahedron": 0.5, "cube": 0.5}).draw(5, range(50))
    np.testing.assert_array_equal(mixed.radius, plain.radius)
    same = mixed.bodies == "icosahedron"
    np.testing.assert_array_equal(mixed.orientation[same], plain.orientation[same])


def test_bodies_of_less_symmetry_have_all_orientations() -> None:
    for distribution in (ParticleDistribution(body="cube"), ParticleDistribution(stretch_range=(1.2, 1.2))):
        angle = rotation_angle(distribution.draw(0, range(2000)).orientation)
        # on SO(3) the angle has the density (1 - cos) / pi
        assert stats.kstest(angle, lambda a: (a - np.sin(a)) / np.pi).pvalue > 1e-3


def test_aligned_particles_lie_around_one_orientation() -> None:
    middle = np.array([0.6, 0.0, 0.8, 0.0])
    distribution = ParticleDistribution(body="cube", orientation=Aligned((0.6, 0.0, 0.8, 0.0), 2.0))
    turns = multiply(distribution.draw(0, range(3000)).orientation, conjugate(middle))
    vectors = 2 * turns[:, 1:] / turns[:, :1]
    np.testing.assert_allclose(np.degrees(vectors.std(axis=0)), 2.0, rtol=0.06)
    np.testing.assert_allclose(np.degrees(vectors.mean(axis=0)), 0.0, atol=0.15)
    fixed = ParticleDistribution(body="cube", orientation=Aligned((3.0, 0.0, 4.0, 0.0))).draw(0, range(3))
    np.testing.assert_allclose(fixed.orientation, [middle] * 3, atol=1e-15)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("radius_range", {"radius_range": (30e-9, 160e-9)}),
        ("stretch_range", {"stretch_range": (0.0, 1.0)}),
        ("stretch_range", {"stretch_range": (2.0, 1.0)}),
        ("body", {"body": {"icosahedron": 0.5, "cube": 0.4}}),
        ("body", {"body": {"icosahedron": 0.7, "cube": 0.4}}),
        ("body", {"body": {}}),
        ("body.cube", {"body": {"icosahedron": 1.5, "cube": -0.5}}),
        ("body.cube", {"body": {"icosahedron": 1.0, "cube": math.nan}}),
        ("body", {"body": {"icosahedran": 1.0}}),
        ("radius", {"radius": Normal(1000.0, 10.0)}),
        ("radius", {"radius": LogNormal(50e-9, 0.1)}),
        ("stretch", {"stretch_range": (0.9, 1.1), "stretch": Normal(5.0, 0.1)}),
    ],
)
def test_impossible_distributions_are_refused(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(ParameterError) as caught:
        ParticleDistribution(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "make",
    [
        lambda: Normal(1, 0),
        lambda: Normal(math.nan, 1),
        lambda: LogNormal(0, 1),
        lambda: LogNormal(1, -1),
        lambda: Aligned(spread=-1),
        lambda: Aligned(spread=math.nan),
        lambda: Aligned((0, 0, 0, 0)),
    ],
)
def test_impossible_parts_are_refused(make: Any) -> None:
    with pytest.raises(ParameterError):
        make()
