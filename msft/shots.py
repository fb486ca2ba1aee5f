"""Single shots: everything that a pattern depends on, drawn and simulated by its number alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.configuration import from_mapping, from_union
from msft.detector import undersampled
from msft.errors import ParameterError
from msft.helium.droplets import Droplets
from msft.helium.light import HeliumLight
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.uncertainty import Uncertainty

Population = ParticleDistribution | Droplets
"""Which particles there are."""

Light = Uncertainty | HeliumLight
"""How the optics differ from pattern to pattern."""


@dataclass(frozen=True, eq=False)
class Shots:
    """N particles and how each is simulated.

    Parameters
    ----------
    particles
        The N particles.
    simulation
        How they are simulated, but for `optics`.
    optics
        Those fields of `msft.optics.Optics` that differ from shot to shot, each (N,).
    """

    particles: Particles
    simulation: Simulation
    optics: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def simulation_of(self, index: int) -> Simulation:
        """How one of them is simulated."""
        if not self.optics:
            return self.simulation
        values: dict[str, Any] = {name: float(column[index]) for name, column in self.optics.items()}
        return replace(self.simulation, optics=replace(self.simulation.optics, **values))

    def intensity(self) -> NDArray[np.float32]:
        """The patterns, float32, shape (N, n, n); see `Simulation.intensity`."""
        if not self.optics:
            return self.simulation.intensity(self.particles)
        pixels = self.simulation.detector.pixels
        patterns = np.empty((len(self.particles), pixels, pixels), dtype=np.float32)
        for index in range(len(self.particles)):
            one = self.particles[index : index + 1]
            patterns[index] = self.simulation_of(index).intensity(one)[0]
        return patterns

    def intensity_on_device(self) -> Any:
        """The patterns where the back end leaves them; see `Simulation.intensity_on_device`.

        Those of optics that differ from shot to shot come to the host.
        """
        return self.intensity() if self.optics else self.simulation.intensity_on_device(self.particles)


@dataclass(frozen=True)
class Recipe:
    """What a dataset is made from: with it, any of its patterns can be made again alone.

    Parameters
    ----------
    seed
        Of every random number.
    distribution
        Which particles.
    simulation
        How they are simulated.
    uncertainty
        How the optics differ from pattern to pattern.
    """

    seed: int = 0
    distribution: Population = field(default_factory=ParticleDistribution)
    simulation: Simulation = field(default_factory=Simulation)
    uncertainty: Light = field(default_factory=Uncertainty)

    def shots(self, indices: NDArray[np.int64] | range) -> Shots:
        """The shots of those numbers."""
        return Shots(
            self.distribution.draw(self.seed, indices),
            self.simulation,
            self.uncertainty.draw(self.simulation.optics, self.seed, indices),
        )

    @property
    def smallest_wavenumber(self) -> float:
        """Of all patterns, in nm^-1."""
        return min(optics.wavenumber for optics in self.uncertainty.extremes(self.simulation.optics))

    @property
    def undersampled(self) -> tuple[float, float] | None:
        """See `msft.detector.undersampled`, of the largest particle in the shortest light."""
        optics = self.uncertainty.extremes(self.simulation.optics)
        largest = float(self.distribution.corners().radius.max())
        return undersampled(self.simulation.detector, max(one.wavenumber for one in optics), largest)

    def check(self) -> None:
        """Refuse, before anything is simulated, what cannot be.

        Raises
        ------
        ParameterError
            If the solver cannot simulate a body or size of the distribution, or the optics that the
            uncertainty reaches.
        """
        corners = self.distribution.corners()
        self.simulation.check(corners)
        own = self.uncertainty.varying if isinstance(self.uncertainty, Uncertainty) else ()
        for name in sorted(set(own) - self.simulation.optics.used):
            allowed = f"0 where absorption is {self.simulation.optics.absorption}, which does not use it"
            raise ParameterError(f"uncertainty.{name}", getattr(self.uncertainty, name), allowed)
        for optics in self.uncertainty.extremes(self.simulation.optics):
            replace(self.simulation, optics=optics).check(corners)


def recipe_of(tables: Mapping[str, Any], seed: int = 0) -> Recipe:
    """What the tables of a configuration file describe; what they leave out is as in `Recipe`.

    Parameters
    ----------
    tables
        The fields of `Simulation`, and ``particles`` and ``uncertainty``.
    seed
        Of every random number.

    Raises
    ------
    ParameterError
        If a field is unknown, or its value cannot be used.
    """
    simulation = dict(tables)
    distribution = from_union(Population, simulation.pop("particles", {}), "particles")
    uncertainty = from_union(Light, simulation.pop("uncertainty", {}), "uncertainty")
    settings = from_mapping(Simulation, simulation, beside=("particles", "uncertainty"))
    return Recipe(seed, distribution, settings, uncertainty)
