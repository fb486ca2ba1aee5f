"""The index of liquid helium, and photon energies drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from msft.errors import ParameterError
from msft.helium.index import LINES, THRESHOLD, refractive_index, strength
from msft.helium.light import HeliumLight
from msft.optics import Optics
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.shots import Recipe
from msft.units import ELECTRONVOLT, photon_energy

REFRACTIVE = Optics(absorption="refractive")


def test_two_electrons_absorb_as_two() -> None:
    # Thomas-Reiche-Kuhn: the strengths of lines and continuum sum to 2
    continuum = quad(lambda energy: float(strength(np.array(energy))), THRESHOLD, math.inf, limit=300)[0]
    assert continuum + sum(f for _, _, f in LINES) == pytest.approx(2.0, rel=0.01)


def test_visible_light_sees_the_index_of_liquid_helium() -> None:
    # polarisability of the atom, 1.383 a_0^3, in the formula of Lorentz and Lorenz: 1.028
    response = 4 * math.pi * 21.8e27 * 1.383 * (0.529177e-10) ** 3 / 3
    expected = math.sqrt((1 + 2 * response) / (1 - response))
    delta, beta = refractive_index(2.27)
    assert 1 - delta == pytest.approx(expected, abs=1.5e-3)
    assert beta < 1e-3


@pytest.mark.parametrize(("energy", "megabarn"), [(26.0, 6.8), (30.0, 5.4), (35.0, 4.2), (40.0, 3.2)])
def test_beyond_the_threshold_the_atoms_absorb(energy: float, megabarn: float) -> None:
    # beta = sigma N lambda / 4 pi, with measured cross sections of the atom
    _, beta = refractive_index(energy)
    wavelength = 1239.84198 / energy
    assert beta == pytest.approx(megabarn * 1e-4 * 21.8 * wavelength / (4 * math.pi), rel=0.1)


def test_the_band_at_21_6_ev_turns_the_sign_of_delta() -> None:
    below, at, above = (refractive_index(energy) for energy in (20.5, 21.6, 22.0))
    assert below[0] < -0.05
    assert above[0] > 0.05
    assert at[1] > 10 * below[1] > 0


def test_real_and_imaginary_part_belong_together() -> None:
    # Kramers and Kronig: epsilon is analytic above the real axis, n(E) - 1 the transform of beta
    energies = np.linspace(1.0, 60.0, 1181)
    beta = np.array([refractive_index(float(energy))[1] for energy in energies])
    at = 20.025
    inside = 2 / math.pi * np.trapezoid(energies * beta / (energies**2 - at**2), energies)
    # beyond 60 eV beta falls as E^-3.4, from its value there
    beyond = 2 / math.pi * beta[-1] * quad(lambda e: (e / 60) ** -3.4 * e / (e * e - at * at), 60, 2000)[0]
    delta, _ = refractive_index(at)
    assert -delta == pytest.approx(inside + beyond, rel=0.05)


def test_energies_outside_are_refused() -> None:
    with pytest.raises(ParameterError, match="1 to 60 eV"):
        refractive_index(0.5)
    for energy_range in ((30.0, 20.0), (0.1, 20.0), (20.0, 100.0)):
        with pytest.raises(ParameterError, match="energy_range"):
            HeliumLight(energy_range)
    with pytest.raises(ParameterError, match="refractive"):
        HeliumLight().extremes(Optics(absorption="none"))


def test_energies_fill_their_range_and_bring_their_index() -> None:
    drawn = HeliumLight().draw(REFRACTIVE, 3, range(400))
    assert set(drawn) == set(HeliumLight().varying)
    energy = np.array([photon_energy(float(value)) for value in drawn["wavelength"]]) / ELECTRONVOLT
    assert stats.kstest(energy, stats.uniform(19, 16).cdf).pvalue > 1e-3
    for row in (0, 7, 399):
        expected = refractive_index(float(energy[row]))
        assert (drawn["delta"][row], drawn["beta"][row]) == pytest.approx(expected, rel=1e-9)
    again = HeliumLight().draw(REFRACTIVE, 3, np.array([399, 7]))
    np.testing.assert_array_equal(again["wavelength"], drawn["wavelength"][[399, 7]])


def test_light_in_a_band_that_cannot_be_simulated_is_refused_before_it_is_drawn() -> None:
    """At both ends of the range, 19 and 35 eV, a grid is small enough; within the 2p band it is not."""
    simulation = Simulation(REFRACTIVE, solver="propagation", propagation_accuracy=0.003)
    particles = ParticleDistribution((100.0, 450.0), "sphere")
    for energy in HeliumLight().energy_range:
        Recipe(0, particles, simulation, HeliumLight((energy, energy))).check()
    with pytest.raises(ParameterError, match="propagation_accuracy"):
        Recipe(0, particles, simulation, HeliumLight()).check()


def test_no_index_within_the_range_is_farther_from_1_than_the_extremes() -> None:
    def farthest(index: tuple[float, float]) -> float:
        return abs(complex(*index))

    for energy_range in ((19.0, 35.0), (21.0, 21.58), (21.65, 24.0), (22.5, 23.5), (23.5, 60.0)):
        extremes = HeliumLight(energy_range).extremes(REFRACTIVE)
        found = max(farthest((optics.delta, optics.beta)) for optics in extremes)
        inside = max(farthest(refractive_index(energy)) for energy in np.linspace(*energy_range, 2001))
        assert found == pytest.approx(inside, rel=0.01)


def test_the_extremes_are_the_ends_of_the_range() -> None:
    low, high = HeliumLight((20.0, 30.0)).extremes(REFRACTIVE)[:2]
    assert (low.wavelength, high.wavelength) == pytest.approx((61.9921, 41.3281), rel=1e-4)
    assert (high.delta, high.beta) == pytest.approx(refractive_index(30.0))
