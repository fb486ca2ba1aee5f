"""From particles to patterns: one call for every solver and back end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, named
from msft.detector import Detector, EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.solvers import chebyshev, exact, propagation, slices

Solver = Literal["exact", "chebyshev", "slices", "propagation"]
Backend = Literal["auto", "numpy", "numba"]
Precision = Literal["single", "double"]

BACKENDS_OF: dict[str, tuple[str, ...]] = {
    "exact": ("numba", "numpy"),
    "chebyshev": ("numpy",),
    "slices": ("numpy",),
    "propagation": ("numpy",),
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
        ``exact`` (closed form, convex polyhedra), ``chebyshev`` (any body), ``slices`` (the papers') or
        ``propagation`` (split step, any body: the one to trust where the index is far from 1).
    backend
        ``auto`` takes the fastest that the solver has.
    precision
        Of the exact solver's numba kernel, where ``single`` is within 3e-6 of ``double`` in the relative L2
        norm (tests/msft/test_exact.py), and of ``propagation``. Everything else computes in double.
    accuracy
        Wanted relative error of the amplitude, for ``chebyshev``.
    propagation_accuracy
        The same for ``propagation``, against its own limit of fine grids.

    Attributes
    ----------
    optics
        ``propagation`` always takes the complex index: whatever absorption was given, it keeps
        ``refractive``, and so do its files.

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
    propagation_accuracy: float = 0.03

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
        if self.solver == "propagation":
            object.__setattr__(self, "optics", replace(self.optics, absorption="refractive"))
            propagation.check(self.optics, self.propagation_accuracy)
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
            exact.require_polyhedron(named(particles.body))
        elif self.solver == "slices":
            assert isinstance(self.detector, EwaldDetector)
            grid = slices.SliceGrid()
            grid.check_fits(particles.radius.max(initial=0.0))
            grid.padding(self.detector)
        elif self.solver == "propagation":
            assert isinstance(self.detector, EwaldDetector)
            propagation.PropagationGrid.of(
                particles.radius.max(initial=1.0),
                self.optics,
                self.detector.q_step,
                self.propagation_accuracy,
            )

    def amplitude(self, particles: Particles) -> NDArray[np.complexfloating]:
        """Scattering amplitudes A of N particles.

        Returns
        -------
        Complex array (N, n, n) in nm^3, zero where q_perp >= k; complex64 from ``exact`` and ``propagation``
        in single precision, else complex128.

        Raises
        ------
        ParameterError
            See `check`.
        """
        self.check(particles)
        body = named(particles.body)
        if self.solver == "exact":
            return self._on_image(self._exact(body, particles))
        if self.solver == "propagation":
            return self._on_image(self._propagation(body, particles))
        assert isinstance(self.detector, EwaldDetector)
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
        return exact.amplitudes(
            body, particles.radius, particles.orientation, self.optics, self.detector, kernel, double
        )

    def _propagation(self, body: Body, particles: Particles) -> NDArray[np.complexfloating]:
        assert isinstance(self.detector, EwaldDetector)
        return propagation.amplitudes(
            body,
            particles.radius,
            particles.orientation,
            self.optics,
            self.detector,
            self.propagation_accuracy,
            dtype="complex64" if self.precision == "single" else "complex128",
        )

    def _on_image(self, values: NDArray[np.complexfloating]) -> NDArray[np.complexfloating]:
        """Values (N, P) at the pixels that see light as images (N, n, n)."""
        pixels = self.detector.pixels
        images = np.zeros((len(values), pixels * pixels), dtype=values.dtype)
        images[:, self.detector.scattering_vectors(self.optics.wavenumber).pixel] = values
        return images.reshape(len(values), pixels, pixels)


def _face_sums(backend: Backend, precision: Precision) -> tuple[exact.FaceSums, exact.FaceSums]:
    """The kernel of a back end, and its double-precision twin."""
    if backend == "numpy":
        from msft.backends import with_numpy

        return with_numpy.face_sums, with_numpy.face_sums
    from msft.backends import with_numba

    double = with_numba.face_sums_double
    return (double if precision == "double" else with_numba.face_sums_single), double
