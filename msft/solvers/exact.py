"""The exact amplitude of a convex polyhedron with absorption: no grid, no slices.

Along the beam the multi-slice integral is closed,

    A (s - i q_z) = integral over x, y of e^{-i q.r} [e^{i q_z z_in} - e^{-s (z_out - z_in)} e^{i q_z z_out}],

and z_in, z_out are linear on the cells of the projected mesh (`msft.solvers.overlay`), on which an
exponential of a linear function has a closed integral.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, ConvexPolyhedron
from msft.detector import ScatteringVectors
from msft.errors import ParameterError
from msft.optics import Optics
from msft.solvers.overlay import Meshes, meshes

NEAR_POLE = 0.5
"""Pixels with |s - i q_z| R below this are taken from a circle in s around the removable pole."""

CIRCLE = 24
"""Points on that circle. A is entire in s with Taylor coefficients below (2 R)^n / n! of the volume, so the
mean over the circle of radius 1 / R is A to 2^24 / 24! = 3e-17 (Cauchy)."""


class FaceSums(Protocol):
    """What a back end gives: see `msft.backends.with_numpy.face_sums`."""

    def __call__(  # noqa: D102
        self, meshes: Meshes, vectors: ScatteringVectors, s: complex
    ) -> NDArray[np.complexfloating]: ...


def amplitudes(
    body: Body,
    radii: NDArray[np.float64],
    orientations: NDArray[np.float64],
    optics: Optics,
    vectors: ScatteringVectors,
    face_sums: FaceSums,
    reference: FaceSums,
) -> NDArray[np.complexfloating]:
    """Scattering amplitudes of N particles.

    Parameters
    ----------
    body
        A convex polyhedron.
    radii, orientations
        Circumsphere radii (N,) in nm and unit quaternions (N, 4).
    optics
        Wavelength and absorption.
    vectors
        Where A is wanted: any points of the Ewald sphere.
    face_sums
        The back end for the mesh integrals; its dtype is the result's.
    reference
        The double-precision back end for the few pixels near s = i q_z.

    Returns
    -------
    Complex array (N, P) in nm^3.

    Raises
    ------
    ParameterError
        If the body is not a convex polyhedron.
    """
    body = require_polyhedron(body)
    s = optics.attenuation
    rate = s - 1j * vectors.z
    mesh = meshes(body, radii, orientations)
    sums = face_sums(mesh, vectors, s)
    amplitude = sums / np.where(rate == 0, 1.0, rate).astype(sums.dtype)
    for particle, radius in enumerate(radii):
        near = np.abs(rate) * radius < NEAR_POLE
        if near.any():
            alone = mesh.only(particle)
            amplitude[particle, near] = _around_pole(alone, vectors.only(near), s, radius, reference)
    return np.asarray(amplitude)


def require_polyhedron(body: Body) -> ConvexPolyhedron:
    """The body, if this solver has its exact answer; else a `ParameterError`."""
    if not isinstance(body, ConvexPolyhedron):
        raise ParameterError("solver", "exact", f"chebyshev or slices for the body {body.name}")
    return body


def _around_pole(
    mesh: Meshes, vectors: ScatteringVectors, s: complex, radius: float, face_sums: FaceSums
) -> NDArray[np.complexfloating]:
    """The mean of A over a circle of radius 1 / R around s, where A itself would be 0 / 0."""
    total = np.zeros(vectors.x.size, dtype=np.complex128)
    for angle in 2 * np.pi * (np.arange(CIRCLE) + 0.5) / CIRCLE:
        s_on_circle = s + np.exp(1j * angle) / radius
        total += face_sums(mesh, vectors, s_on_circle)[0] / (s_on_circle - 1j * vectors.z)
    return total / CIRCLE
