"""Where the outlines of a body, or its edges, cross as they are seen along the beam, compiled."""

from __future__ import annotations

import math

import numba
import numpy as np

from msft.bodies.creases import CENTRE, COSINE, LEAST, OUTLINE, SINE
from msft.bodies.shape import COMPILED

ITERATIONS = 80
"""Of the roots of a quartic: each halves the error of a double root, from where the others have converged."""


@numba.njit(**COMPILED)
def overlaps(curves, edges):  # type: ignore[no-untyped-def]
    """Points (N, 2) where two outlines cross in (x, y): where one begins to hide behind another.

    With `edges`, those where two straight edges cross, too.
    """
    found, count = np.empty((2 * len(curves) ** 2, 2)), 0
    for second in range(len(curves)):
        for first in range(second):
            if edges and not (curves[first, SINE:OUTLINE].any() or curves[second, SINE:OUTLINE].any()):
                count += _edges_cross(curves[first], curves[second], found[count])
            if curves[first, OUTLINE] != 0 and curves[second, OUTLINE] != 0:
                curved = curves[second, SINE : SINE + 3].any()
                a, b = (first, second) if curved else (second, first)
                count += _crossings(curves[a], curves[b], found[count:])
    return found[:count]


@numba.njit(**COMPILED)
def _edges_cross(a, b, found):  # type: ignore[no-untyped-def]
    """Write where two segments cross in (x, y), but for their ends; whether they do."""
    p, q, r, s = a[COSINE], a[COSINE + 1], b[COSINE], b[COSINE + 1]
    area = p * s - q * r
    if abs(area) < 1e-9 * max(abs(p), abs(q), abs(r), abs(s)) ** 2:
        return False
    x, y = b[CENTRE] - a[CENTRE], b[CENTRE + 1] - a[CENTRE + 1]
    along, beside = (x * s - y * r) / area, (x * q - y * p) / area
    found[0], found[1] = a[CENTRE] + along * p, a[CENTRE + 1] + along * q
    return max(abs(along), abs(beside)) < 1 - 1e-6


@numba.njit(**COMPILED)
def _crossings(a, b, found):  # type: ignore[no-untyped-def]
    """Write where curve a meets the ellipse b, in (x, y): at most four points; how many there are."""
    p, q, r, s = b[COSINE], b[SINE], b[COSINE + 1], b[SINE + 1]
    area = p * s - q * r
    if abs(area) < 1e-9 * max(abs(p), abs(q), abs(r), abs(s)) ** 2:
        return 0
    # in units in which b is the unit circle
    centre, cosine, sine = a[CENTRE:COSINE], a[COSINE:SINE], a[SINE:OUTLINE]
    x, y = centre[0] - b[CENTRE], centre[1] - b[CENTRE + 1]
    d = (s * x - q * y) / area, (p * y - r * x) / area
    u = (s * cosine[0] - q * cosine[1]) / area, (p * cosine[1] - r * cosine[0]) / area
    v = (s * sine[0] - q * sine[1]) / area, (p * sine[1] - r * sine[0]) / area
    turns, count = np.empty(4, np.complex128), 0
    for i in range(_meeting_the_unit_circle(d, u, v, turns)):
        c, s = turns[i].real, turns[i].imag
        if c > a[LEAST] - 1e-6 and d[0] + u[0] * c + v[0] * s > b[LEAST] - 1e-6:
            for j in range(2):
                found[count, j] = centre[j] + c * cosine[j] + s * sine[j]
            count += 1
    return count


@numba.njit(**COMPILED)
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1]


@numba.njit(**COMPILED)
def _meeting_the_unit_circle(d, u, v, turns):  # type: ignore[no-untyped-def]
    """Write e^{i t} where d + u cos t + v sin t, in the plane, has length 1; how many there are."""
    count = 0
    if _dot(v, v) == 0:  # a segment: a quadratic equation for cos t
        middle, square = -_dot(d, u) / _dot(u, u), (1 - _dot(d, d)) / _dot(u, u)
        square += middle * middle
        for sign in (-1.0, 1.0):
            cosine = middle + sign * math.sqrt(max(square, 0.0))
            if square > 0 and abs(cosine) < 1 + 1e-6:
                turns[count] = cosine
                count += 1
        return count
    # twice z^4 + once z^3 + mean z^2 + once* z + twice* = 0, z = e^{i t}
    twice = complex(_dot(u, u) - _dot(v, v), -2 * _dot(u, v)) / 4
    once, mean = complex(_dot(d, u), -_dot(d, v)), _dot(d, d) - 1 + (_dot(u, u) + _dot(v, v)) / 2
    nothing = 1e-13 * max(abs(twice), abs(once), abs(mean))
    roots = np.empty(4, np.complex128)
    if abs(twice) > nothing:
        _roots_of_quartic(twice, once, mean, roots)
    elif abs(once) > nothing:  # of two equal curves one root is 0, another infinite
        root = np.sqrt(complex(mean * mean - 4 * abs(once) ** 2))
        roots[:2] = (-mean - root) / (2 * once), (-mean + root) / (2 * once)
        roots[2:] = 0.0
    else:
        roots[:] = 0.0
    for i in range(4):
        if abs(abs(roots[i]) - 1) < 1e-6:
            turns[count] = roots[i]
            count += 1
    return count


@numba.njit(**COMPILED)
def _roots_of_quartic(twice, once, mean, roots):  # type: ignore[no-untyped-def]
    """Write the roots of twice z^4 + once z^3 + mean z^2 + once* z + twice* (Durand-Kerner)."""
    for i in range(4):
        roots[i] = (0.4 + 0.9j) ** i
    for _ in range(ITERATIONS):
        largest = 0.0
        for i in range(4):
            z = roots[i]
            step = (((twice * z + once) * z + mean) * z + once.conjugate()) * z + twice.conjugate()
            step /= twice
            for j in range(4):
                if j != i and z != roots[j]:
                    step /= z - roots[j]
            roots[i] = z - step
            largest = max(largest, abs(step))
        if largest < 1e-15:
            return
