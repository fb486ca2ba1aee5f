"""The Chebyshev solver on a GPU: columns are made on the host, all else is computed where it stays.

The columns (`msft.solvers.quadrature`) of some particles are made, by as many threads as numba may use, while
the GPU transforms those of the particles before (`msft.backends.chebyshev_cupy`). A thread makes a share of
particles in a few calls that hold no lock, as the arrays that the kernels read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from msft.backends.choice import Engine
from msft.bodies import Body, ChordedBody, Voxels
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import Particles
from msft.solvers.chebyshev import SINGLE, Common, Images, check_accuracy
from msft.solvers.portions import in_portions, intensities

if TYPE_CHECKING:
    from msft.backends.column_batch import Batch

FloatArray = NDArray[np.float64]

TOGETHER = 16
"""Particles whose columns a thread makes at a time, and that are launched together, if they are not large."""

LARGE = 320.0
"""Circumsphere radius in nm beyond which fewer are taken: columns grow by its square."""


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
    precise = double or accuracy < SINGLE
    shape = len(bodies), detector.pixels, detector.pixels
    images = xp.zeros(shape, np.complex128 if double else np.complex64)
    for members in _alike(bodies):
        common = Common.of(bodies[members[0]], radii[members], optics, detector, accuracy)

        def make(rows: list[int], common: Common = common) -> list[Batch]:
            made = common.made_of_many([bodies[row] for row in rows], radii[rows], orientations[rows])
            return kernels.prepared(made, common.series, precise)

        most = _together(bodies[members[0]], float(radii[members].max()))
        for rows, batches in _ahead(make, members, most, kernels.threads()):
            found = kernels.transformed(batches, common.series, precise)
            images[xp.asarray(np.array(rows))] = found.astype(images.dtype, copy=False)
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


def _together(body: Body, radius: float) -> int:
    """How many particles of a kind, the largest of some radius, a thread makes at a time."""
    if isinstance(body, Voxels):
        return 1  # one takes longer than all else
    return max(1, int(TOGETHER * min(1.0, LARGE / radius) ** 2))


def _ahead(
    make: Callable[[list[int]], list[Batch]], members: list[int], most: int, threads: int
) -> Iterator[tuple[list[int], list[Batch]]]:
    """Some particles after the others and what was made of them, while the next ones are made."""
    coming: deque[tuple[list[int], Future[list[Batch]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(members), most):
            rows = members[start : start + most]
            coming.append((rows, pool.submit(make, rows)))
            if len(coming) > threads + 1:  # one more than there are at work
                rows, batches = coming.popleft()
                yield rows, batches.result()
        for rows, batches in coming:
            yield rows, batches.result()
