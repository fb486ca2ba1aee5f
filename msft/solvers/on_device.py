"""The Chebyshev solver on a GPU: columns are made on the host, all else is computed where it stays.

The columns (`msft.solvers.quadrature`) of some particles are made while the GPU transforms those of the
particles before (`msft.backends.chebyshev_cupy`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.backends.choice import Engine
from msft.bodies import Body, ChordedBody
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import Particles
from msft.solvers.chebyshev import SINGLE, Common, Images, check_accuracy
from msft.solvers.portions import in_portions, intensities
from msft.solvers.projection import Projection
from msft.solvers.quadrature import Columns

FloatArray = NDArray[np.float64]

TOGETHER = 32
"""Particles whose columns are made at a time."""


def amplitudes(
    bodies: Sequence[Body],
    radii: FloatArray,
    orientations: FloatArray,
    optics: Optics,
    detector: EwaldDetector,
    accuracy: float = 1e-3,
    double: bool = False,
) -> Any:
    """`chebyshev.amplitudes` by ``cupy``, left on the GPU.

    Parameters
    ----------
    bodies, radii, orientations
        A body, circumsphere radius in nm and unit quaternion of each particle: (N,), (N,), (N, 4).
    optics, detector, accuracy, double
        As for `chebyshev.amplitudes`.

    Returns
    -------
    CuPy array (N, n, n) in nm^3, zero where q_perp >= k; complex64 unless `double`.

    Raises
    ------
    MemoryError
        If the GPU has none for that many particles.
    ParameterError
        See `chebyshev.amplitudes`.
    """
    from msft.backends import chebyshev_cupy as kernels

    check_accuracy(accuracy)
    xp, _ = kernels.arrays()
    shape = len(bodies), detector.pixels, detector.pixels
    images = xp.zeros(shape, np.complex128 if double else np.complex64)
    for members in _alike(bodies):
        common = Common.of(bodies[members[0]], radii[members], optics, detector, accuracy)

        def make(particle: int, common: Common = common) -> Columns | Projection:
            return common.made(bodies[particle], radii[particle], orientations[particle])

        for rows, made in _ahead(make, members, kernels.threads()):
            found = kernels.amplitudes(made, common.series, double or accuracy < SINGLE)
            images[xp.asarray(rows)] = found.astype(images.dtype)
    return images


def on_host(
    body: Body,
    radii: FloatArray,
    orientations: FloatArray,
    optics: Optics,
    detector: EwaldDetector,
    accuracy: float,
    double: bool,
    by: Engine,
) -> Images:
    """`chebyshev.amplitudes` by ``cupy``, `by`.

    Raises
    ------
    OSError
        If there is no memory for a single pattern.
    ParameterError
        See `chebyshev.amplitudes`.
    """
    images = np.empty(
        (len(radii), detector.pixels, detector.pixels), np.complex128 if double else np.complex64
    )

    def portion(rows: slice) -> None:
        some = [body] * len(radii[rows]), radii[rows], orientations[rows]
        images[rows] = by.to_host(amplitudes(*some, optics, detector, accuracy, double))

    in_portions(portion, len(radii), detector.pixels**2)
    return images


def fill(
    images: Any,
    particles: Particles,
    optics: Optics,
    detector: EwaldDetector,
    accuracy: float,
    double: bool,
    by: Engine,
    xp: Any = np,
) -> None:
    """Write the intensities of N particles into an array, on the host or on the GPU.

    Parameters
    ----------
    images
        Array (N, n^2) of `xp`.
    particles, optics, detector, accuracy, double
        What is simulated, and how.
    by
        The back end ``cupy``.
    xp
        `by.xp`, if that is where the intensities stay; or `numpy`.

    Raises
    ------
    OSError
        If there is no memory for a single pattern.
    ParameterError
        See `chebyshev.amplitudes`.
    """
    vectors = detector.scattering_vectors(optics.wavenumber)
    pixel, columns = by.xp.asarray(vectors.pixel), xp.asarray(vectors.pixel)
    bodies: dict[int, Body] = {}
    for body, _, members in particles.groups():
        bodies.update(dict.fromkeys(members.tolist(), body))

    def portion(rows: slice) -> None:
        some = [bodies[row] for row in range(len(particles))[rows]]
        where = particles.radius[rows], particles.orientation[rows]
        amplitude = amplitudes(some, *where, optics, detector, accuracy, double)
        values = intensities(amplitude.reshape(len(some), -1)[:, pixel], vectors, by.xp)
        images[rows, columns] = values if xp is by.xp else by.to_host(values)

    in_portions(portion, len(particles), detector.pixels**2)


def _alike(bodies: Sequence[Body]) -> list[list[int]]:
    """Numbers of the particles that a launch can have in common."""
    kinds: dict[Any, list[int]] = {}
    for particle, body in enumerate(bodies):
        kind = body.densities if isinstance(body, ChordedBody) else type(body)
        kinds.setdefault(kind, []).append(particle)
    return list(kinds.values())


def _ahead(
    make: Callable[[int], Columns | Projection], members: list[int], threads: int
) -> Iterator[tuple[NDArray[np.int64], list[Any]]]:
    """`TOGETHER` particles after the other and what was made of them, while the next ones are made."""
    groups = [members[start : start + TOGETHER] for start in range(0, len(members), TOGETHER)]
    with ThreadPoolExecutor(threads) as pool:
        coming = pool.map(make, groups[0])
        for group, following in zip(groups, [*groups[1:], []], strict=True):
            made = list(coming)
            coming = pool.map(make, following)  # begins at once
            yield np.array(group), made
