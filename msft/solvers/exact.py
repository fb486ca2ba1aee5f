"""The exact amplitude of a convex polyhedron with absorption: no grid, no slices.

Along the beam the multi-slice integral is closed,

    A (s - i q_z) = integral over x, y of e^{-i q.r} [e^{i q_z z_in} - e^{-s (z_out - z_in)} e^{i q_z z_out}],

and z_in, z_out are linear on the cells of the projected mesh (`msft.solvers.overlay`), on which an
exponential of a linear function has a closed integral.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, ConvexPolyhedron
from msft.detector import ScatteringVectors
from msft.errors import ParameterError
from msft.optics import Optics
from msft.solvers.overlay import Meshes, meshes


class Circle(NamedTuple):
    """How A is found next to its removable pole s = i q_z, where it would be 0 / 0 itself.

    A e^{s R} is entire in s; its n-th Taylor coefficient is at most R^n / n! times the volume, since paths
    are 0 to 2 R long. Its mean over `points` points of a circle of radius r / R around s is therefore its
    value at s to r^points / points! (Cauchy).

    Attributes
    ----------
    near
        Pixels with |s - i q_z| R below this are taken from the circle, the others lose a factor of its
        inverse in precision.
    radius
        r, of the circle: so far from `near` that the circle keeps clear of the pole.
    points
        On the circle.
    """

    near: float
    radius: float
    points: int


CIRCLES = {"complex64": Circle(0.35, 0.85, 11), "complex128": Circle(0.1, 0.5, 14)}
"""By precision: to 0.85^11 / 11! = 4e-9 and 0.5^14 / 14! = 7e-16. With more digits, fewer are near."""

AT_ONCE = 2**22
"""Values on circles that are computed together: a few times 64 MB."""


class FaceSums(Protocol):
    """What a back end gives: see `msft.backends.with_numpy.face_sums`."""

    def __call__(  # noqa: D102
        self,
        meshes: Meshes,
        vectors: ScatteringVectors,
        s: complex | NDArray[np.complex128],
        wanted: NDArray[np.int64] | None = None,
    ) -> Any: ...


def amplitudes(
    body: Body,
    radii: NDArray[np.float64],
    orientations: NDArray[np.float64],
    optics: Optics,
    vectors: ScatteringVectors,
    face_sums: FaceSums,
    reference: FaceSums,
    xp: Any = np,
) -> Any:
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
    xp
        Namespace of the back end's arrays: `numpy` or `cupy`.

    Returns
    -------
    Complex array of `xp` (N, P) in nm^3.

    Raises
    ------
    ParameterError
        If the body is not a convex polyhedron.
    """
    made = meshes(require_polyhedron(body), radii, orientations)
    return amplitudes_of(made, radii, optics, vectors, face_sums, reference, xp)


def amplitudes_of(
    mesh: Meshes,
    radii: NDArray[np.float64],
    optics: Optics,
    vectors: ScatteringVectors,
    face_sums: FaceSums,
    reference: FaceSums,
    xp: Any = np,
) -> Any:
    """`amplitudes` from the meshes of the particles."""
    s = optics.attenuation
    rate = s - 1j * vectors.z
    amplitude = face_sums(mesh, vectors, s)
    circle = CIRCLES[str(amplitude.dtype)]
    amplitude /= xp.asarray(np.where(rate == 0, 1.0, rate).astype(amplitude.dtype))
    away = abs(rate)
    if away.min(initial=np.inf) * radii.min(initial=np.inf) >= circle.near:
        return amplitude  # most often: an absorbing particle has no pixel near the pole
    # with the pixels in the order of |rate|, those near the pole are the first ones of every particle
    order = np.argsort(away, kind="stable")
    counts = np.searchsorted(away[order], circle.near / radii)
    by_size = np.argsort(-counts, kind="stable")
    most = AT_ONCE // circle.points
    for first in range(0, counts.max(initial=0), most):
        left = np.clip(counts - first, 0, most)
        few = by_size[: np.count_nonzero(left)]
        for start in range(0, len(few), most // left[few[0]]):
            some = few[start : start + most // left[few[0]]]
            pixels = order[first : first + left[some[0]]]
            near = xp.asarray(np.arange(pixels.size) < left[some, None])
            around = _around_pole(
                mesh.only(some), vectors.only(pixels), s, radii[some], left[some], circle, reference, xp
            )
            place = xp.asarray(some[:, None]), xp.asarray(pixels)
            amplitude[place] = xp.where(near, around.astype(amplitude.dtype), amplitude[place])
    return amplitude


def require_polyhedron(body: Body) -> ConvexPolyhedron:
    """The body, if this solver has its exact answer; else a `ParameterError`."""
    if not isinstance(body, ConvexPolyhedron):
        raise ParameterError("solver", "exact", f"chebyshev, slices or propagation for the body {body.name}")
    return body


def _around_pole(
    mesh: Meshes,
    vectors: ScatteringVectors,
    s: complex,
    radii: NDArray[np.float64],
    counts: NDArray[np.int64],
    circle: Circle,
    face_sums: FaceSums,
    xp: Any,
) -> Any:
    """The mean of A e^{(s' - s) R} over a circle of s' around s, at the first `counts` pixels of meshes."""
    step = circle.radius * np.exp(2j * np.pi * (np.arange(circle.points) + 0.5) / circle.points)
    on_circle = s + step / radii[:, None]
    sums = face_sums(mesh, vectors, on_circle, counts)
    rate = xp.asarray(on_circle)[:, :, None] - 1j * xp.asarray(vectors.z)
    # a pixel that is not wanted may lie on the pole: 0 / 0
    rate = xp.where(rate == 0, 1, rate)
    return (sums * xp.asarray(np.exp(step) / circle.points)[:, None] / rate).sum(axis=1)
