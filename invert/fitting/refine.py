"""A network's estimates polished by forward fitting: a good start instead of many random ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES
from invert.estimate import Estimates, Inversion
from invert.fitting.beam import locate_beams
from invert.fitting.fitted import APART_NM, PICTURE, Fitted, conclude, gather
from invert.fitting.forward import BEAM_REACH, CENTRE, MARGIN, Candidate, ForwardModel, check_beam
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
        times as many; the best one is the first start, if it is another answer and better than the estimate.
        A measured pattern has side minima a ring apart, and a network that has seen none may begin in a wrong
        one. 0 tries none.

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
    radii: int = 20

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
        except ParameterError as error:
            if error.field != "frame":
                raise
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
    model, starts = _begin(model, *_around(estimates, row, refinement, generator), refinement)
    used = int(estimates.patterns_used[row])
    last = refinement.patterns - used - PICTURE
    settling = SETTLING if last > 2 * SETTLING else 0
    answers: list[Polished] = []
    while starts:
        left = last - settling - model.patterns
        share = left if len(starts) == 1 else max(left // 2, left // len(starts))
        if answers and share < 1 + PATTERNS_OF_SLOPES[refinement.free_beam]:
            break
        start, *starts = starts
        answers.append(polish(model, start, refinement.radius_range, share))
    answers = settle(model, answers, refinement.radius_range, last - model.patterns)
    return conclude(model, answers, used + model.patterns)


def _begin(
    model: ForwardModel, radius: FloatArray, orientation: FloatArray, refinement: Refinement
) -> tuple[ForwardModel, list[Candidate]]:
    """The frame around its beam, and the candidates of which polishing begins, the best one first.

    They are the estimate and those drawn around it, shapes (S,) and (S, 4); and the estimate's orientation
    with that of the radii across the range which agrees best with the frame, if it agrees better, each with
    the beam where it is by its pattern.
    """
    tried = radius[:1]
    if refinement.starts > 1 and 0 < 4 * refinement.radii <= refinement.patterns:
        tried = np.append(tried, np.linspace(*refinement.radius_range, refinement.radii))
    particles = Particles(tried, np.broadcast_to(orientation[0], (len(tried), 4)), model.body)
    found = locate_beams(model, particles, refinement.shift if refinement.free_beam else 0)
    best = int(np.argmax(found.agreement))
    if abs(tried[best] - radius[0]) <= APART_NM:
        best = 0
    if best:
        radius = np.array([tried[best], *radius[:-1]])
        orientation = np.array([orientation[0], *orientation[:-1]])
    row, column = map(float, found.beams[best])
    floor, spread = float(found.floors[best]), float(found.spreads[best])
    patterns = model.patterns
    model = model.around((row, column), BEAM_REACH if refinement.free_beam else 0.0, MARGIN if spread else 0)
    model.patterns += patterns
    return model, [
        Candidate(float(r), q, floor, model.beam, spread) for r, q in zip(radius, orientation, strict=True)
    ]


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
