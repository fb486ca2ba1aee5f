"""The Chebyshev solver on a GPU: columns are made on the host, all else is computed where it stays.

The columns (`msft.solvers.quadrature`) of some particles are made, by as many threads as numba may use, while
the GPU transforms those of the particles before (`msft.backends.chebyshev_cupy`). A thread makes a share of
particles in a few calls that hold no lock, and writes the arrays that the kernels read where the GPU takes
them from; the kernels write the images where they stay.
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
from msft.solvers.portions import PIXELS, in_portions

FloatArray = NDArray[np.float64]

TOGETHER = 32
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
    shape = len(radii), detector.pixels, detector.pixels
    images = np.empty(shape, np.complex128 if double else np.complex64)
    how = optics, detector, accuracy, double

    def portion(rows: slice) -> None:
        given = Given([body] * len(radii[rows]), radii[rows], orientations[rows], *how)
        found = by.xp.zeros(images[rows].shape, np.complex128 if given.precise else np.complex64)
        _fill(found, given)
        images[rows] = by.to_host(found)

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
    how = optics, detector, accuracy, double
    if xp is not by.xp:

        def portion(rows: slice) -> None:
            some = by.xp.zeros(images[rows].shape, np.float32)
            fill(some, particles[rows], *how, by, by.xp)
            images[rows] = by.to_host(some)

        in_portions(portion, len(particles), detector.pixels**2)
        return
    vectors, weight = detector.scattering_vectors(optics.wavenumber), np.zeros(detector.pixels**2, np.float32)
    weight[vectors.pixel] = vectors.weight
    bodies: dict[int, Body] = {}
    for body, _, members in particles.groups():
        bodies.update(dict.fromkeys(members.tolist(), body))
    of_all = [bodies[row] for row in range(len(particles))]
    _fill(images, Given(of_all, particles.radius, particles.orientation, *how), xp.asarray(weight))


class Given(NamedTuple):
    """N particles, and how they are computed: see `chebyshev.amplitudes`."""

    bodies: Sequence[Body]
    radii: FloatArray
    orientations: FloatArray
    optics: Optics
    detector: EwaldDetector
    accuracy: float
    double: bool

    @property
    def precise(self) -> bool:
        """Whether it takes double precision, asked for or not."""
        return self.double or self.accuracy < SINGLE


def _fill(images: Any, given: Given, weight: Any | None = None) -> None:
    """Write images on the GPU, `chebyshev_cupy.transform`, some after the others.

    Raises
    ------
    OSError
        If there is no memory for a single pattern.
    ParameterError
        See `chebyshev.amplitudes`.
    """
    check_accuracy(given.accuracy)
    threads, pace = chebyshev_cupy.threads(), Pace(chebyshev_cupy.arrays()[0])
    for members in _alike(given.bodies):
        body, radii = given.bodies[members[0]], given.radii[members]
        common = Common.of(body, radii, given.optics, given.detector, given.accuracy)

        def make(rows: list[int], common: Common = common) -> list[Load]:
            some = [given.bodies[row] for row in rows], given.radii[rows], given.orientations[rows]
            return chebyshev_cupy.prepared(common.made_of_many(*some), common.series, given.precise, rows)

        most = min(
            _together(body, float(radii.max())),
            -(-len(members) // threads),
            max(1, PIXELS // given.detector.pixels**2),
        )
        for rows, loads in _ahead(make, members, most, threads):

            def portion(part: slice, rows: list[int] = rows, loads: Any = loads, make: Any = make) -> None:
                some = rows[part]
                chebyshev_cupy.transform(loads if len(some) == len(rows) else make(some), images, weight)

            in_portions(portion, len(rows), given.detector.pixels**2)
            pace.launched()


def _alike(bodies: Sequence[Body]) -> list[list[int]]:
    """Numbers of the particles that a launch can have in common."""
    kinds: dict[Any, list[int]] = {}
    for particle, body in enumerate(bodies):
        kind = body.densities if isinstance(body, ChordedBody) else id(body)
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
