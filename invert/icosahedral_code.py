"""The orientation of an icosahedron as a point in 13 dimensions, smooth across the fundamental domain.

A quaternion in the fundamental domain jumps at the domain's surface. The lowest spherical harmonic that an
icosahedron has, of degree 6, turns with the body and does not tell its 60 equivalents apart: the sum of the
harmonics Y_6m over the body's six fivefold axes, as a vector in m, is a smooth and one-to-one image of
SO(3) / I on the unit sphere in 13 dimensions. The inner product of two such codes falls with the angle
between the orientations: 1 at 0, 0.58 at 15 and 0.1 at 25 degrees.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import sph_harm_y

from msft.rotation import from_axis_angle, from_rotation_vector, multiply, rotation_matrix
from msft.symmetry import GOLDEN_RATIO, random_orientations, to_fundamental_domain

FloatArray = NDArray[np.float64]

DEGREE = 6
SIZE = 2 * DEGREE + 1

CANDIDATES = 6000
"""Orientations from which decoding starts: the nearest lies within about 4 degrees, well inside the basin of
the Gauss-Newton steps (tests/invert/test_icosahedral_code.py)."""

STEPS = 6

LONGEST_STEP = 0.17
"""Radians."""

TERMS = 12
"""Of the exponential series that turns a code: a generator's eigenvalues are at most 6 i, so that what is
left out is below (6 * 0.17)^13 / 13! = 2e-10."""

_DIFFERENCE = 1e-5

_NOTHING = 1e-18
"""Terms that change no number of a code: the steps become short soon, and few terms are left."""


def _fivefold_axes() -> FloatArray:
    axes = [(0.0, 1.0, sign * GOLDEN_RATIO) for sign in (1, -1)]
    rolled = np.array([np.roll(axis, shift) for shift in range(3) for axis in axes])
    return np.asarray(rolled / np.linalg.norm(rolled, axis=1, keepdims=True))


def encode(orientation: FloatArray) -> FloatArray:
    """Codes of orientations.

    Parameters
    ----------
    orientation
        Unit quaternions, shape (N, 4).

    Returns
    -------
    Float64 array (N, 13) of unit vectors.
    """
    axes = rotation_matrix(orientation) @ _fivefold_axes().T  # (N, 3, 6)
    polar = np.arccos(np.clip(axes[:, 2], -1, 1))[..., None]
    azimuth = np.arctan2(axes[:, 1], axes[:, 0])[..., None]
    order = np.arange(DEGREE + 1)
    harmonics = sph_harm_y(DEGREE, order, polar, azimuth).sum(axis=1)  # (N, 7), orders 0 ... 6
    code = np.concatenate(
        [harmonics[:, :1].real, np.sqrt(2) * harmonics[:, 1:].real, np.sqrt(2) * harmonics[:, 1:].imag],
        axis=1,
    )
    return np.asarray(code / np.linalg.norm(code, axis=1, keepdims=True))


def decode(code: FloatArray) -> FloatArray:
    """The orientations whose codes are nearest.

    Parameters
    ----------
    code
        Any vectors, shape (N, 13); their lengths do not matter.

    Returns
    -------
    Unit quaternions in the fundamental domain, float64, shape (N, 4).
    """
    direction = code / np.maximum(np.linalg.norm(code, axis=1, keepdims=True), 1e-12)
    candidates, candidate_codes = _candidates()
    nearest = np.argmax(direction @ candidate_codes.T, axis=1)
    orientation, here = candidates[nearest], candidate_codes[nearest]
    for _ in range(STEPS):
        step = _gauss_newton(here, direction)
        orientation, here = multiply(from_rotation_vector(step), orientation), _turned(here, step)
    return to_fundamental_domain(orientation)


@cache
def slope() -> float:
    """Distance between the codes of orientations that hardly differ, per radian; it has no direction."""
    turned = from_axis_angle(np.eye(3)[:1], [_DIFFERENCE])
    moved = encode(turned) - encode(np.array([[1.0, 0.0, 0.0, 0.0]]))
    return float(np.linalg.norm(moved) / _DIFFERENCE)


def turning(turn: FloatArray) -> FloatArray:
    """The orthogonal matrix T (13, 13) with encode(turn q) = encode(q) T for every q: codes turn like bodies.

    Parameters
    ----------
    turn
        A unit quaternion (4,).
    """
    orientations, codes = (values[: 8 * SIZE] for values in _candidates())
    return np.asarray(np.linalg.lstsq(codes, encode(multiply(turn, orientations)), rcond=None)[0])


@cache
def _candidates() -> tuple[FloatArray, FloatArray]:
    orientations = random_orientations(np.random.default_rng(0), CANDIDATES)
    return orientations, encode(orientations)


@cache
def _generators() -> FloatArray:
    """Derivatives of `turning` by the angles about x, y and z at 0: antisymmetric matrices (3, 13, 13)."""
    ahead, behind = (
        [turning(from_axis_angle(axis, sign * _DIFFERENCE)) for axis in np.eye(3)] for sign in (1, -1)
    )
    slopes = (np.array(ahead) - np.array(behind)) / (2 * _DIFFERENCE)
    return np.asarray((slopes - np.swapaxes(slopes, 1, 2)) / 2)


def _gauss_newton(here: FloatArray, direction: FloatArray) -> FloatArray:
    """Rotation vectors (N, 3) about the lab's axes that bring codes nearer to a direction."""
    tangents = np.einsum("nk,akl->nla", here, _generators(), optimize=True)  # (N, 13, 3)
    residual = direction - here
    step = np.linalg.solve(
        np.swapaxes(tangents, 1, 2) @ tangents, np.swapaxes(tangents, 1, 2) @ residual[..., None]
    )[..., 0]
    # beyond about 10 degrees the linear model says nothing
    angle = np.linalg.norm(step, axis=1, keepdims=True)
    return np.asarray(step * (LONGEST_STEP / np.maximum(angle, LONGEST_STEP)))


def _turned(code: FloatArray, vector: FloatArray) -> FloatArray:
    """Codes (N, 13) of bodies that are turned by rotation vectors (N, 3) no longer than `LONGEST_STEP`."""
    # all generators at once, times all codes, is one product of two matrices
    generators = np.concatenate(_generators(), axis=1)
    result = term = code
    for order in range(1, TERMS + 1):
        moved = (term @ generators).reshape(len(code), 3, SIZE)
        term = np.einsum("na,nal->nl", vector / order, moved)
        result = result + term
        if not (np.abs(term) > _NOTHING).any():
            break
    return np.asarray(result)
