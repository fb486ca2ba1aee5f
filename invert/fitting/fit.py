"""Forward fitting from scratch: the Monte Carlo simplex of Stielow et al. 2020, section 3.

Many random starts descend together (`invert.fitting.simplex`); the best few that are different answers are
polished (`invert.fitting.polish`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES
from invert.estimate import Inversion
from invert.fitting.beam import locate_beams
from invert.fitting.fitted import Fitted, best_of_bodies, conclude, different, gather
from invert.fitting.forward import (
    BEAM_REACH,
    BEAM_STEP,
    CENTRE,
    FLOORS,
    MARGIN,
    Beam,
    Candidate,
    ForwardModel,
    check_beam,
)
from invert.fitting.polish import ITERATIONS, polish, turned
from invert.fitting.response import settle
from invert.fitting.simplex import Descent, minimise
from invert.frames import Frames
from msft.bodies.rotations import rotation_group
from msft.errors import ParameterError
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.seeding import check_seed, generator_of
from msft.symmetry import random_orientations

FloatArray = NDArray[np.float64]

FIRST_TURN, FIRST_GROWTH = 0.15, 8.0
"""Size of a first simplex, in rad and nm."""

POLISHED = 3
"""Different answers of the simplices that are polished."""

AGAIN = 3
"""One of so many simplices descends again where the beam, or the spread of light, turns out to be another."""


@dataclass(frozen=True)
class MonteCarloSimplex:
    """How a particle is searched for.

    Parameters
    ----------
    starts, steps
        Random starts, and Nelder-Mead steps of each; by default the papers' (Stielow et al. 2020, section 3).
    radius_range
        Smallest and largest radius in nm.
    floors
        Decades that the simplices try for the floor, the best one for each pattern.
    polished
        Whether the best answers are polished by the gradient method; without, their curvature alone is found.
    free_beam
        Whether polishing also moves the beam on the detector.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    starts: int = 50
    steps: int = 50
    radius_range: tuple[float, float] = (30.0, 160.0)
    floors: tuple[float, ...] = FLOORS
    polished: bool = True
    free_beam: bool = True

    def __post_init__(self) -> None:
        for field, least in (("starts", 1), ("steps", 0)):
            if not least <= getattr(self, field) <= 100_000:
                raise ParameterError(field, getattr(self, field), f"{least} to 100000")
        ParticleDistribution(self.radius_range)  # checks it
        if not self.floors or not all(0 < floor <= 8 for floor in self.floors):
            raise ParameterError("floors", self.floors, "decades above 0 and at most 8")


def fit(
    frames: Frames,
    simulation: Simulation,
    body: str | Sequence[str],
    search: MonteCarloSimplex,
    seed: int = 0,
    beam: Beam = CENTRE,
    progress: Callable[[int], None] = lambda done: None,
) -> Inversion:
    """Invert frames by forward fitting from random starts.

    Parameters
    ----------
    frames
        As read by `invert.frames.read_frames`.
    simulation
        What the frames are compared with.
    body
        Name of the body; or of several, of which each frame is given the one that explains it best.
    search
        How.
    seed
        Of the starts; those of a frame depend on (seed, number of the frame) alone.
    beam
        Where the beam meets the detector, in pixels (row, column) from its centre.
    progress
        Called with the number of frames before the first good one, then with 1 after each.

    Raises
    ------
    ParameterError
        If no frame can be fitted; a frame that cannot, among others that can, is flagged. If the solver
        cannot simulate a body or the radii, or the beam is free or off the centre and it is not the exact
        one. If the seed is below 0.
    """
    bodies = [body] if isinstance(body, str) else list(dict.fromkeys(body))
    check(simulation, bodies, search, seed, beam)
    inversion, refused = attempt(frames, simulation, bodies, search, seed, beam, progress)
    if len(refused) == len(frames.images) > 0:
        raise refused[-1]
    return inversion


def check(
    simulation: Simulation, bodies: Sequence[str], search: MonteCarloSimplex, seed: int, beam: Beam
) -> None:
    """Refuse what `fit` cannot search for, whatever the frames show.

    Raises
    ------
    ParameterError
        As `fit` does.
    """
    check_seed(seed)
    if not bodies:
        raise ParameterError("body", "none", "one or more")
    for name in bodies:
        simulation.check(Particles(max(search.radius_range), [1.0, 0.0, 0.0, 0.0], name))
    check_beam(simulation, beam, BEAM_REACH if search.polished and search.free_beam else 0.0)


def attempt(
    frames: Frames,
    simulation: Simulation,
    bodies: Sequence[str],
    search: MonteCarloSimplex,
    seed: int = 0,
    beam: Beam = CENTRE,
    progress: Callable[[int], None] = lambda done: None,
) -> tuple[Inversion, list[ParameterError]]:
    """Invert frames as `fit` does, perhaps none of them; returns also why those are not that are not."""
    grey = frames.grey(FLOOR_DECADES).numpy()
    fits: list[Fitted | None] = []
    refused: list[ParameterError] = []
    begun = False
    for image, valid, number in zip(grey, frames.valid, frames.numbers, strict=True):
        try:
            models = [ForwardModel(image, valid, simulation, name, beam) for name in bodies]
            if not begun:
                progress(len(fits))
            begun = True
            # where the beam may move fewer pixels are left to compare, perhaps too few
            found = [fit_frame(model, search, generator_of(seed, int(number))) for model in models]
            fits.append(best_of_bodies(found))
        except ParameterError as error:
            if error.field != "frame":
                raise
            refused.append(error)
            fits.append(None)
        if begun:
            progress(1)
    return gather(fits, grey, frames.numbers, bodies[0], search.radius_range), refused


