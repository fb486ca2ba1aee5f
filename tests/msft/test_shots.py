"""Any pattern of any distribution can be made again alone."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import stats

from msft.bodies import HomogeneousBody, named
from msft.dataset import open_patterns, read_recipe
from msft.detector import EwaldDetector
from msft.distribution import Normal
from msft.errors import ParameterError
from msft.generate import generate
from msft.optics import Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.shots import Recipe, recipe_of
from msft.solvers import chebyshev
from msft.uncertainty import Uncertainty

SIMULATION = Simulation(Optics(absorption="refractive"), EwaldDetector(pixels=16, q_step=0.05))
DISTRIBUTION = ParticleDistribution(
    (30.0, 90.0), {"icosahedron": 0.5, "cube": 0.5}, Normal(50.0, 10.0), stretch_range=(0.7, 1.3)
)
UNCERTAINTY = Uncertainty(wavelength=0.3, delta=0.01, beta=0.01)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("shots") / "d.h5"
    generate(path, 12, 3, DISTRIBUTION, SIMULATION, UNCERTAINTY)
    return path


def test_any_pattern_can_be_simulated_again_alone(path: Path) -> None:
    with open_patterns(path) as patterns:
        assert len(set(patterns.particles.bodies.tolist())) == 2
        assert len(np.unique(patterns.shots.optics["wavelength"])) == 12
        for index in (0, 5, 11):
            simulation = patterns.shots.simulation_of(index)
            again = simulation.intensity(patterns.particles[index : index + 1])[0]
            peak = again.max()
            np.testing.assert_allclose(patterns.patterns(index), again, atol=1e-6 * peak)
            # with other optics, or the body unstretched, it is another pattern
            other = patterns.simulation.intensity(patterns.particles[index : index + 1])[0]
            assert np.abs(other - again).max() > 1e-4 * peak


def test_the_numbers_in_the_file_alone_are_enough(path: Path) -> None:
    # with plain h5py, another solver, and nothing of the reader
    with h5py.File(path) as file:
        entry, index = file["entry_1"], 7
        sample = entry["sample_1"]
        body = named(sample["body"].asstr()[index]).stretched(sample["stretch"][index])
        assert isinstance(body, HomogeneousBody)
        optics = Optics(
            entry["optics_1/wavelength"][index] * 1e9,
            "refractive",
            delta=entry["optics_1/delta"][index],
            beta=entry["optics_1/beta"][index],
        )
        assert entry["optics_1/wavelength"].attrs["units"] == "m"
        stored = entry["data_1/data"][index]
        radius, orientation = sample["radius"][index] * 1e9, sample["orientation"][index]
    detector = EwaldDetector(pixels=16, q_step=0.05)
    again = (
        np.abs(chebyshev.amplitudes(body, np.array([radius]), orientation[None], optics, detector, 1e-4)[0])
        ** 2
    )
    np.testing.assert_allclose(stored, again, atol=3e-3 * again.max())


def test_the_file_tells_how_to_draw_any_of_its_shots(path: Path) -> None:
    with open_patterns(path) as patterns, h5py.File(path) as file:
        recipe = read_recipe(file["entry_1/process_1"].attrs)
        assert recipe == Recipe(3, DISTRIBUTION, SIMULATION, UNCERTAINTY)
        shots = recipe.shots(np.array([9]))
        np.testing.assert_allclose(shots.particles.radius[0], patterns.particles.radius[9], rtol=1e-14)
        np.testing.assert_array_equal(shots.particles.orientation[0], patterns.particles.orientation[9])
        for name, column in patterns.shots.optics.items():
            np.testing.assert_allclose(shots.optics[name][0], column[9], rtol=1e-14)


def test_a_mixture_is_its_parts_one_by_one() -> None:
    mixed = Particles(
        [40, 50, 60, 45], np.eye(4), ["cube", "icosahedron", "cube", "icosahedron"], [1, 1.2, 1, 0.8]
    )
    for precision in ("single", "double"):
        simulation = replace(SIMULATION, precision=precision)
        together = simulation.amplitude(mixed)
        assert together.dtype == simulation.amplitude(mixed[:1]).dtype
        for index in range(4):
            alone = simulation.amplitude(mixed[index : index + 1])[0]
            np.testing.assert_allclose(together[index], alone, atol=1e-6 * np.abs(alone).max())


def test_uncertain_optics_are_normal_and_leave_the_particles_alone() -> None:
    plain, uncertain = Recipe(1), Recipe(1, uncertainty=Uncertainty(wavelength=0.1, absorption_length=0.5))
    indices = range(2000)
    shots = uncertain.shots(indices)
    np.testing.assert_array_equal(shots.particles.radius, plain.shots(indices).particles.radius)
    assert set(shots.optics) == {"wavelength", "absorption_length"}
    reference = stats.truncnorm(-3, 3, 13.5, 0.1)
    assert stats.kstest(shots.optics["wavelength"], reference.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(shots.optics["wavelength"], shots.optics["absorption_length"])[0, 1]) < 0.07
    # three sigma away at most, and from other random numbers than the particle
    away = np.abs(shots.optics["wavelength"] - 13.5)
    assert away.max() <= 0.3
    assert abs(stats.spearmanr(away, shots.particles.radius).statistic) < 0.05
    alone = uncertain.shots(np.array([17]))
    assert alone.optics["wavelength"][0] == shots.optics["wavelength"][17]
    assert plain.shots(indices).optics == {}


@pytest.mark.parametrize(
    ("field", "recipe"),
    [
        ("uncertainty.wavelength", lambda: Recipe(uncertainty=Uncertainty(wavelength=5.0))),
        ("uncertainty.absorption_length", lambda: Recipe(uncertainty=Uncertainty(absorption_length=6.0))),
        ("uncertainty.beta", lambda: Recipe(uncertainty=Uncertainty(beta=0.1))),
        ("uncertainty.delta", lambda: Recipe(uncertainty=Uncertainty(delta=-0.1))),
        ("uncertainty.wavelength", lambda: Recipe(uncertainty=Uncertainty(wavelength=float("nan")))),
        ("solver", lambda: Recipe(distribution=ParticleDistribution(body={"cube": 0.5, "sphere": 0.5}))),
    ],
)
def test_what_cannot_be_simulated_is_refused_before_it_is_drawn(field: str, recipe: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        recipe().check()
    assert caught.value.field == field


def test_every_corner_of_uncertain_optics_is_looked_at() -> None:
    found = Uncertainty(wavelength=0.1, delta=0.01, beta=0.02).extremes(Optics(absorption="refractive"))
    assert len({(optics.wavelength, optics.delta, optics.beta) for optics in found}) == 8
    light = Uncertainty(wavelength=0.3, delta=0.02)
    coarse = Simulation(Optics(beta=0.08), solver="propagation", propagation_accuracy=0.003)
    with pytest.raises(ParameterError):  # short waves and a large delta together take too large a grid
        Recipe(0, ParticleDistribution((200.0, 240.0)), coarse, light).check()


def test_a_stretch_asks_for_no_finer_pixels() -> None:
    """The radius is that of the circumsphere, which a stretch leaves as it is."""
    largest = math.pi / (2 * SIMULATION.detector.step_on_axis(SIMULATION.optics.wavenumber))
    for stretch_range in ((1.0, 1.0), (0.5, 2.0)):
        for factor, told in ((0.99, False), (1.01, True)):
            particles = ParticleDistribution((10.0, factor * largest), stretch_range=stretch_range)
            assert (Recipe(0, particles, SIMULATION).undersampled is not None) is told


def test_an_unknown_table_is_told_all_that_there_are() -> None:
    with pytest.raises(ParameterError, match=r"particle: .*particles, uncertainty, optics, detector"):
        recipe_of({"particle": {"body": "cube"}})
