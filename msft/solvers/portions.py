"""Patterns portion by portion: so many at a time as fit into memory."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.backends.choice import Engine
from msft.bodies import Body
from msft.detector import ScatteringVectors
from msft.optics import Optics
from msft.particle import Particles
from msft.solvers import exact
from msft.solvers.overlay import Ahead, Meshes

PATTERNS = 256
"""Patterns of a portion, if they have no more pixels than `PIXELS` together."""

PIXELS = PATTERNS * 128**2
"""Pixels of a portion: with what is computed on the way they take about 150 MB in single precision."""


def amplitudes(
    body: Body,
    radii: NDArray[np.float64],
    orientations: NDArray[np.float64],
    optics: Optics,
    vectors: ScatteringVectors,
    by: Engine,
) -> NDArray[np.complexfloating]:
    """`exact.amplitudes` on the host.

    Raises
    ------
    ParameterError
        If the body is not a convex polyhedron.
    OSError
        If there is no memory for a single pattern.
    """
    parts: list[NDArray[np.complexfloating]] = []
    kernels = by.face_sums, by.reference, by.xp

    def portion(rows: slice, meshes: Meshes) -> None:
        parts.append(by.to_host(exact.amplitudes_of(meshes, radii[rows], optics, vectors, *kernels)))

    _with_meshes(portion, body, radii, orientations, vectors.x.size)
    if not parts:
        return by.to_host(exact.amplitudes(body, radii, orientations, optics, vectors, *kernels))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def fill(
    images: Any,
    pixel: NDArray[np.int64],
    particles: Particles,
    optics: Optics,
    vectors: ScatteringVectors,
    by: Engine,
    xp: Any = np,
) -> None:
    """Write the exact solver's intensities of N particles into an array, on the host or where they are.

    Where they stay on a GPU nothing waits for it in between: a portion is launched once its meshes are made,
    whatever the GPU still computes.

    Parameters
    ----------
    images
        Array (N, Q) of `xp`.
    pixel
        Which of the Q columns is that of each vector, shape (P,).
    particles, optics, vectors
        What is simulated, and where.
    by
        The back end.
    xp
        `by.xp`, if that is where the intensities stay; or `numpy`.

    Raises
    ------
    ParameterError
        If a body is not a convex polyhedron.
    OSError
        If there is no memory for a single pattern.
    """
    columns, kernels = xp.asarray(pixel), (by.face_sums, by.reference, by.xp)
    for body, members, rows in particles.groups():

        def portion(
            chosen: slice, meshes: Meshes, members: Particles = members, rows: NDArray[np.int64] = rows
        ) -> None:
            amplitude = exact.amplitudes_of(meshes, members.radius[chosen], optics, vectors, *kernels)
            values = intensities(amplitude, vectors, by.xp)
            place = xp.asarray(rows[chosen, None]), columns
            images[place] = values if xp is by.xp else by.to_host(values)

        _with_meshes(portion, body, members.radius, members.orientation, vectors.x.size)


def intensities(amplitude: Any, vectors: ScatteringVectors, xp: Any) -> Any:
    """|A|^2 times the pixels' weights, float32 (N, P), from A at scattering vectors in an array of `xp`."""
    weight = xp.asarray(vectors.weight.astype(np.float32))
    return (amplitude.real**2 + amplitude.imag**2).astype(np.float32) * weight


def _with_meshes(
    compute: Callable[[slice, Meshes], None],
    body: Body,
    radii: NDArray[np.float64],
    orientations: NDArray[np.float64],
    pixels: int,
) -> None:
    """`in_portions` with the rows' meshes, those of the next rows being made while some are computed."""
    with Ahead(exact.require_polyhedron(body), radii, orientations) as ahead:
        in_portions(lambda rows: compute(rows, ahead.of(rows)), len(radii), pixels)


def in_portions(compute: Callable[[slice], None], count: int, pixels: int) -> None:
    """Compute rows of a result, fewer at a time where memory is short.

    A portion that finds no memory is halved, and so are those after it.

    Parameters
    ----------
    compute
        Computes some rows; it raises `MemoryError`, which CuPy's ``OutOfMemoryError`` is, where they are too
        many, and can be asked for the same rows again.
    count
        Rows in all.
    pixels
        Of a row.

    Raises
    ------
    OSError
        If memory is too short for a single row.
    """
    most = max(1, min(PATTERNS, PIXELS // max(pixels, 1)))
    start = 0
    while start < count:
        rows = slice(start, min(start + most, count))
        try:
            compute(rows)
        except MemoryError:
            most = (rows.stop - start) // 2
            if not most:
                raise OSError(errno.ENOMEM, f"no memory for one pattern of {pixels} pixels") from None
            continue
        start = rows.stop