def fit_frame(model: ForwardModel, search: MonteCarloSimplex, generator: np.random.Generator) -> Fitted:
    """Invert one frame; the search's starts come from the generator."""
    starts = Starts.draw(search, generator, model.body)
    descent = descend(model, search, starts)
    radius, orientation = starts.particles(descent.points, np.arange(search.starts))
    if search.polished and search.free_beam:
        chosen = _with_the_beam_free(model, search, radius, orientation)
        spread = any(candidate.blur for candidate in chosen)
        fine, before = model.around(model.beam, BEAM_REACH, MARGIN if spread else 0), model.patterns
    else:  # where the beam is held in a wrong place, a spread would stand for that and hide the radius
        fine, before = model, 0
        chosen = _best(model, search, radius, orientation, descent.values)
    iterations = ITERATIONS if search.polished else 0
    answers = [polish(fine, start, search.radius_range, iterations=iterations) for start in chosen]
    if search.polished:
        answers = settle(fine, answers, search.radius_range)
    return conclude(fine, answers, before + fine.patterns)


def _best(
    model: ForwardModel,
    search: MonteCarloSimplex,
    radius: FloatArray,
    orientation: FloatArray,
    misfits: FloatArray,
) -> list[Candidate]:
    """The best different ones of N particles, with their floors."""
    candidates = [
        Candidate(float(r), q, search.floors[0], model.beam) for r, q in zip(radius, orientation, strict=True)
    ]
    chosen = different(candidates, list(misfits), POLISHED, model.body)
    _, floors = model.misfit(radius[chosen], orientation[chosen], search.floors)
    return [
        replace(candidates[index], floor=float(floor)) for index, floor in zip(chosen, floors, strict=True)
    ]


def _with_the_beam_free(
    model: ForwardModel, search: MonteCarloSimplex, radius: FloatArray, orientation: FloatArray
) -> list[Candidate]:
    """The best different ones of N particles that were found as if the beam and all light were in place.

    A beam that is two pixels off, or light that the detector spreads, lets a particle which is nearly right
    agree worse than a small one, whose pattern has no fringes, and moves radii. So each is compared where the
    beam is by its pattern, and with light spread or not; and if the best one says that either is so, some
    simplices more descend accordingly, from the best orientations and all radii.
    """
    found = locate_beams(model, Particles(radius, orientation, model.body), round(BEAM_REACH))
    order = np.argsort(-found.agreement)
    (row, column), spread = found.beams[order[0]], float(found.spreads[order[0]])
    if spread or max(abs(row - model.beam[0]), abs(column - model.beam[1])) >= 1:
        fewer = replace(search, starts=math.ceil(search.starts / AGAIN))
        starts = Starts(np.linspace(*search.radius_range, fewer.starts), orientation[order[: fewer.starts]])
        there = model.around((float(row), float(column)), 0.0, MARGIN if spread else 0)
        points = descend(there, fewer, starts, blur=spread).points
        model.patterns += there.patterns
        radii, orientations = starts.particles(points, np.arange(fewer.starts))
        radius, orientation = np.append(radius, radii), np.vstack([orientation, orientations])
        found = locate_beams(model, Particles(radius, orientation, model.body), round(BEAM_REACH))
    least, most = (np.add(model.beam, sign * (BEAM_REACH - BEAM_STEP)) for sign in (-1, 1))
    candidates = [
        Candidate(float(r), q, float(floor), (float(beam[0]), float(beam[1])), float(spread))
        for r, q, floor, beam, spread in zip(
            radius, orientation, found.floors, np.clip(found.beams, least, most), found.spreads, strict=True
        )
    ]
    chosen = different(candidates, list(-found.agreement), POLISHED, model.body)
    return [candidates[index] for index in chosen]


@dataclass(frozen=True)
class Starts:
    """Random particles, and the simplices around them.

    A vertex is a rotation vector in rad about the axes of the lab, away from the start, and a radius in nm.
    """

    radius: FloatArray
    orientation: FloatArray

    @classmethod
    def draw(
        cls, search: MonteCarloSimplex, generator: np.random.Generator, body: str = "icosahedron"
    ) -> Starts:
        """Radius uniform in the range, orientation uniform in the body's fundamental domain."""
        orientation = random_orientations(generator, search.starts, rotation_group(body))
        return cls(generator.uniform(*search.radius_range, search.starts), orientation)

    def simplices(self) -> FloatArray:
        """First vertices, shape (S, 5, 4)."""
        vertices = np.zeros((len(self.radius), 5, 4))
        vertices[:, :, 3] = self.radius[:, None]
        vertices[:, 1:, :] += np.diag([FIRST_TURN, FIRST_TURN, FIRST_TURN, FIRST_GROWTH])
        return vertices

    def particles(self, points: FloatArray, owners: NDArray[np.intp]) -> tuple[FloatArray, FloatArray]:
        """Radii (B,) and orientations (B, 4) at points (B, 4) of the simplices `owners`."""
        return points[:, 3], turned(self.orientation[owners], points[:, :3])


def descend(
    model: ForwardModel,
    search: MonteCarloSimplex,
    starts: Starts,
    after_step: Callable[[FloatArray], None] = lambda points: None,
    blur: float = 0.0,
) -> Descent:
    """All simplices of a frame downhill together, in 1 - r as a function of rotation and radius.

    Where the model has a margin, light is spread with the variance `blur`, in square pixels.
    """

    def misfit(points: FloatArray, owners: NDArray[np.intp]) -> FloatArray:
        return model.misfit(*starts.particles(points, owners), search.floors, blur)[0]

    low, high = search.radius_range
    free = [-np.inf] * 3
    bounds = np.array([*free, low]), -np.array([*free, -high])
    return minimise(misfit, starts.simplices(), search.steps, bounds, after_step)
