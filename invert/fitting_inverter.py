"""Forward fitting that inverts frames, from random starts: no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from invert.estimate import FLAGS, Inversion
from invert.fitting.fit import MonteCarloSimplex, attempt, check, fit
from invert.fitting.forward import CENTRE, Beam
from invert.frames import Frames, FrameSource
from invert.inverter import CURVATURE, Inverter
from invert.predict import unreadable
from invert.reading.opening import require_readable
from msft.configuration import to_mapping
from msft.pattern import Simulation
from msft.resumable import body_files

AT_ONCE = 4
"""Frames: each takes seconds, and a kill costs at most so many."""


class FittingInverter(Inverter):
    """Forward fitting from random starts; see `invert.fitting.fit.fit` for the parameters.

    Raises
    ------
    ParameterError
        If the solver cannot simulate a body or the radii, or the beam is free or off the centre and it is not
        the exact one, or the seed is below 0.
    """

    sigma_means = CURVATURE
    not_inverted = FLAGS["unreadable"] | FLAGS["no_signal"]

    def __init__(
        self,
        simulation: Simulation,
        bodies: Sequence[str],
        search: MonteCarloSimplex,
        seed: int = 0,
        beam: Beam = CENTRE,
    ) -> None:
        self.simulation, self.bodies, self.search = simulation, list(dict.fromkeys(bodies)), search
        check(simulation, self.bodies, search, seed, beam)
        self.seed, self.beam = seed, beam

    def at_once(self, read: int) -> int:
        """Frames that it is best given at a time, where so many are best read."""
        return min(read, AT_ONCE)

    @property
    def identity(self) -> dict[str, Any]:
        """What the answers depend on besides the frames, as JSON takes it."""
        return {
            "simulation": to_mapping(self.simulation),
            "bodies": self.bodies,
            "body_files": body_files(self.bodies),
            "search": asdict(self.search),
            "seed": self.seed,
            "beam": self.beam,
        }

    def adjust(self, source: FrameSource) -> None:
        """Frames are fitted on their own pixels; what looks wrong with them is told."""
        source.agree()
        source.doubt(self.simulation.detector, self.simulation.optics.wavelength)

    def refuse(self, source: FrameSource, number: int) -> None:
        """Raise ParameterError, which says why a frame is not fitted, of a file of which none was."""
        frames = source.read(range(number, number + 1))
        require_readable(source.path, frames.readable)
        fit(frames, self.simulation, self.bodies, self.search, self.seed, self.beam)

    def begin(self, frames: Frames) -> None:
        """Have whatever is compiled on this machine compiled, with the shortest search for a frame."""
        attempt(frames, self.simulation, self.bodies, replace(self.search, starts=1, steps=1))

    def __call__(self, frames: Frames, progress: Callable[[int], None] = lambda done: None) -> Inversion:
        """Invert some frames; `progress` is called as `invert.fitting.fit.fit` calls it."""
        inversion, _ = attempt(
            frames, self.simulation, self.bodies, self.search, self.seed, self.beam, progress
        )
        estimates = inversion.estimates
        return replace(inversion, estimates=replace(estimates, flags=estimates.flags | unreadable(frames)))
