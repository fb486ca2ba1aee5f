"""Curves where the chords of a body are not smooth functions of the lateral position."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.bodies.body import FloatArray
from msft.bodies.lines import across

Crease = tuple[FloatArray, FloatArray, FloatArray, bool]


class Creases(NamedTuple):
    """Closed curves centre + cosine cos t + sine sin t in space; a segment has sine = 0.

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
    """

    centre: FloatArray
    cosine: FloatArray
    sine: FloatArray
    round: bool
    outline: NDArray[np.bool_]

    def turned(self, rotation: FloatArray, radius: float) -> Creases:
        """In nm in the lab frame."""
        turn = radius * rotation.T
        return Creases(self.centre @ turn, self.cosine @ turn, self.sine @ turn, self.round, self.outline)

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
        # in units in which b is the unit circle, |d + u cos t + v sin t|^2 = 1: a quartic for e^{i t}
        curve = np.stack([self.centre[a, :2] - self.centre[b, :2], self.cosine[a, :2], self.sine[a, :2]])
        d, u, v = np.linalg.solve(ellipse, curve.T).T
        twice = complex((u @ u - v @ v) / 4, -(u @ v) / 2)
        once = complex(d @ u, -(d @ v))
        quartic = np.array(
            [twice, once, d @ d - 1 + (u @ u + v @ v) / 2, once.conjugate(), twice.conjugate()]
        )
        quartic[np.abs(quartic) < 1e-13 * np.abs(quartic).max()] = 0
        roots = np.roots(quartic)
        real = roots[np.abs(np.abs(roots) - 1) < 1e-6]
        return np.asarray(
            self.centre[a, :2]
            + np.outer(real.real, self.cosine[a, :2])
            + np.outer(real.imag, self.sine[a, :2])
        )

    @staticmethod
    def of(*curves: Crease) -> Creases:
        """From one (centre, cosine, sine, outline) for each curve of a body with curved surfaces."""
        vectors = np.array([curve[:3] for curve in curves], dtype=np.float64).reshape(-1, 3, 3)
        outline = np.array([curve[3] for curve in curves], dtype=np.bool_)
        return Creases(vectors[:, 0], vectors[:, 1], vectors[:, 2], True, outline)


def silhouette(semi_axes: FloatArray, height: float, direction: FloatArray) -> Crease:
    """Where lines of a direction touch an ellipsoid with its centre at (0, 0, height)."""
    axis = direction / semi_axes
    axis /= np.linalg.norm(axis)
    first, second = across(axis)
    return np.array([0.0, 0.0, height]), semi_axes * first, semi_axes * second, True


def ring(height: float, semi_axis_x: float, semi_axis_y: float) -> Crease:
    """An edge around the z axis."""
    centre = np.array([0.0, 0.0, height])
    return centre, np.array([semi_axis_x, 0.0, 0.0]), np.array([0.0, semi_axis_y, 0.0]), False


def cylinder_sides(radius: float, half_length: float, direction: FloatArray) -> list[Crease]:
    """The two segments where lines of a direction touch a cylinder around the z axis; none along it."""
    speed = math.hypot(direction[0], direction[1])
    if speed < 1e-9:
        return []
    side = radius / speed * np.array([-direction[1], direction[0], 0.0])
    along = np.array([0.0, 0.0, half_length])
    return [(sign * side, along, np.zeros(3), True) for sign in (-1.0, 1.0)]
