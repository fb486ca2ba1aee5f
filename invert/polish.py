"""Candidates polished by a gradient method: Levenberg-Marquardt on the standardised log pattern.

The parameters are a rotation about each axis of the lab (three), the radius, the floor under the logarithm
and, where the centre is free, the two coordinates of the beam on the detector. Derivatives are forward
differences: four patterns, or six; the floor's costs none. Contrast and offset are eliminated by
standardising (`invert.forward`), so that a step is the Gauss-Newton step in all of them (variable projection:
Golub and Pereyra, SIAM J. Numer. Anal. 10, 413 (1973)). Why this and neither L-BFGS nor a simplex:
benchmarks/refine.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from invert.forward import Beam, Candidate, ForwardModel, Images, log_above_floor, standardised
from msft.rotation import from_rotation_vector, multiply

FloatArray = NDArray[np.float64]

DIFFERENCE = np.array([3e-4, 3e-4, 3e-4, 1e-2, 1e-2, 1e-2, 1e-2])
"""Of the forward differences: rad three times, nm, decades, and pixels twice."""

LARGEST_STEP = np.array([0.1, 0.1, 0.1, 5.0, 0.5, 1.0, 1.0])
"""Of one iteration, in the same units."""

SMALL_STEP = np.array([1e-5, 1e-5, 1e-5, 1e-4, np.inf, 1e-3, 1e-3])
"""An iteration that changes less has converged; so has one that lowers the misfit by less than the fraction
`SMALL_GAIN` of it, or below `SMALL_MISFIT`, which is rounding."""

SMALL_GAIN, SMALL_MISFIT = 1e-6, 1e-9

ITERATIONS = 30

FLOORS = (0.5, 8.0)
"""Smallest and largest decades of the floor."""

CORRELATED = 8
"""Pixels over which residuals may be correlated."""

FIRST_DAMPING, LARGEST_DAMPING = 1e-3, 1e5

PATTERNS_OF_SLOPES = {False: 4, True: 6}
"""Without and with a free beam."""


@dataclass(frozen=True)
class Polished:
    """Where the descent ended.

    Attributes
    ----------
    candidate
        The best one met.
    misfit
        1 - r of it.
    radius_sigma, orientation_sigma
        Uncertainties in nm and in rad about each axis (root of the mean variance of the three), from the
        curvature of the misfit and the residuals. What the simulation leaves out of the physics is not in
        them, nor is another minimum. Infinite where the misfit does not depend on one.
    """

    candidate: Candidate
    misfit: float
    radius_sigma: float
    orientation_sigma: float


def turned(orientation: FloatArray, rotation: FloatArray) -> FloatArray:
    """Orientations (N, 4) after rotation vectors (N, 3) in rad about the axes of the lab."""
    return multiply(from_rotation_vector(rotation), orientation)


def polish(
    model: ForwardModel,
    start: Candidate,
    radius_range: tuple[float, float],
    patterns: int = 200,
    iterations: int = ITERATIONS,
) -> Polished:
    """Lower the misfit of a candidate until it no longer falls.

    Parameters
    ----------
    model
        The frame. The beam is free within its reach, and stays where it is if that is 0.
    start
        Where to begin.
    radius_range
        Smallest and largest radius in nm.
    patterns
        Patterns that may be computed.
    iterations
        Steps that may be tried; with 0 only the uncertainties are found.

    Returns
    -------
    See `Polished`.
    """
    last = model.patterns + patterns
    best = start
    intensity, image = _image(model, best)
    slopes = _slopes(model, best, intensity, image)
    misfit = _half_square(model.measured - image)
    damping = FIRST_DAMPING
    for _ in range(iterations):
        if model.patterns + 1 + PATTERNS_OF_SLOPES[model.reach > 0] > last or damping > LARGEST_DAMPING:
            break
        step = _step(slopes, model.measured - image, damping)
        candidate = _moved(model, best, step, radius_range)
        intensity, trial = _image(model, candidate)
        gain = misfit - _half_square(model.measured - trial)
        if not gain > 0:
            damping *= 10
            continue
        best, image, misfit, damping = candidate, trial, misfit - gain, damping / 10
        slopes = _slopes(model, best, intensity, image)
        if gain < SMALL_GAIN * misfit or misfit < SMALL_MISFIT or (abs(step) < SMALL_STEP[: step.size]).all():
            break
    return Polished(best, misfit, *_sigmas(model, slopes, model.measured - image))


def _image(model: ForwardModel, candidate: Candidate) -> tuple[Images, FloatArray]:
    """Intensity (1, P) of a candidate, and its standardised log image (P,)."""
    intensity = model.intensity(np.array([candidate.radius]), candidate.orientation[None], candidate.beam)
    return intensity, _standard_log(intensity, candidate.floor)[0]


def _standard_log(intensity: Images, floor: float) -> FloatArray:
    return standardised(log_above_floor(intensity, floor)).astype(np.float64)


def _slopes(model: ForwardModel, candidate: Candidate, intensity: Images, image: FloatArray) -> FloatArray:
    """Derivatives of the standardised image with respect to the parameters, shape (P, 5) or (P, 7)."""
    rotations = np.vstack([np.diag(DIFFERENCE[:3]), np.zeros(3)])
    radii = candidate.radius + np.array([0, 0, 0, DIFFERENCE[3]])
    changed = model.intensity(radii, turned(candidate.orientation, rotations), candidate.beam)
    images = [
        *_standard_log(changed, candidate.floor),
        *_standard_log(intensity, candidate.floor + DIFFERENCE[4]),
    ]
    if model.reach:
        row, column = candidate.beam
        for beam in ((row + DIFFERENCE[5], column), (row, column + DIFFERENCE[6])):
            images.append(_image(model, replace(candidate, beam=beam))[1])
    return np.asarray((np.array(images) - image).T / DIFFERENCE[: len(images)])


def _step(slopes: FloatArray, residual: FloatArray, damping: float) -> FloatArray:
    normal = slopes.T @ slopes
    # a parameter on which nothing depends stays where it is
    scale = np.diag(normal) + np.finfo(np.float64).tiny
    step = np.linalg.solve(normal + damping * np.diag(scale) + 1e-12 * np.diag(scale), slopes.T @ residual)
    return np.asarray(step / max(1.0, float((abs(step) / LARGEST_STEP[: step.size]).max())))


def _moved(
    model: ForwardModel, candidate: Candidate, step: FloatArray, radius_range: tuple[float, float]
) -> Candidate:
    beam: Beam = candidate.beam
    if model.reach:
        # the differences look a little further than the beam goes
        reach = model.reach - DIFFERENCE[5]
        row, column = np.clip(
            np.array(beam) + step[5:], np.array(model.beam) - reach, np.array(model.beam) + reach
        )
        beam = (float(row), float(column))
    return Candidate(
        float(np.clip(candidate.radius + step[3], *radius_range)),
        turned(candidate.orientation, step[:3]),
        float(np.clip(candidate.floor + step[4], *FLOORS)),
        beam,
    )


def _half_square(residual: FloatArray) -> float:
    return float(residual @ residual) / 2


def _sigmas(model: ForwardModel, slopes: FloatArray, residual: FloatArray) -> tuple[float, float]:
    """Uncertainty of radius and orientation: the sandwich covariance A^-1 B A^-1 of least squares.

    A is the curvature. B sums the products of the scores (slope times residual) of each two pixels that are
    less than `CORRELATED` apart, with weights that fall linearly to 0 (Newey and West, Econometrica 55, 703
    (1987)): residuals may be larger here than there, and alike in neighbours, as blur and speckle make them.
    """
    scale = np.linalg.norm(slopes, axis=0)
    if not (scale[:4] > 0).all():
        return float("inf"), float("inf")
    used = scale > 0
    unit = slopes[:, used] / scale[used]
    scores = unit * residual[:, None]
    weights = 1 - abs(np.arange(-CORRELATED + 1, CORRELATED)) / CORRELATED
    images = model.on_detector(scores.T)
    spread = convolve1d(convolve1d(images, weights, 1, mode="constant"), weights, 2, mode="constant")
    between = np.einsum("ayx,byx->ab", images, spread)
    inverse = np.linalg.pinv(unit.T @ unit)
    covariance = inverse @ between @ inverse
    variance = np.maximum(np.diag(covariance), 0) / scale[used] ** 2
    return float(np.sqrt(variance[3])), float(np.sqrt(variance[:3].mean()))
