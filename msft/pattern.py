"""From particles to patterns: one call for every solver and back end."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from msft.backends.arrays import arrays_of
from msft.backends.choice import BACKENDS_OF, Backend, Precision, engine, require
from msft.bodies import Body, Twins
from msft.detector import Detector, EwaldDetector, ScatteringVectors
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.rotation import rotation_matrix
from msft.solvers import chebyshev, exact, interpolation, on_device, portions, propagation, slices
from msft.solvers.propagation_grid import PropagationGrid
from msft.solvers.series import check_radius
from msft.threads import cores

FloatArray = NDArray[np.float64]
Solver = Literal["exact", "chebyshev", "slices", "propagation"]


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
        ``auto`` takes the fastest on the CPU that the solver has; see `msft.backends.choice.BACKENDS_OF`.
    precision
        Of the kernels of ``exact`` and ``chebyshev`` and of ``propagation``; all else computes in double. In
        the relative L2 norm numba's ``single`` is within 3e-6 of ``double``, for transparent bodies within
        5e-6, for strong refraction within 1e-5; of needles stretched 10 or 100 times within 3e-5 and 5e-4
        (tests/msft/test_exact.py, test_chebyshev.py).
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
        If the solver, back end or precision is unknown, or they do not go together, or an accuracy is outside
        its range, or the detector sees no light.
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
        self.detector.check(self.optics.wavenumber)

    def check(self, particles: Particles) -> None:
        """Refuse particles that the solver cannot simulate, before anything is computed.

        Raises
        ------
        ParameterError
            If the body has no exact solution, or leaves the box of the slices, or that box does not give
            the detector's pixels, or the radius is too large for ``chebyshev``, or the grid of the
            propagation or of a flat detector would be too large, or there is no GPU for the back end.
        """
        require(self.backend)
        for body, members, _ in particles.groups():
            self._check(body, members.radius.max(initial=1.0))

    def _check(self, body: Body, radius: float) -> None:
        if isinstance(body, Twins) and body.apart:
            self._check(body.droplet, radius * body.sizes[0])
            return
        if self.solver == "exact":
            exact.require_polyhedron(body)
            return
        detector = self._grid_detector(radius)
        if self.solver == "slices":
            grid = slices.SliceGrid()
            grid.check_fits(radius)
            grid.padding(detector)
        elif self.solver == "chebyshev":
            check_radius(radius, self.optics.wavenumber)
        elif self.solver == "propagation":
            PropagationGrid.of(radius, self.optics, detector.q_step, self.propagation_accuracy)

    def amplitude(self, particles: Particles) -> NDArray[np.complexfloating]:
        """Scattering amplitudes A of N particles.

        Returns
        -------
        Complex array (N, n, n) in nm^3, zero where q_perp >= k; complex64 in single precision, else
        complex128, and always complex128 from ``slices``, from the back end ``numpy`` of ``exact`` and
        ``chebyshev``, where ``chebyshev`` or ``propagation`` is interpolated to a flat detector, and of two
        droplets that scatter side by side. Several bodies come in the type of the first.

        Raises
        ------
        ParameterError
            See `check`.
        """
        self.check(particles)
        groups = list(particles.groups())

        def of_group(group: tuple[Body, Particles, NDArray[np.int64]]) -> NDArray[np.complexfloating]:
            body, members, _ = group
            return self.amplitude_of(body, members.radius, members.orientation)

        if len(groups) == 1:
            return of_group(groups[0])
        # these are parallel over particles: over groups where each has a stretch of its own
        parallel = self.solver in ("propagation", "chebyshev") and self.backend != "cupy"
        workers = cores() if parallel else 1
        pixels = self.detector.pixels
        images: NDArray[np.complexfloating] | None = None
        with ThreadPoolExecutor(workers) as pool:
            for (_, _, rows), found in zip(groups, pool.map(of_group, groups), strict=True):
                if images is None:
                    images = np.empty((len(particles), pixels, pixels), dtype=found.dtype)
                images[rows] = found
        assert images is not None
        return images

    def amplitude_of(
        self, body: Body, radii: FloatArray, orientations: FloatArray
    ) -> NDArray[np.complexfloating]:
        """Scattering amplitudes of N particles of a body, named or not.

        Parameters
        ----------
        body, radii, orientations
            A body, circumsphere radii (N,) in nm and unit quaternions (N, 4).

        Returns
        -------
        See `amplitude`.
        """
        self._check(body, radii.max(initial=1.0))
        if isinstance(body, Twins) and body.apart:
            return self._apart(body, radii, orientations)
        if self.solver == "exact":
            vectors, by = self.scattering_vectors(), engine(self.backend, self.precision)
            values = portions.amplitudes(body, radii, orientations, self.optics, vectors, by)
            return _image(values, vectors, self.detector)
        if isinstance(self.detector, EwaldDetector):
            return self._on_grid(self.detector, body, radii, orientations)
        return self._on_flat(body, radii, orientations)

    def _apart(
        self, twins: Twins, radii: FloatArray, orientations: FloatArray
    ) -> NDArray[np.complexfloating]:
        """Images (N, n, n) of two droplets that scatter side by side: the sum of both, each at its place."""
        vectors = self.scattering_vectors()
        q = np.stack([-vectors.x, -vectors.y, vectors.z])  # e^{-i (q_x x + q_y y) + i q_z z}
        along = rotation_matrix(orientations)[:, :, 2] @ q  # (N, P): of a step along the bodies' z axes
        values = np.zeros((len(radii), vectors.pixel.size), dtype=np.complex128)
        for size, centre in zip(twins.sizes, twins.centres, strict=True):
            droplet = self.amplitude_of(twins.droplet, size * radii, orientations)
            phase = np.exp(1j * centre * radii[:, None] * along)
            values += phase * droplet.reshape(len(radii), -1)[:, vectors.pixel]
        return _image(values, vectors, self.detector)

    def intensity(self, particles: Particles) -> NDArray[np.float32]:
        """Intensities |A|^2 of N particles, times the pixel's solid angle (flat) and polarisation factor.

        Returns
        -------
        Float32 array (N, n, n) in nm^6, zero where q_perp >= k.

        Raises
        ------
        ParameterError
            See `check`.
        """
        if self._by_engine(particles):
            return np.asarray(self._images(particles, np))
        amplitude = self.amplitude(particles)
        intensity = (amplitude.real**2 + amplitude.imag**2).astype(np.float32)
        if not isinstance(self.detector, EwaldDetector) or self.detector.polarisation != "none":
            vectors = self.scattering_vectors()
            intensity.reshape(len(particles), -1)[:, vectors.pixel] *= vectors.weight.astype(np.float32)
        return intensity

    def intensity_on_device(self, particles: Particles) -> Any:
        """As `intensity`, but from the ``cupy`` of ``exact`` and ``chebyshev`` on the GPU, in a CuPy array.

        On the host where ``chebyshev`` is to interpolate to a flat detector, or to add up two droplets that
        scatter side by side. Torch takes either by DLPack without a copy.
        """
        if not self._by_engine(particles):
            return self.intensity(particles)
        return self._images(particles, engine(self.backend, self.precision).xp)

    def intensity_at(self, particles: Particles, vectors: ScatteringVectors) -> NDArray[np.float32]:
        """Intensities of N particles at some scattering vectors only, as `intensity` gives them.

        The exact solver computes no others, and takes any point of the Ewald sphere; the rest compute whole
        images, of which they give the pixels that the vectors name.

        Returns
        -------
        Float32 array (N, P) in nm^6.

        Raises
        ------
        ParameterError
            See `check`.
        """
        if self.solver != "exact":
            return self.intensity(particles).reshape(len(particles), -1)[:, vectors.pixel]
        self.check(particles)
        intensity = np.empty((len(particles), vectors.pixel.size), dtype=np.float32)
        by = engine(self.backend, self.precision)
        portions.fill(intensity, np.arange(vectors.pixel.size), particles, self.optics, vectors, by)
        return intensity

    def _by_engine(self, particles: Particles) -> bool:
        """Whether a back end gives intensities of the detector's pixels as they are, where it computes."""
        if self.solver != "chebyshev" or self.backend != "cupy":
            return self.solver == "exact"
        apart = any(isinstance(body, Twins) and body.apart for body, _, _ in particles.groups())
        return isinstance(self.detector, EwaldDetector) and not apart

    def _images(self, particles: Particles, xp: Any) -> Any:
        """Intensities (N, n, n) in an array of a namespace: the host's or the back end's."""
        self.check(particles)
        vectors, pixels = self.scattering_vectors(), self.detector.pixels
        images = xp.zeros((len(particles), pixels * pixels), dtype=np.float32)
        by = engine(self.backend, self.precision)
        if self.solver == "exact":
            portions.fill(images, vectors.pixel, particles, self.optics, vectors, by, xp)
        else:
            assert isinstance(self.detector, EwaldDetector)
            how = self.detector, self.accuracy, self.precision == "double"
            on_device.fill(images, particles, self.optics, *how, by, xp)
        return images.reshape(len(particles), pixels, pixels)

    def scattering_vectors(self, beam: tuple[float, float] = (0.0, 0.0)) -> ScatteringVectors:
        """Of the pixels that see light, with the beam `beam` (row, column) pixels off the centre."""
        return self.detector.scattering_vectors(self.optics.wavenumber, beam)

    def _on_grid(
        self, detector: EwaldDetector, body: Body, radii: FloatArray, orientations: FloatArray
    ) -> NDArray[np.complexfloating]:
        """Images (N, n, n) by the solvers that need pixels on a grid in q_perp."""
        if self.solver == "propagation":
            dtype = "complex64" if self.precision == "single" else "complex128"
            how = self.propagation_accuracy, arrays_of(self.backend), dtype
            values = propagation.amplitudes(body, radii, orientations, self.optics, detector, *how)
            return _image(values, detector.scattering_vectors(self.optics.wavenumber), detector)
        if self.solver == "chebyshev":
            backend = "numba" if self.backend == "auto" else self.backend
            double = self.precision == "double"
            given = body, radii, orientations, self.optics, detector, self.accuracy
            if backend == "cupy":
                return on_device.on_host(*given, double, engine(backend, self.precision))
            return chebyshev.amplitudes(*given, backend, double)
        images = np.empty((len(radii), detector.pixels, detector.pixels), dtype=np.complex128)
        for image, radius, orientation in zip(images, radii, orientations, strict=True):
            image[:] = slices.amplitude(body, radius, orientation, self.optics, detector)
        return images

    def _grid_detector(self, radius: float) -> EwaldDetector:
        """The detector itself, or for a flat one the grid in q_perp from which it is interpolated.

        That of a radius is the one of its size class: what `check` accepts is what is computed.
        """
        if isinstance(self.detector, EwaldDetector):
            return self.detector
        vectors = self.scattering_vectors()
        grid = slices.SliceGrid() if self.solver == "slices" else None
        size = float(interpolation.size_classes(np.array([radius]))[0])
        return interpolation.grid_detector(vectors, self.optics.wavenumber, size, grid)

    def _on_flat(
        self, body: Body, radii: FloatArray, orientations: FloatArray
    ) -> NDArray[np.complexfloating]:
        """Images (N, n, n) of a flat detector, interpolated from a grid in q_perp."""
        vectors = self.scattering_vectors()
        values = np.empty((len(radii), vectors.x.size), dtype=np.complex128)
        sizes = interpolation.size_classes(radii)
        for size in np.unique(sizes):
            chosen = sizes == size
            grid = self._grid_detector(radii[chosen][0])
            images = self._on_grid(grid, body, radii[chosen], orientations[chosen])
            values[chosen] = interpolation.interpolate(images, grid, vectors)
        return _image(values, vectors, self.detector)


def _image(
    values: NDArray[np.complexfloating], vectors: ScatteringVectors, detector: Detector
) -> NDArray[np.complexfloating]:
    """Values (N, P) at the scattering vectors of a detector as images (N, n, n), 0 elsewhere."""
    images = np.zeros((len(values), detector.pixels**2), dtype=values.dtype)
    images[:, vectors.pixel] = values
    return images.reshape(len(values), detector.pixels, detector.pixels)
