"""Errors against hand-made answers."""

from __future__ import annotations

import numpy as np
import pytest

from invert.metrics import best_constant_guess, errors, summarise
from msft.particle import ParticleDistribution, Particles
from msft.rotation import from_axis_angle, multiply
from msft.symmetry import component_ranges, icosahedral_group

RANGE = (30.0, 160.0)


def test_a_perfect_answer_has_no_error() -> None:
    truth = ParticleDistribution().draw(0, range(50))
    result = errors(truth, truth, RANGE)
    assert result.relative.max() == 0
    assert result.orientation.max() < 1e-10
    assert result.radius.max() == 0


def test_an_equivalent_orientation_is_no_error() -> None:
    truth = ParticleDistribution().draw(0, range(60))
    turned = Particles(truth.radius, multiply(truth.orientation, icosahedral_group()))
    result = errors(turned, truth, RANGE)
    assert result.orientation.max() < 1e-6
    assert result.relative.max() < 1e-9


def test_angles_and_relative_errors_are_those_put_in() -> None:
    truth = Particles([100.0], [[1.0, 0, 0, 0]])
    estimate = Particles([113.0], from_axis_angle([[0, 0, 1]], np.radians([3.0])))
    result = errors(estimate, truth, RANGE)
    assert result.orientation == pytest.approx([3.0])
    assert result.radius == pytest.approx([13.0])
    low, high = component_ranges()
    expected = np.array([1 - np.cos(np.radians(1.5)), 0, 0, np.sin(np.radians(1.5))]) / (high - low)
    assert result.relative == pytest.approx(np.append(expected, 0.1)[None])
    assert result.mean == pytest.approx(result.relative.mean(axis=1))
    assert result.maximum == pytest.approx([0.1])


def test_the_best_constant_guess_is_as_bad_as_chance_says() -> None:
    truth = ParticleDistribution().draw(1, range(2000))
    guess = best_constant_guess(truth, RANGE)
    # a random guess has a median distance of 31 degrees, and a uniform radius a median deviation of 130 / 4
    assert guess.orientation_median_degrees == pytest.approx(31, abs=2)
    assert guess.radius_median_nm == pytest.approx(32.5, abs=2)
    worse = Particles(np.full(2000, 60.0), np.tile(truth.orientation[:1], (2000, 1)))
    assert guess.mean_relative_error < summarise(errors(worse, truth, RANGE)).mean_relative_error


def test_across_the_surface_of_the_domain_only_the_papers_error_is_large() -> None:
    # just inside one face of the domain, and the equivalent of just outside of it
    axis = icosahedral_group()[1, 1:] / np.linalg.norm(icosahedral_group()[1, 1:])
    inside, outside = (from_axis_angle(axis, np.radians(36.0 + side)) for side in (-0.5, 0.5))
    truth, estimate = Particles([100.0], inside[None]), Particles([100.0], outside[None])
    result = errors(estimate, truth, RANGE)
    assert result.orientation == pytest.approx([1.0])
    assert result.maximum[0] > 0.5
    low, high = component_ranges()
    assert result.symmetric == pytest.approx(np.append(np.abs(outside - inside) / (high - low), 0.0)[None])
    assert summarise(result).mean_symmetric_error == pytest.approx(result.symmetric.mean())
