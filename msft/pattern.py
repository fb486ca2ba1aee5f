"""From particles to patterns: one call for every solver and back end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, HomogeneousBody, named
from msft.detector import Detector, EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.solvers import chebyshev, exact, slices

Solver = Literal["exact", "chebyshev", "slices"]
Backend = Literal["auto", "numpy", "numba"]
Precision = Literal["single", "double"]

BACKENDS_OF: dict[str, tuple[str, ...]] = {
    "exact": ("numba", "numpy"),
    "chebyshev": ("numpy",),
    "slices": ("numpy",),
}
"""The back ends of each solver, the default first."""


@dataclass(frozen=True)
class Simulation:
    """Everything that a pattern depends on besides the particle.

    Parameters
    ----------
    optics, detector
        Wavelength and absorption; pixels.
    solver
        ``exact`` (closed form, convex polyhedra), ``chebyshev`` (any body) or ``slices`` (the papers').
    backend
        ``auto`` takes the fastest that the solver has.
    precision
        Of the exact solver's numba kernel: ``single`` is within 3e-6 of ``double`` in the relative L2 norm
        (tests/msft/test_exact.py). Everything else computes in double.
    accuracy
        Wanted relative error of the amplitude, for ``chebyshev``.

    Raises
    ------
    ParameterError
        If the solver, back end or precision is unknown, or they do not go together, or `accuracy` is outside
        1e-6 to 0.1.
    """

    optics: Optics = field(default_factory=Optics)
    detector: Detector = field(default_factory=EwaldDetector)
    solver: Solver = "exact"
    backend: Backend = "auto"
    precision: Precision = "single"
    accuracy: float = 1e-3

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("solver", self.solver, get_args(Solver)),
            ("backend", self.backend, ("auto", *BACKENDS_OF.get(self.solver, ()))),
            ("precision", self.precision, get_args(Precision)),
        ):
            if value not in allowed:
                suffix = f" for the solver {self.solver}" if name == "backend" else ""
                raise ParameterError(name, value, "one of " + ", ".join(allowed) + suffix)
        chebyshev.check_accuracy(self.accuracy)
        if self.solver != "exact" and not isinstance(self.detector, EwaldDetector):
            raise ParameterError("solver", self.solver, f"exact for a {self.detector.geometry} detector")

    def check(self, particles: Particles) -> None:
        """Refuse particles that the solver cannot simulate, before anything is computed.

        Raises
        ------
        ParameterError
            If the body has no exact solution, or leaves the box of the slices, or that box does not give
            the detector's pixels.
        """
        if self.solver == "exact":
            for name in set(particles.bodies.tolist()):
                exact.require_polyhedron(named(name))
        elif self.solver == "slices":
            assert isinstance(self.detector, EwaldDetector)
            grid = slices.SliceGrid()
            grid.check_fits(particles.radius.max(initial=0.0))
            grid.padding(self.detector)

    def amplitude(self, particles: Particles) -> NDArray[np.complexfloating]:
        """Scattering amplitudes A of N particles.

        Returns
        -------
        Complex array (N, n, n) in nm^3, zero where q_perp >= k; complex64 from the exact solver in single
        precision, else complex128.

        Raises
        ------
        ParameterError
            See `check`.
        """
        self.check(particles)
        groups = list(particles.groups())
        if len(groups) == 1:
            return self._of_body(*groups[0][:2])
        single = self.solver == "exact" and self.precision == "single" and self.backend != "numpy"
        shape = (len(particles), self.detector.pixels, self.detector.pixels)
        images = np.empty(shape, dtype=np.complex64 if single else np.complex128)
        for body, members, rows in groups:
            images[rows] = self._of_body(body, members)
        return images

    def _of_body(self, body: Body, particles: Particles) -> NDArray[np.complexfloating]:
        if self.solver == "exact":
            return self._exact(body, particles)
        assert isinstance(self.detector, EwaldDetector)
        assert isinstance(body, HomogeneousBody)
        images = np.empty((len(particles), self.detector.pixels, self.detector.pixels), dtype=np.complex128)
        for image, radius, orientation in zip(images, particles.radius, particles.orientation, strict=True):
            if self.solver == "chebyshev":
                image[:] = chebyshev.amplitude(
                    body, radius, orientation, self.optics, self.detector, self.accuracy
                )
            else:
                image[:] = slices.amplitude(body, radius, orientation, self.optics, self.detector)
        return images

    def intensity(self, particles: Particles) -> NDArray[np.float32]:
        """Intensities |A|^2 (times the pixel's solid angle on a flat detector) of N particles.

        Returns
        -------
        Float32 array (N, n, n) in nm^6, zero where q_perp >= k.

        Raises
        ------
        ParameterError
            See `check`.
        """
        amplitude = self.amplitude(particles)
        intensity = (amplitude.real**2 + amplitude.imag**2).astype(np.float32)
        if not isinstance(self.detector, EwaldDetector):
            vectors = self.detector.scattering_vectors(self.optics.wavenumber)
            intensity.reshape(len(particles), -1)[:, vectors.pixel] *= vectors.weight.astype(np.float32)
        return intensity

    def _exact(self, body: Body, particles: Particles) -> NDArray[np.complexfloating]:
        kernel, double = _face_sums(self.backend, self.precision)
        values = exact.amplitudes(
            body, particles.radius, particles.orientation, self.optics, self.detector, kernel, double
        )
        pixels = self.detector.pixels
        images = np.zeros((len(particles), pixels * pixels), dtype=values.dtype)
        images[:, self.detector.scattering_vectors(self.optics.wavenumber).pixel] = values
        return images.reshape(len(particles), pixels, pixels)


def _face_sums(backend: Backend, precision: Precision) -> tuple[exact.FaceSums, exact.FaceSums]:
    """The kernel of a back end, and its double-precision twin."""
    if backend == "numpy":
        from msft.backends import with_numpy

        return with_numpy.face_sums, with_numpy.face_sums
    from msft.backends import with_numba

    double = with_numba.face_sums_double
    return (double if precision == "double" else with_numba.face_sums_single), double
