"""From a droplet to its labels: what an image of it shows, by rules that know only the particle.

- ``empty``: there is no droplet.
- ``asymmetric``: two droplets have merged; then nothing is said of the shape, unless the second is small, at
  most `BUMP` of the first. Or the inner layer is off the centre.
- ``prolate``: the longest axis stands out from the other two (it exceeds the middle one by more than the
  middle one the shortest), and the outline across the beam is at least `ELONGATED` times longer than wide.
- ``oblate``: every other droplet; ``round`` if the outline's width is at least `ROUND` times its length,
  else ``elliptical``.
- ``streak``: longest over shortest axis at least `SLENDER`, of prolate droplets, or `FLAT` of oblate ones
  whose outline is that narrow, too. ``bent``: such a droplet, or a prolate one, whose long axis (whose plane,
  if oblate) is tilted out of the detector's plane by at least `TILTED`; a disc has one of the two labels.
- ``newton_rings``, ``double_rings``: of two droplets apart, one behind the other, whose interference fringes
  are finer than the rings of the larger one, or about as wide; see `fringes_per_ring`.
- ``layered``: shells of two densities with one centre.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, Dumbbell, Ellipsoid, Layered, Nothing, Sphere, Twins
from msft.errors import ParameterError
from msft.helium.labels import NAMES
from msft.particle import Particles
from msft.rotation import rotation_matrix

FloatArray = NDArray[np.float64]

ROUND, ELONGATED = 0.9, 1.25
"""Least width over length of a round outline; least length over width of an elongated one."""

SLENDER, FLAT = 2.2, 4.0
"""Least ratio of the longest to the shortest axis that makes a streak, of prolate droplets and of discs."""

BUMP = 0.6
"""Largest size of a second droplet, in sizes of the first, that is but a bump on it."""

TILTED = math.radians(15)
"""Least tilt of the long axis out of the detector's plane that bends a streak."""

NEWTON, DOUBLE = 1.5, 0.7
"""Least number of interference fringes per ring of Newton rings and of double rings."""

LARGEST_ANGLE = math.radians(30)
"""To which the images reach (Zimmermann et al. 2019, section 2)."""


def labels_of(particles: Particles) -> NDArray[np.uint8]:
    """The labels of some droplets.

    Returns
    -------
    uint8 array (N, 11), columns in the order of `msft.helium.labels.NAMES`.

    Raises
    ------
    ParameterError
        If a body is no droplet: none of sphere, ellipsoid, capsule, layered, twins, nothing.
    """
    labels = np.zeros((len(particles), len(NAMES)), dtype=np.uint8)
    for body, members, rows in particles.groups():
        for row, rotation in zip(rows, rotation_matrix(members.orientation), strict=True):
            shown = _shown(body, rotation)
            labels[row] = [name in shown for name in NAMES]
    return labels


def _shown(body: Body, rotation: FloatArray) -> set[str]:
    if isinstance(body, Nothing):
        return {"empty"}
    merged = isinstance(body, Twins) and not body.apart
    if isinstance(body, Twins) and merged and body.second > BUMP:
        return {"asymmetric"}
    shown = _shape(body, rotation)
    if merged:
        shown.add("asymmetric")
    if isinstance(body, Layered):
        shown.add("asymmetric" if body.offset else "layered")
    if isinstance(body, Twins) and not merged:
        fringes = fringes_per_ring(body, rotation)
        if fringes >= DOUBLE:
            shown.add("newton_rings" if fringes >= NEWTON else "double_rings")
    return shown


def _shape(body: Body, rotation: FloatArray) -> set[str]:
    """What the outline and the tilt say."""
    semi_axes, ends = _axes(body)
    short, middle, long = np.sort(semi_axes)
    width, length = outline(semi_axes, ends, rotation)
    slenderness = long / short
    if middle**2 < short * long and length >= ELONGATED * width:
        tilt = math.asin(min(1.0, abs(rotation[2, np.argmax(semi_axes)])))
        streak, bent = slenderness >= SLENDER, tilt >= TILTED
        return {"prolate"} | ({"streak"} if streak else set()) | ({"bent"} if bent else set())
    if width >= ROUND * length:
        return {"oblate", "round"}
    shown = {"oblate", "elliptical"}
    if slenderness >= FLAT and length >= SLENDER * width:
        # the plane of a disc holds the beam if its axis lies in the detector's plane
        tilt = math.asin(min(1.0, abs(rotation[2, np.argmin(semi_axes)])))
        shown.add("bent" if tilt >= TILTED else "streak")
    return shown


def _axes(body: Body) -> tuple[FloatArray, float]:
    """Semi-axes of a droplet, and how much of the longest, z, are round ends rather than a spheroid."""
    if isinstance(body, Sphere):
        return np.ones(3), 0.0
    if isinstance(body, Ellipsoid | Layered | Twins):
        return np.array(body.semi_axes), 0.0
    if isinstance(body, Dumbbell) and body.neck_radius == body.lobe_radius:
        r = body.lobe_radius
        return np.array([r, r, body.half_distance + body.lobe_height]), body.lobe_height
    allowed = "a droplet: sphere, ellipsoid, capsule, layered, twins or nothing"
    raise ParameterError("body", body.name, allowed)


def outline(semi_axes: FloatArray, ends: float, rotation: FloatArray) -> tuple[float, float]:
    """Half the width and half the length of a droplet as the beam sees it.

    Parameters
    ----------
    semi_axes
        Along x, y, z of the body, shape (3,).
    ends
        0 for an ellipsoid; for a capsule along z the height of its round ends.
    rotation
        R(q), shape (3, 3).

    Returns
    -------
    Both in units of `semi_axes`.
    """
    if ends:
        # two ellipsoids and what lies between them: the shadow of one, drawn out by the axis' projection
        half = semi_axes[2] - ends
        lobe = np.array([semi_axes[0], semi_axes[1], ends])
        width, length = outline(lobe, 0.0, rotation)
        return width, length + half * float(np.hypot(*rotation[:2, 2]))
    # an ellipsoid's support function: squared, a quadratic form, of which the beam sees the part across
    across = rotation[:2] * semi_axes
    width, length = np.sqrt(np.linalg.eigvalsh(across @ across.T))
    return float(width), float(length)


def fringes_per_ring(twins: Twins, rotation: FloatArray) -> float:
    """Interference fringes of two droplets over rings of the larger one, up to 30 degrees.

    Of the path difference d (1 - cos theta) along the beam, over the 2 r sin theta of a droplet of radius r
    across it; the wavelength drops out.

    Parameters
    ----------
    twins
        The droplets.
    rotation
        R(q), shape (3, 3).
    """
    along = twins.distance * abs(float(rotation[2, 2]))
    _, radius = outline(np.array(twins.semi_axes), 0.0, rotation)
    return along * (1 - math.cos(LARGEST_ANGLE)) / (2 * radius * math.sin(LARGEST_ANGLE))
