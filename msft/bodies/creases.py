"""Curves where the chords of a body are not smooth functions of the lateral position."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import FloatArray
from msft.bodies.lines import across


class Crease(NamedTuple):
    """One curve; see `Creases`."""

    centre: FloatArray
    cosine: FloatArray
    sine: FloatArray
    outline: bool
    least: float = -1.0


class Creases(NamedTuple):
    """Curves centre + cosine cos t + sine sin t in space; a segment has sine = 0.

    Seen along the beam, the chords are analytic between them: at the silhouette of a curved surface they set
    in with a square root, at an edge with a kink or a step.

    Attributes
    ----------
    centre, cosine, sine
        Shape (C, 3), in the body's frame, at unit circumsphere radius.
    round
        Whether the chords have a square root at any of them: whether the body has curved surfaces.
    outline
        Whether the beam touches a curved surface there, shape (C,).
    least
        The smallest cos t on the curve, shape (C,): -1 of a whole one, more if the rest is inside the body.
    """

    centre: FloatArray
    cosine: FloatArray
    sine: FloatArray
    round: bool
    outline: NDArray[np.bool_]
    least: FloatArray

    @property
    def curves(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Centre, cosine, sine and least: what compiled code reads."""
        return self.centre, self.cosine, self.sine, self.least

    def turned(self, rotation: FloatArray, radius: float) -> Creases:
        """In nm in the lab frame."""
        turn = radius * rotation.T
        return self._replace(centre=self.centre @ turn, cosine=self.cosine @ turn, sine=self.sine @ turn)

    def heights(self) -> FloatArray:
        """Heights y where the curves turn back or end, shape (N,)."""
        middle, c, s = self.centre[:, 1], self.cosine[:, 1], self.sine[:, 1]
        reach = np.hypot(c, s)
        # cos t is c / reach at the highest point and -c / reach at the lowest
        highest, lowest = (
            (middle + reach)[c >= self.least * reach],
            (middle - reach)[-c >= self.least * reach],
        )
        end = np.sqrt(1 - self.least**2) * s
        ends = (middle + self.least * c + np.stack([-end, end]))[:, self.least > -1]
        return np.concatenate([lowest, highest, *ends])

    def overlaps(self) -> FloatArray:
        """Points (N, 2) where two outlines cross in (x, y): where one begins to hide behind another."""
        pairs = itertools.combinations(np.flatnonzero(self.outline).tolist(), 2)
        found = [self._crossings(a, b) if self.sine[b].any() else self._crossings(b, a) for a, b in pairs]
        return np.concatenate([np.empty((0, 2)), *found])

    def _crossings(self, a: int, b: int) -> FloatArray:
        """Where curve a meets the ellipse b, in (x, y)."""
        ellipse = np.column_stack([self.cosine[b, :2], self.sine[b, :2]])
        if abs(np.linalg.det(ellipse)) < 1e-9 * np.abs(ellipse).max() ** 2:
            return np.empty((0, 2))
        # in units in which b is the unit circle
        curve = np.stack([self.centre[a, :2] - self.centre[b, :2], self.cosine[a, :2], self.sine[a, :2]])
        d, u, v = np.linalg.solve(ellipse, curve.T).T
        cosine, sine = _meeting_the_unit_circle(d, u, v)
        on_both = (cosine > self.least[a] - 1e-6) & (
            d[0] + u[0] * cosine + v[0] * sine > self.least[b] - 1e-6
        )
        cosine, sine = cosine[on_both, None], sine[on_both, None]
        return np.asarray(self.centre[a, :2] + cosine * self.cosine[a, :2] + sine * self.sine[a, :2])

    @staticmethod
    def of(*curves: Crease) -> Creases:
        """The curves of a body with curved surfaces."""
        vectors = np.array([curve[:3] for curve in curves], dtype=np.float64).reshape(-1, 3, 3)
        outline = np.array([curve.outline for curve in curves], dtype=np.bool_)
        least = np.array([curve.least for curve in curves], dtype=np.float64)
        return Creases(vectors[:, 0], vectors[:, 1], vectors[:, 2], True, outline, least)


def _meeting_the_unit_circle(d: FloatArray, u: FloatArray, v: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Cosine and sine of t where d + u cos t + v sin t, in the plane, has length 1."""
    if not v.any():  # a segment: a quadratic equation for cos t
        middle, square = -(d @ u) / (u @ u), (1 - d @ d) / (u @ u)
        square += middle * middle
        if square <= 0:
            return np.empty(0), np.empty(0)
        cosine = middle + math.sqrt(square) * np.array([-1.0, 1.0])
        cosine = cosine[np.abs(cosine) < 1 + 1e-6]
        return cosine, np.zeros_like(cosine)
    # a quartic for e^{i t}
    twice = complex((u @ u - v @ v) / 4, -(u @ v) / 2)
    once = complex(d @ u, -(d @ v))
    quartic = np.array([twice, once, d @ d - 1 + (u @ u + v @ v) / 2, once.conjugate(), twice.conjugate()])
    quartic[np.abs(quartic) < 1e-13 * np.abs(quartic).max()] = 0
    roots = np.roots(quartic)
    turn = roots[np.abs(np.abs(roots) - 1) < 1e-6]
    return turn.real, turn.imag


def silhouette(semi_axes: FloatArray, height: float, direction: FloatArray) -> Crease:
    """Where lines of a direction touch an ellipsoid with its centre at (0, 0, height)."""
    axis = direction / semi_axes
    axis /= np.linalg.norm(axis)
    first, second = across(axis)
    return Crease(np.array([0.0, 0.0, height]), semi_axes * first, semi_axes * second, True)


def beyond(height: float, side: float, crease: Crease) -> list[Crease]:
    """The part of a curve on one side (1 or -1) of the plane z = height; none if there is no part."""
    rise, fall = side * crease.cosine[2], side * crease.sine[2]
    reach, wanted = math.hypot(rise, fall), side * (height - crease.centre[2])
    if reach <= abs(wanted):
        return [crease] if wanted < 0 else []
    c, s = rise / reach, fall / reach  # t is 0 at the point that is farthest from the plane
    cosine, sine = c * crease.cosine + s * crease.sine, c * crease.sine - s * crease.cosine
    return [crease._replace(cosine=cosine, sine=sine, least=wanted / reach)]


def ring(height: float, semi_axis_x: float, semi_axis_y: float) -> Crease:
    """An edge around the z axis."""
    centre = np.array([0.0, 0.0, height])
    return Crease(centre, np.array([semi_axis_x, 0.0, 0.0]), np.array([0.0, semi_axis_y, 0.0]), False)


def cylinder_sides(radius: float, half_length: float, direction: FloatArray) -> list[Crease]:
    """The two segments where lines of a direction touch a cylinder around the z axis; none along it."""
    speed = math.hypot(direction[0], direction[1])
    if speed < 1e-9:
        return []
    side = radius / speed * np.array([-direction[1], direction[0], 0.0])
    along = np.array([0.0, 0.0, half_length])
    return [Crease(sign * side, along, np.zeros(3), True) for sign in (-1.0, 1.0)]
