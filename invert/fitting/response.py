"""What a detector does to a pattern without changing the particle: sensitivity, noise and point spread.

A second polishing takes them as they show in the residuals of the first. Sensitivity that varies slowly over
the image adds a smooth field to its logarithm: such fields are eliminated together with contrast and offset.
Noise depends on brightness, as that of photons and of a floor: pixels are weighted by the inverse of the
variance that residuals of like brightness have. The width of the point spread is one parameter more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.polynomial.legendre import legvander2d
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from invert.fitting.comparison import Comparison
from invert.fitting.fitted import APART_NM, best_and_rival
from invert.fitting.forward import MARGIN, Candidate, ForwardModel
from invert.fitting.polish import FLOORS, Polished, intensity_of, log_of, polish, residual

FloatArray = NDArray[np.float64]

DEGREE = 4
"""Total degree of the polynomials that stand for uneven sensitivity, ..."""

PIXELS_OF_FIELD = 100
"""... less where there are fewer compared pixels than this for each of them."""

SHADES, PIXELS_OF_SHADE = 24, 32
"""Classes of brightness in which the noise is estimated, at most, and the pixels of each, at least."""

LEAST_VARIANCE = 0.02
"""Of a class, as a fraction of their median: no pixel shall decide alone."""

ROUNDS = 2
"""Times that weights are estimated."""

FIRST_BLUR = 0.5
"""Variance of the point spread from which it is sought, in square pixels."""

FEWEST_PATTERNS, MOST_PATTERNS = 32, 120
"""For one answer: each round takes seven to begin with."""

FLOOR_STEP = 0.25
"""Between the floors, in decades, that are tried for the final correlation."""

WITHIN_NM, HELD_NM = 10.0, 2.0
"""Farthest that a radius moves, about one order of the fringes at the detector's edge, and how far if it is
held: a wide point spread washes out what tells orders apart, so an answer that went far has a rival that
stayed."""

NOT_FITTED = (2.0, 1.6)
"""Errors of radius and orientation over those that the residuals tell: blind spots narrower than the fields
and the shape of the point spread are not fitted. So many times as large, the intervals of 68 % hold as many
errors on frames of the preset `experiment`, and more where a detector does less (benchmarks/refine.py)."""

EXPLAINED, UNEXPLAINED = 1e-6, 0.2
"""Misfits below which nothing is left that a detector might have done, and above which too few photons, or
another particle, hide what it did: weights then made answers worse."""


def settle(
    model: ForwardModel, answers: Sequence[Polished], radius_range: tuple[float, float], patterns: int = 400
) -> list[Polished]:
    """Polish the best of some answers, and its rival if it has one, with the detector's response free.

    Parameters
    ----------
    model
        The frame that the answers belong to; it counts the patterns.
    answers
        Where the first polishing ended.
    radius_range
        Smallest and largest radius in nm.
    patterns
        Patterns that may be computed. With fewer than `FEWEST_PATTERNS` for each, they stay as they are.

    Returns
    -------
    The new answers, the best one first. Their `misfit` is 1 - r of the spread pattern, without weights and
    fields, above the floor that makes it least.
    """
    best, rival = best_and_rival(answers, model.body)
    rivals = [best] if rival is None else [best, rival]
    last, share = model.patterns + patterns, min(MOST_PATTERNS, patterns // len(rivals))
    settled = [_settled(model, answer, radius_range, WITHIN_NM, share) for answer in rivals]
    for answer, found in zip(rivals, list(settled), strict=True):
        if abs(found.candidate.radius - answer.candidate.radius) > APART_NM:
            held = _settled(model, answer, radius_range, HELD_NM, last - model.patterns)
            if held is not answer:
                settled.append(held)
    return sorted(settled, key=lambda one: one.misfit)


def _settled(
    model: ForwardModel,
    answer: Polished,
    radius_range: tuple[float, float],
    within: float,
    patterns: int,
) -> Polished:
    """An answer polished with the response free, its radius within so many nm of where it was."""
    if not EXPLAINED < answer.misfit < UNEXPLAINED or patterns < FEWEST_PATTERNS:
        return answer
    wide = model.around(model.beam, model.reach, MARGIN)
    radius = answer.candidate.radius
    near = max(radius_range[0], radius - within), min(radius_range[1], radius + within)
    candidate = replace(answer.candidate, blur=FIRST_BLUR)
    for turn in range(ROUNDS):
        intensity = intensity_of(wide, candidate)
        comparison = _comparison(wide, log_of(wide, intensity, candidate.floor, candidate.blur)[0])
        # the last pattern tells the correlation
        share = (patterns - wide.patterns - 1) // (ROUNDS - turn)
        settled = polish(wide, candidate, near, share, comparison=comparison, intensity=intensity)
        candidate = settled.candidate
    floor, misfit = _plainly(wide, candidate)
    model.patterns += wide.patterns
    radius_factor, orientation_factor = NOT_FITTED
    return Polished(
        replace(candidate, floor=floor),
        misfit,
        radius_factor * settled.radius_sigma,
        orientation_factor * settled.orientation_sigma,
    )


def _plainly(model: ForwardModel, candidate: Candidate) -> tuple[float, float]:
    """The floor under which a candidate correlates best with the frame, and 1 - r there."""
    plain = Comparison.plain(model.measured.size)
    measured, intensity = plain(model.measured), intensity_of(model, candidate)

    def misfit(floor: float) -> float:
        return 1 - float(measured @ plain(log_of(model, intensity, floor, candidate.blur)[0]))

    least = min(np.arange(FLOORS[0], FLOORS[1] + FLOOR_STEP, FLOOR_STEP), key=misfit)
    near = (max(FLOORS[0], least - FLOOR_STEP), min(FLOORS[1], least + FLOOR_STEP))
    found = minimize_scalar(misfit, bounds=near, method="bounded", options={"xatol": 1e-3})
    return float(found.x), float(found.fun)


def _comparison(model: ForwardModel, image: FloatArray) -> Comparison:
    """Weights and fields for the residuals of a log image (P,)."""
    fields = _fields(model)
    plain = Comparison.of(np.ones(image.size), fields)
    root_weight = 1 / np.sqrt(_variance(image, residual(plain(model.measured), plain(image))))
    return Comparison.of(root_weight / np.sqrt((root_weight**2).mean()), fields)


def _variance(image: FloatArray, left: FloatArray) -> FloatArray:
    """Variance (P,) of what is left as a function of brightness, by classes of as many pixels each."""
    shades = np.array_split(np.argsort(image), max(1, min(SHADES, image.size // PIXELS_OF_SHADE)))
    brightness = np.array([image[shade].mean() for shade in shades])
    variance = np.array([(left[shade] ** 2).mean() for shade in shades])
    variance = np.maximum(variance, LEAST_VARIANCE * np.median(variance)) + np.finfo(np.float64).tiny
    return np.asarray(np.exp(np.interp(image, brightness, np.log(variance))))


def _fields(model: ForwardModel) -> FloatArray:
    """Polynomials of both coordinates, the constant first, at the compared pixels: shape (P, K)."""
    rows, columns = (
        np.interp(axis, (axis.min(), axis.max()), (-1.0, 1.0)) for axis in model.compared_positions()
    )
    degree = DEGREE
    while degree and (degree + 1) * (degree + 2) // 2 > len(rows) / PIXELS_OF_FIELD:
        degree -= 1
    powers = np.add.outer(np.arange(degree + 1), np.arange(degree + 1)).ravel()
    return np.asarray(legvander2d(rows, columns, [degree, degree])[:, powers <= degree])
