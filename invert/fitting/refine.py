"""A network's estimates polished by forward fitting: a good start instead of many random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES, log_scale
from invert.centre import find_beam
from invert.estimate import Estimates, Inversion
from invert.fitting.fit import BEAM_REACH, FLOORS
from invert.fitting.fitted import APART_NM, PICTURE, Fitted, conclude, gather
from invert.fitting.forward import CENTRE, Beam, Candidate, ForwardModel, check_beam
from invert.fitting.polish import PATTERNS_OF_SLOPES, Polished, polish, turned
from invert.fitting.response import settle
from invert.frames import Frames
from msft.errors import ParameterError
from msft.particle import Particles
from msft.pattern import Simulation
from msft.seeding import check_seed, generator_of

FloatArray = NDArray[np.float64]

SETTLING = 60
"""Patterns that are kept for the detector's response."""


@dataclass(frozen=True)
class Refinement:
    """How an estimate is polished.

    Parameters
    ----------
    radius_range
        Smallest and largest radius in nm.
    patterns
        Patterns that may be simulated for a frame.
    starts
        The estimate itself, and so many less one drawn around it with its uncertainty: they find a better
        answer where the estimate leads into a side minimum, and near-ties. Those that no patterns are left
        for are not tried.
    free_beam
        Whether the beam is looked for on the detector and moved; only the exact solver can.
    shift
        Largest shift of the beam in each direction, in pixels.
    radii
        So many radii across the range are tried with the estimate's orientation, where `patterns` allows four
        times as many; the best one is the first start, if it is another answer. A measured pattern has side
        minima a ring apart, and a network that has seen none may begin in a wrong one. 0 tries none.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    radius_range: tuple[float, float] = (30.0, 160.0)
    patterns: int = 200
    starts: int = 3
    free_beam: bool = True
    shift: int = 12
    radii: int = 0

    def __post_init__(self) -> None:
        for field, least, most in (
            ("patterns", 20, 100_000),
            ("starts", 1, 1000),
            ("shift", 0, 1000),
            ("radii", 0, 1000),
        ):
            if not least <= getattr(self, field) <= most:
                raise ParameterError(field, getattr(self, field), f"{least} to {most}")

    def check(self, simulation: Simulation, seed: int) -> None:
        """Raise ParameterError if the beam is free with another solver than the exact one, or by the seed."""
        check_seed(seed)
        check_beam(simulation, CENTRE, BEAM_REACH if self.free_beam else 0.0)


def refine(
    estimates: Estimates,
    frames: Frames,
    simulation: Simulation,
    refinement: Refinement,
    seed: int = 0,
    progress: Callable[[int], None] = lambda done: None,
) -> Inversion:
    """Polish the estimates of N frames.

    Parameters
    ----------
    estimates
        Where to start, with uncertainties.
    frames
        The N frames that they belong to.
    simulation
        What the frames are compared with.
    refinement
        How.
    seed
        Of the further starts; those of a frame depend on (seed, number of the frame) alone.
    progress
        Called with 1 after each frame.

    Returns
    -------
    The new estimates; their `patterns_used` counts those of the old ones too. A frame that shows nothing is
    flagged.

    Raises
    ------
    ParameterError
        If the beam is free with another solver than the exact one, or the seed is below 0.
    """
    refinement.check(simulation, seed)
    grey = frames.grey(FLOOR_DECADES).numpy()
    fits: list[Fitted | None] = []
    for row, number in enumerate(frames.numbers):
        try:
            model = ForwardModel(grey[row], frames.valid[row], simulation, estimates.particles.body)
            fits.append(_refine_frame(model, estimates, row, refinement, generator_of(seed, int(number))))
        except ParameterError:
            fits.append(None)
        progress(1)
    return gather(fits, grey, frames.numbers, estimates.particles.body, refinement.radius_range)


def _refine_frame(
    model: ForwardModel,
    estimates: Estimates,
    row: int,
    refinement: Refinement,
    generator: np.random.Generator,
) -> Fitted:
    particle = estimates.particles[row : row + 1]
    used = int(estimates.patterns_used[row])
    radius, orientation = _around(estimates, row, refinement, generator)
    if refinement.starts > 1 and 0 < 4 * refinement.radii <= refinement.patterns:
        other = _best_radius(model, orientation[0], refinement)
        if abs(other - radius[0]) > APART_NM:
            radius[:2], orientation[1] = (other, radius[0]), orientation[0]
            particle = Particles(other, orientation[0], estimates.particles.body)
    if refinement.free_beam:
        beam = locate_beam(model, particle, refinement.shift)
        model, used = model.around(beam, BEAM_REACH), used + 1 + model.patterns
    floor = float(model.misfit(radius[:1], orientation[:1], FLOORS)[1][0])
    answers: list[Polished] = []
    last = refinement.patterns - used - PICTURE
    settling = SETTLING if last > 2 * SETTLING else 0
    for index in range(refinement.starts):
        left = last - settling - model.patterns
        share = (
            left if index == refinement.starts - 1 else max(left // 2, left // (refinement.starts - index))
        )
        if answers and share < 1 + PATTERNS_OF_SLOPES[refinement.free_beam]:
            break
        start = Candidate(float(radius[index]), orientation[index], floor, model.beam)
        answers.append(polish(model, start, refinement.radius_range, share))
    answers = settle(model, answers, refinement.radius_range, last - model.patterns)
    return conclude(model, answers, used + model.patterns)


def _best_radius(model: ForwardModel, orientation: FloatArray, refinement: Refinement) -> float:
    """Of radii across the range, the one whose pattern agrees best in this orientation."""
    radii = np.linspace(*refinement.radius_range, refinement.radii)
    misfit, _ = model.misfit(radii, np.broadcast_to(orientation, (len(radii), 4)), FLOORS)
    return float(radii[np.argmin(misfit)])


def _around(
    estimates: Estimates, row: int, refinement: Refinement, generator: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """The estimate, and draws around it: radii (S,) and orientations (S, 4)."""
    spread = generator.standard_normal((refinement.starts, 4))
    spread[0] = 0.0
    sigma = np.nan_to_num([*[estimates.orientation_sigma[row]] * 3, estimates.radius_sigma[row]])
    spread *= sigma
    radius = np.clip(estimates.particles.radius[row] + spread[:, 3], *refinement.radius_range)
    return radius, turned(estimates.particles.orientation[row], spread[:, :3])


def locate_beam(model: ForwardModel, particle: Particles, shift: int) -> Beam:
    """Where the beam of a frame is, by correlation with the pattern of a particle that is nearly right."""
    simulation = model.simulation
    intensity = simulation.intensity(particle)
    lit = np.zeros(model.grey.size, dtype=bool)
    lit[simulation.scattering_vectors(CENTRE).pixel] = True
    pattern = log_scale(torch.from_numpy(intensity), FLOOR_DECADES)[0].numpy()
    return find_beam(model.grey, model.valid, pattern, lit.reshape(model.grey.shape), shift)
