"""The Chebyshev solver on a GPU: columns are made on the host, all else is computed where it stays.

The columns (`msft.solvers.quadrature`) of some particles are made, by as many threads as numba may use, while
the GPU transforms those of the particles before (`msft.backends.chebyshev_cupy`). A thread makes a share of
particles in a few calls that hold no lock, as the arrays that the kernels read.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.backends import chebyshev_cupy
from msft.backends.chebyshev_cupy import Load
from msft.backends.choice import Engine
from msft.backends.pinned import Pace
from msft.bodies import Body, ChordedBody, Voxels
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.particle import Particles
from msft.solvers.chebyshev import SINGLE, Common, Images, check_accuracy
from msft.solvers.portions import in_portions

FloatArray = NDArray[np.float64]

TOGETHER = 16
"""Particles whose columns a thread makes at a time, and that are launched together, if they are not large."""

LARGE = 320.0
"""Circumsphere radius in nm beyond which fewer are taken: columns grow by its square."""


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
    shape, precise = (len(radii), detector.pixels, detector.pixels), double or accuracy < SINGLE
    images = np.empty(shape, np.complex128 if double else np.complex64)

    def write(rows: list[int], loads: list[Load]) -> None:
        some = by.xp.zeros((len(rows), *shape[1:]), np.complex128 if precise else np.complex64)
        chebyshev_cupy.transform(loads, some)
        images[rows] = by.to_host(some)

    given = Given([body] * len(radii), radii, orientations, optics, detector, accuracy, double)
    _in_turn(given, False, write)
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
        Float32 array (N, n^2) of `xp`, zeros.
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
    factors = np.zeros(detector.pixels**2, np.float32)
    factors[vectors.pixel] = vectors.weight
    weight = by.xp.asarray(factors)
    bodies: dict[int, Body] = {}
    for body, _, members in particles.groups():
        bodies.update(dict.fromkeys(members.tolist(), body))

    def write(rows: list[int], loads: list[Load]) -> None:
        if xp is by.xp:
            chebyshev_cupy.transform(loads, images, weight)
            return
        some = by.xp.zeros((len(rows), len(factors)), np.float32)
        chebyshev_cupy.transform(loads, some, weight)
        images[rows] = by.to_host(some)

    of_all = [bodies[row] for row in range(len(particles))]
    given = Given(of_all, particles.radius, particles.orientation, optics, detector, accuracy, double)
    _in_turn(given, xp is by.xp, write)


class Given(NamedTuple):
    """N particles, and how they are computed: see `chebyshev.amplitudes`."""

    bodies: Sequence[Body]
    radii: FloatArray
    orientations: FloatArray
    optics: Optics
    detector: EwaldDetector
    accuracy: float
    double: bool


def _in_turn(given: Given, of_all: bool, write: Callable[[list[int], list[Load]], None]) -> None:
    """Have some particles after the others written by the GPU, while the host makes what comes next.

    Parameters
    ----------
    given
        All particles.
    of_all
        Whether `write` has an array for the images of all of them, or for those of some at a time.
    write
        Computes the images of particles with some numbers; it raises `MemoryError` where they are too many.

    Raises
    ------
    OSError
        If there is no memory for a single pattern.
    ParameterError
        See `chebyshev.amplitudes`.
    """
    check_accuracy(given.accuracy)
    precise = given.double or given.accuracy < SINGLE
    pace = Pace(chebyshev_cupy.arrays()[0])
    for members in _alike(given.bodies):
        body, radii = given.bodies[members[0]], given.radii[members]
        common = Common.of(body, radii, given.optics, given.detector, given.accuracy)

        def make(rows: list[int], common: Common = common) -> list[Load]:
            some = [given.bodies[row] for row in rows], given.radii[rows], given.orientations[rows]
            made, places = common.made_of_many(*some), rows if of_all else None
            return chebyshev_cupy.prepared(made, common.series, precise, places)

        most = _together(body, float(radii.max()))
        for rows, loads in _ahead(make, members, most, chebyshev_cupy.threads()):

            def portion(
                part: slice, rows: list[int] = rows, loads: list[Load] = loads, make: Any = make
            ) -> None:
                some = rows[part]
                write(some, loads if len(some) == len(rows) else make(some))

            in_portions(portion, len(rows), given.detector.pixels**2)
            pace.launched()


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
    make: Callable[[list[int]], list[Load]], members: list[int], most: int, threads: int
) -> Iterator[tuple[list[int], list[Load]]]:
    """Some particles after the others and what was made of them, while the next ones are made."""
    coming: deque[tuple[list[int], Future[list[Load]]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(members), most):
            rows = members[start : start + most]
            coming.append((rows, pool.submit(make, rows)))
            if len(coming) > 2 * threads:  # as many as there are at work wait for them
                rows, loads = coming.popleft()
                yield rows, loads.result()
        for rows, loads in coming:
            yield rows, loads.result()
