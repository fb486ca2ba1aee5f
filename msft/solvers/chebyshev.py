"""The multi-slice Fourier transform without slices, for any body.

The integral along a chord is closed, and e^{i q_z z} is a short Chebyshev series in z, whose terms are
moments of the column: each is transformed in (x, y) once, and every pixel adds up those that its q_z needs
(`msft.backends.chebyshev_numpy`). The columns stand where the lateral integral converges fastest, between the
curves where the chords are not smooth (`msft.solvers.quadrature`).

With M columns in J rows, K orders, and m pixels from the centre to the edge, a real attenuation takes 4 M K m
additions and multiplications along the rows and, across them, 4 J for every order that each pixel of a
quadrant needs; the moments take some 20 M K in double precision. A complex s takes twice of all.
benchmarks/chebyshev.py counts them and tells the patterns per second and the fraction of a matrix product's
rate that is reached.

The kernel is compiled and the algorithm written a second time on arrays (`chebyshev_numpy`): much of its work
is recurrences over short vectors, which as array operations would be bound by memory. For a GPU it is written
a third time (`chebyshev_cupy`), line by line as the compiled one; see `msft.solvers.on_device`.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, ChordedBody, Voxels
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.rotation import rotation_matrix
from msft.solvers.projection import Projection, project
from msft.solvers.quadrature import Columns, ManyColumns, Rates, columns_of_many
from msft.solvers.series import Series, series

FloatArray = NDArray[np.float64]
Images = NDArray[np.complexfloating]

SINGLE = 2e-5
"""The best accuracy for which single precision is enough: it is within 2e-6 of double."""

OF_COLUMNS, OF_SERIES = 0.1, 0.03
"""Of the accuracy, what the pieces of the quadrature and the terms left out of the series may take.

Calibrated by tests/msft/test_chebyshev.py, so that the amplitude keeps its accuracy, and its logarithm, to
which the dark pixels at large angles count as much as the bright ones.
"""


def check_accuracy(accuracy: float) -> None:
    """Refuse an accuracy outside 1e-6 to 0.1 with a `ParameterError`."""
    if not 1e-6 <= accuracy <= 0.1:
        raise ParameterError("accuracy", accuracy, "1e-6 to 0.1")


def amplitudes(
    body: Body,
    radii: FloatArray,
    orientations: FloatArray,
    optics: Optics,
    detector: EwaldDetector,
    accuracy: float = 1e-3,
    backend: str = "numba",
    double: bool = False,
) -> Images:
    """Scattering amplitudes of N particles.

    Parameters
    ----------
    body, radii, orientations
        A body, circumsphere radii (N,) in nm and unit quaternions (N, 4).
    optics, detector
        Wavelength and absorption; pixels, on a grid in q_perp.
    accuracy
        Wanted relative L2 error of the amplitude, 1e-6 to 0.1; of voxels, apart from what their size makes.
    backend
        ``numba`` or ``numpy``; for ``cupy`` see `msft.solvers.on_device`.
    double
        Compute in double precision, as ``numpy`` and accuracies better than `SINGLE` always do.

    Returns
    -------
    Complex array (N, n, n) in nm^3, zero where q_perp >= k; complex64 from ``numba`` unless `double`.

    Raises
    ------
    ParameterError
        If `accuracy` is outside its range, or cannot be reached for a body that large.
    """
    check_accuracy(accuracy)
    double = double or backend == "numpy"
    images = np.zeros(
        (len(radii), detector.pixels, detector.pixels), np.complex128 if double else np.complex64
    )
    if len(radii) == 0:
        return images
    kernels, of_all = _backend(backend), Common.of(body, radii, optics, detector, accuracy)

    def one(particle: int) -> None:
        made = of_all.made(body, radii[particle], orientations[particle])
        transform = kernels.amplitude if isinstance(made, Columns) else kernels.amplitude_of_voxels
        images[particle] = transform(made, of_all.series, double or accuracy < SINGLE)

    threads = 1 if backend == "numpy" else kernels.threads()
    if threads == 1 or len(radii) == 1:
        for particle in range(len(radii)):
            one(particle)
        return images
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(one, range(len(radii))):
            pass
    return images


class Common(NamedTuple):
    """What the particles of a kind have in common.

    Attributes
    ----------
    accuracy
        As for `amplitudes`.
    series, rates
        What the transform and the columns need to know of them.
    """

    accuracy: float
    series: Series
    rates: Rates

    @classmethod
    def of(
        cls, body: Body, radii: FloatArray, optics: Optics, detector: EwaldDetector, accuracy: float
    ) -> Common:
        """Of particles with these radii of a body, or of others with as many chords and their densities.

        Of voxels, of that body alone.
        """
        densities = body.densities if isinstance(body, ChordedBody) else (1.0,)
        largest = float(radii.max())
        # a grid of voxels ends where the last of them does
        beyond = largest * max(body.edges) if isinstance(body, Voxels) else 0.0
        shared = series(densities, optics, detector, largest, OF_SERIES * accuracy, beyond)
        return cls(accuracy, shared, Rates.of(shared))

    def made(self, body: Body, radius: float, orientation: FloatArray) -> Columns | Projection:
        """What is left to be transformed of a particle."""
        return self.made_of_many([body], np.array([radius]), orientation[None])[0]

    def made_of_many(
        self, bodies: Sequence[Body], radii: FloatArray, orientations: FloatArray
    ) -> ManyColumns | list[Projection]:
        """The same of some particles, one or more, all of voxels or all of chords."""
        rotations = rotation_matrix(orientations)
        voxels = [body for body in bodies if isinstance(body, Voxels)]
        if voxels:
            particles = zip(voxels, radii.tolist(), rotations, strict=True)
            return [project(*particle, self.series) for particle in particles]
        chorded = [body for body in bodies if isinstance(body, ChordedBody)]
        # coarser columns than this are not worth their error: of aligned faces, 1.6 % at 1e-2
        accuracy = OF_COLUMNS * min(self.accuracy, 2e-3)
        return columns_of_many(chorded, radii, rotations, self.rates, accuracy)


def _backend(name: str) -> Any:
    if name == "numpy":
        from msft.backends import chebyshev_numpy

        return chebyshev_numpy
    from msft.backends import chebyshev_numba

    return chebyshev_numba
