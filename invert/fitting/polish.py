"""Candidates polished by a gradient method: Levenberg-Marquardt on the standardised log pattern.

The parameters are a rotation about each axis of the lab (three), the radius, the floor under the logarithm,
where the centre is free the two coordinates of the beam on the detector, and where light is spread into
neighbouring pixels the variance of that. Derivatives are forward differences: four patterns, or six; those of
floor and spread cost none. What images may differ by is eliminated by `invert.fitting.comparison`: a step is
the Gauss-Newton step in all of it (variable projection: Golub and Pereyra, SIAM J. Numer. Anal. 10, 413
(1973)). Why this and neither L-BFGS nor a simplex: benchmarks/refine.py.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d

from invert.fitting.comparison import Comparison
from invert.fitting.forward import BEAM_STEP, Beam, Candidate, ForwardModel, Images, log_above_floor
from msft.rotation import from_rotation_vector, multiply

FloatArray = NDArray[np.float64]

DIFFERENCE = np.array([3e-4, 3e-4, 3e-4, 1e-2, 1e-2, BEAM_STEP, BEAM_STEP, 1e-2])
"""Of the forward differences: rad three times, nm, decades, pixels twice, and square pixels."""

LARGEST_STEP = np.array([0.1, 0.1, 0.1, 5.0, 0.5, 1.0, 1.0, 0.5])
"""Of one iteration, in the same units."""

SMALL_STEP = np.array([1e-5, 1e-5, 1e-5, 1e-4, np.inf, 1e-3, 1e-3, np.inf])
"""An iteration that changes less has converged; so has one that lowers the misfit by less than the fraction
`SMALL_GAIN` of it, or below `SMALL_MISFIT`, which is rounding."""

SMALL_GAIN, SMALL_MISFIT = 1e-5, 1e-9

ITERATIONS = 30

LEAST_CORRELATION = 0.1
"""Below which an image has no contrast in the measured one to speak of."""

FLOORS = (0.5, 8.0)
"""Smallest and largest decades of the floor."""

LARGEST_BLUR = 4.0
"""Variance of the point spread in square pixels."""

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
        1 - r of it, with the weights and fields of the comparison if it has any.
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
    comparison: Comparison | None = None,
    intensity: Images | None = None,
) -> Polished:
    """Lower the misfit of a candidate until it no longer falls.

    Parameters
    ----------
    model
        The frame. The beam is free within its reach, and stays where it is if that is 0; the point spread is
        free if the model has a margin.
    start
        Where to begin.
    radius_range
        Smallest and largest radius in nm.
    patterns
        Patterns that may be computed.
    iterations
        Steps that may be tried; with 0 only the uncertainties are found.
    comparison
        What makes the misfit; by default the correlation.
    intensity
        Of the start (1, S), if it is known; see `intensity_of`.

    Returns
    -------
    See `Polished`.
    """
    last = model.patterns + patterns
    compare = comparison or Comparison.plain(model.measured.size)
    measured = compare(model.measured)
    best = start
    if intensity is None:
        intensity = intensity_of(model, best)
    image = _compared(model, compare, best, intensity)
    slopes = _slopes(model, compare, best, intensity, image)
    misfit = _half_square(measured - image)
    damping = FIRST_DAMPING
    free = _free(model)
    for _ in range(iterations):
        if model.patterns + 1 + PATTERNS_OF_SLOPES[model.reach > 0] > last or damping > LARGEST_DAMPING:
            break
        left = residual(measured, image)
        inward = _inward(model, best, slopes, left, radius_range)
        step = _step(inward, left, damping, LARGEST_STEP[free])
        candidate = _moved(model, best, step, radius_range)
        intensity, trial = _image(model, compare, candidate)
        gain = misfit - _half_square(measured - trial)
        if not gain > 0:
            damping *= 10
            continue
        best, image, misfit, damping = candidate, trial, misfit - gain, damping / 10
        slopes = _slopes(model, compare, best, intensity, image)
        if gain < SMALL_GAIN * misfit or misfit < SMALL_MISFIT or (abs(step) < SMALL_STEP[free]).all():
            break
    return Polished(best, misfit, *_sigmas(model, slopes, residual(measured, image)))


def residual(measured: FloatArray, image: FloatArray) -> FloatArray:
    """What the image leaves of the measured one, both (P,) and of norm 1, in terms of the image's contrast.

    Noise takes its share of the measured norm, and the image's own contrast there is r. With it, steps and
    uncertainties are those of least squares with a free contrast.
    """
    return measured / max(float(measured @ image), LEAST_CORRELATION) - image


def intensity_of(model: ForwardModel, candidate: Candidate) -> Images:
    """Intensity of a candidate at the simulated pixels, shape (1, S)."""
    return model.intensity(np.array([candidate.radius]), candidate.orientation[None], candidate.beam)


def log_of(model: ForwardModel, intensity: Images, floor: float, blur: float) -> FloatArray:
    """Logarithms above a floor of intensities (N, S) once they are spread, at the compared pixels: (N, P)."""
    return np.asarray(log_above_floor(model.spread(intensity, blur), floor), dtype=np.float64)


def _free(model: ForwardModel) -> NDArray[np.intp]:
    """Which of the parameters are free."""
    return np.array([0, 1, 2, 3, 4, *([5, 6] if model.reach else []), *([7] if model.margin else [])])


def _image(model: ForwardModel, compare: Comparison, candidate: Candidate) -> tuple[Images, FloatArray]:
    """Intensity (1, S) of a candidate, and its log image (P,) as it is compared."""
    intensity = intensity_of(model, candidate)
    return intensity, _compared(model, compare, candidate, intensity)


def _compared(
    model: ForwardModel, compare: Comparison, candidate: Candidate, intensity: Images
) -> FloatArray:
    return compare(log_of(model, intensity, candidate.floor, candidate.blur)[0])


def _slopes(
    model: ForwardModel, compare: Comparison, candidate: Candidate, intensity: Images, image: FloatArray
) -> FloatArray:
    """Derivatives of the compared image with respect to the K free parameters, shape (P, K)."""
    rotations = np.vstack([np.diag(DIFFERENCE[:3]), np.zeros(3)])
    radii = candidate.radius + np.array([0, 0, 0, DIFFERENCE[3]])
    changed = model.intensity(radii, turned(candidate.orientation, rotations), candidate.beam)
    floor, blur = candidate.floor, candidate.blur
    images = [
        *compare(log_of(model, changed, floor, blur)),
        *compare(log_of(model, intensity, floor + DIFFERENCE[4], blur)),
    ]
    if model.reach:
        row, column = candidate.beam
        for beam in ((row + DIFFERENCE[5], column), (row, column + DIFFERENCE[6])):
            images.append(_image(model, compare, replace(candidate, beam=beam))[1])
    if model.margin:
        images.extend(compare(log_of(model, intensity, floor, blur + DIFFERENCE[7])))
    return np.asarray((np.array(images) - image).T / DIFFERENCE[_free(model)])


def _inward(
    model: ForwardModel,
    candidate: Candidate,
    slopes: FloatArray,
    left: FloatArray,
    radius_range: tuple[float, float],
) -> FloatArray:
    """The slopes, 0 where a parameter sits on the end of its range and would leave it."""
    ranges = {3: (candidate.radius, radius_range), 4: (candidate.floor, FLOORS)}
    if model.reach:
        for axis in (0, 1):
            middle, reach = model.beam[axis], model.free_reach
            ranges[5 + axis] = (candidate.beam[axis], (middle - reach, middle + reach))
    if model.margin:
        ranges[slopes.shape[1] - 1] = (candidate.blur, (0.0, LARGEST_BLUR))
    slopes = slopes.copy()
    for column, (value, (low, high)) in ranges.items():
        push = slopes[:, column] @ left
        if (value <= low and push < 0) or (value >= high and push > 0):
            slopes[:, column] = 0
    return slopes


def _step(slopes: FloatArray, left: FloatArray, damping: float, largest: FloatArray) -> FloatArray:
    normal = slopes.T @ slopes
    # a parameter on which nothing depends stays where it is
    scale = np.diag(normal) + np.finfo(np.float64).tiny
    step = np.linalg.solve(normal + damping * np.diag(scale) + 1e-12 * np.diag(scale), slopes.T @ left)
    return np.asarray(step / max(1.0, float((abs(step) / largest).max())))


def _moved(
    model: ForwardModel, candidate: Candidate, step: FloatArray, radius_range: tuple[float, float]
) -> Candidate:
    beam: Beam = candidate.beam
    if model.reach:
        middle = np.array(model.beam)
        row, column = np.clip(
            np.array(beam) + step[5:7], middle - model.free_reach, middle + model.free_reach
        )
        beam = (float(row), float(column))
    return Candidate(
        float(np.clip(candidate.radius + step[3], *radius_range)),
        turned(candidate.orientation, step[:3]),
        float(np.clip(candidate.floor + step[4], *FLOORS)),
        beam,
        float(np.clip(candidate.blur + step[-1], 0.0, LARGEST_BLUR)) if model.margin else candidate.blur,
    )


def _half_square(left: FloatArray) -> float:
    return float(left @ left) / 2


def _sigmas(model: ForwardModel, slopes: FloatArray, left: FloatArray) -> tuple[float, float]:
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
    scores = unit * left[:, None]
    weights = 1 - abs(np.arange(-CORRELATED + 1, CORRELATED)) / CORRELATED
    images = model.on_detector(scores.T)
    spread = convolve1d(convolve1d(images, weights, 1, mode="constant"), weights, 2, mode="constant")
    between = np.einsum("ayx,byx->ab", images, spread)
    inverse = np.linalg.pinv(unit.T @ unit)
    covariance = inverse @ between @ inverse
    variance = np.maximum(np.diag(covariance), 0) / scale[used] ** 2
    return float(np.sqrt(variance[3])), float(np.sqrt(variance[:3].mean()))
