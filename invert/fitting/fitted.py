"""The end of every fit: candidates polished, told apart, and written down as estimates with their images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from invert.contrast import with_contrast_of
from invert.estimate import FLAGS, POOR_FIT, Alternatives, Estimates, Inversion
from invert.fitting.forward import MARGIN, Candidate, ForwardModel, spread_pixels
from invert.fitting.polish import Polished
from msft.bodies.rotations import rotation_group
from msft.particle import Particles
from msft.symmetry import misorientation, to_fundamental_domain

APART_DEGREES, APART_NM = 3.0, 3.0
"""Particles that differ by more, in orientation up to symmetry or in radius, are different answers."""

TIE_RATIO, TIE_DIFFERENCE = 1.1, 1e-3
"""A different answer whose misfit is at most so many times the best one's, plus this, explains a frame almost
as well: with other noise it might have won."""

BOUND = 1e-3
"""A radius this close to the end of its range, as a fraction of the range, sits on the bound."""

PICTURE = 1
"""Patterns that the re-simulated picture takes."""


@dataclass(frozen=True)
class Fitted:
    """What was found for one frame.

    Attributes
    ----------
    body
        Name of the body.
    best
        The answer.
    alternative
        The best different answer, if it explains the frame almost as well.
    alternative_body
        Name of that one's body.
    patterns
        Patterns simulated on the way and for the picture.
    measured, resimulated
        Grey images (H, W) in [0, 1]; the second has the measured one's contrast and offset.
    valid
        Compared pixels, bool, shape (H, W).
    beam_on_bound
        Whether the beam of the answer lies as far off as was looked for it.
    """

    body: str
    best: Polished
    alternative: Polished | None
    alternative_body: str
    patterns: int
    measured: NDArray[np.float32]
    resimulated: NDArray[np.float32]
    valid: NDArray[np.bool_]
    beam_on_bound: bool = False


def different(candidates: Sequence[Candidate], misfits: Sequence[float], count: int, body: str) -> list[int]:
    """Up to `count` indices of candidates for a body that are different answers, the best first."""
    chosen: list[int] = []
    for index in np.argsort(misfits, kind="stable"):
        if all(_apart(candidates[index], candidates[other], body) for other in chosen):
            chosen.append(int(index))
        if len(chosen) == count:
            break
    return chosen


def _apart(first: Candidate, second: Candidate, body: str) -> bool:
    angle = np.degrees(misorientation(first.orientation, second.orientation, rotation_group(body)))
    return bool(angle > APART_DEGREES or abs(first.radius - second.radius) > APART_NM)


def best_and_rival(answers: Sequence[Polished], body: str) -> tuple[Polished, Polished | None]:
    """The best answer, and the best different one if it explains the frame almost as well."""
    candidates, misfits = zip(*((answer.candidate, answer.misfit) for answer in answers), strict=True)
    order = different(candidates, misfits, 2, body)
    best = answers[order[0]]
    rival = answers[order[1]] if len(order) > 1 and _ties(answers[order[1]], best) else None
    return best, rival


def _ties(answer: Polished, best: Polished) -> bool:
    return answer.misfit <= TIE_RATIO * best.misfit + TIE_DIFFERENCE


def best_of_bodies(fits: Sequence[Fitted]) -> Fitted:
    """The best of what was found for one frame with several bodies.

    The best answer with another body is its rival if it explains the frame almost as well, and better than
    a rival with the same body. Patterns of all of them count.
    """
    best, *others = sorted(fits, key=lambda fit: fit.best.misfit)
    patterns = sum(fit.patterns for fit in fits)
    if others and _ties(others[0].best, best.best):
        rival = best.alternative
        if rival is None or others[0].best.misfit < rival.misfit:
            best = replace(best, alternative=others[0].best, alternative_body=others[0].body)
    return replace(best, patterns=patterns)


def conclude(model: ForwardModel, answers: Sequence[Polished], patterns: int) -> Fitted:
    """The best of some polished candidates, its best rival, and the picture that the best one gives.

    `patterns` were simulated so far.
    """
    best, rival = best_and_rival(answers, model.body)
    picture = as_displayed(model, best.candidate)
    patterns += PICTURE
    off = np.abs(np.subtract(best.candidate.beam, model.beam)).max()
    on_bound = bool(model.reach and off > (1 - BOUND) * model.free_reach)
    return Fitted(model.body, best, rival, model.body, patterns, model.grey, picture, model.valid, on_bound)


def as_displayed(model: ForwardModel, candidate: Candidate) -> NDArray[np.float32]:
    """The whole pattern of a candidate as the frame would show it, shape (H, W) in [0, 1]."""
    simulation = model.simulation
    vectors = simulation.scattering_vectors(candidate.beam)
    particle = Particles(candidate.radius, candidate.orientation, model.body)
    pixel, shape = vectors.pixel, model.grey.shape
    intensity = simulation.intensity_at(particle, vectors)
    if candidate.blur:
        intensity = spread_pixels(intensity, pixel, pixel, shape, candidate.blur, MARGIN)
    light, seeing = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=bool)
    light.ravel()[pixel], seeing.ravel()[pixel] = intensity[0], True
    weight = (model.valid & seeing).astype(np.float32)
    grey, weights, lights = (torch.from_numpy(image)[None] for image in (model.grey, weight, light))
    floor = torch.tensor([candidate.floor], dtype=torch.float32)
    shown = with_contrast_of(grey, weights, lights, torch.from_numpy(seeing), floor)
    return np.asarray(shown.resimulated[0].numpy())


def gather(
    fits: Sequence[Fitted | None],
    images: NDArray[np.float32],
    frames: NDArray[np.int64],
    body: str,
    radius_range: tuple[float, float],
) -> Inversion:
    """The fits of N frames as one inversion; None stands for a frame that shows nothing.

    Such a frame is flagged ``no_signal``: its agreement is 0, its uncertainties are NaN, and its radius,
    orientation and body mean nothing (the smallest radius, the identity, `body`).
    """
    count = len(fits)
    radius, orientation = np.full(count, float(radius_range[0])), np.tile([1.0, 0, 0, 0], (count, 1))
    bodies, other_bodies = [body] * count, [""] * count
    sigma, agreement = np.full((2, count), np.nan), np.zeros(count)
    beam, alternatives = np.zeros((count, 2)), Alternatives.none(count)
    flags, patterns = np.zeros(count, dtype=np.uint32), np.zeros(count, dtype=np.int64)
    pictures = np.zeros_like(images)
    valid = np.zeros(images.shape, dtype=bool)
    margin = BOUND * (radius_range[1] - radius_range[0])
    for row, fit in enumerate(fits):
        if fit is None:
            flags[row] = FLAGS["no_signal"] | FLAGS["poor_agreement"]
            continue
        best = fit.best
        bodies[row], radius[row] = fit.body, best.candidate.radius
        orientation[row] = to_fundamental_domain(best.candidate.orientation, rotation_group(fit.body))
        sigma[:, row] = best.radius_sigma, best.orientation_sigma
        agreement[row], beam[row], patterns[row] = 1 - best.misfit, best.candidate.beam, fit.patterns
        pictures[row], valid[row] = fit.resimulated, fit.valid
        if agreement[row] < POOR_FIT:
            flags[row] |= FLAGS["poor_agreement"]
        if not radius_range[0] + margin <= radius[row] <= radius_range[1] - margin:
            flags[row] |= FLAGS["radius_on_bound"]
        if fit.beam_on_bound:
            flags[row] |= FLAGS["beam_on_bound"]
        if fit.alternative is not None:
            flags[row] |= FLAGS["ambiguous"]
            other, group = fit.alternative.candidate, rotation_group(fit.alternative_body)
            alternatives.radius[row], alternatives.agreement[row] = other.radius, 1 - fit.alternative.misfit
            alternatives.orientation[row] = to_fundamental_domain(other.orientation, group)
            other_bodies[row] = fit.alternative_body
    estimates = Estimates(
        Particles(radius, orientation, bodies),
        sigma[0],
        sigma[1],
        agreement,
        beam,
        replace(alternatives, bodies=np.array(other_bodies, dtype=np.str_)),
        flags,
        patterns,
        frames,
    )
    return Inversion(estimates, images, pictures, valid)
