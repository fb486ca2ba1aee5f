"""Multi-slice propagation: refraction, absorption on the way in and out, multiple forward scattering.

The split step of Tuemmler et al., Laser Photonics Rev. 2025, doi 10.1002/lpor.202502001: in each slice
the wave is multiplied by e^{i k (n - 1) l}, with l the path through material in the slice, and carried to
the next slice by the exact propagator of vacuum, e^{i sqrt(k^2 - q^2) dz}, which cuts what is evanescent.

Here the wave is e^{i k z} (1 + u), and u alone is carried: the empty beam is never there, so nothing is lost
in subtracting it. A slice adds (T - 1) (1 + u) to u, with T = e^{-s l} and s = k beta + i k delta. With U the
transform of u behind the particle and all phases referred to its centre,

    A(q) = -U(q) / (s sinc(q_z dz / 2)),      sinc x = sin x / x.

As n goes to 1, u is the sum of -s l over the slices and A that of the other solvers. A far field carries a
factor k_z / k, and a slice that light leaves obliquely is longer by k / k_z: the split step has neither of
the two, so |A|^2 is the intensity per solid angle for all solvers alike. The sinc undoes what gathering a
slice's material at its middle does on average.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from msft.bodies import Body, ChordedBody, Voxels
from msft.detector import EwaldDetector, ScatteringVectors
from msft.errors import ParameterError
from msft.optics import Optics
from msft.rotation import rotation_matrix

FloatArray = NDArray[np.float64]
Array = Any
"""An array of the back end."""

FINER = 4
"""Chords per grid point and axis, from which the slices are filtered."""

LOBES = 3
"""Of the Lanczos filter that takes the chords to the grid. It has hardly a second moment: a filter that has
one, such as the mean over a cell, blurs the particle's rim, where T depends on the path most strongly."""

LEAST_ACCURACY, MOST_ACCURACY = 1e-3, 0.2

BLOCK = 8
"""Grid points that are filtered by one small matrix product: what BLAS does not split over threads."""

BOX_SHARE = 0.8
"""Share of the box in the error: a wider one costs most, and more than it is asked for where it must be a
multiple of what the pixels give."""

MOST_SAMPLES = 4096
"""Lateral grid points per side."""


class Arrays(NamedTuple):
    """A back end: a namespace with NumPy's functions, its FFT, and how its arrays become NumPy's."""

    xp: ModuleType
    fft: ModuleType
    to_numpy: Any
    batch: int


NUMPY = Arrays(np, scipy.fft, np.asarray, 1)


@dataclass(frozen=True)
class PropagationGrid:
    """The lateral grid and the slices.

    Parameters
    ----------
    samples, spacing
        Lateral points per side, and their distance in nm.
    thickness
        Of a slice in nm.
    multiple
        Points of the grid's transform from one detector pixel to the next.
    """

    samples: int
    spacing: float
    thickness: float
    multiple: int = 1

    @classmethod
    def of(cls, radius: float, optics: Optics, q_step: float, accuracy: float) -> PropagationGrid:
        """The grid for a particle, from an estimate of the amplitude's relative L2 error.

        Three errors are added in quadrature, m = n - 1 in modulus:

        - spacing: 0.0011 (0.6 + 80 m^2) (k dx)^2;
        - thickness: 0.0015 (0.6 + 80 m^2) (k dz)^2;
        - what leaves the box and comes back on its other side, which matters only where it meets the particle
          again, since the transform of the wave is the same: (7.2 delta^2 + 2.5 beta^2) (2 R / L)^2.

        At most k dx = 2.5 and k dz = 2 are taken, for the low intensities at large angles.

        The forms are those of second-order errors, and of light that a particle scatters twice; the numbers
        are bounds on icosahedra and spheres of 30 to 170 nm with delta from -0.1 to 0.2, beta from 0 to 0.1
        over the whole forward hemisphere (tests/msft/test_propagation.py checks them).

        Parameters
        ----------
        radius
            Circumsphere radius in nm.
        optics
            Wavelength and refractive index.
        q_step
            Distance of the detector's pixels in nm^-1.
        accuracy
            Wanted relative L2 error.

        Raises
        ------
        ParameterError
            If the grid would be too large.
        """
        k = optics.wavenumber
        contrast = 0.6 + 80 * (optics.delta**2 + optics.beta**2)
        each = math.sqrt((1 - BOX_SHARE**2) / 2) * accuracy
        spacing = min(math.sqrt(each / (0.0011 * contrast)), 2.5) / k
        thickness = min(math.sqrt(each / (0.0015 * contrast)), 2.0) / k
        twice = 7.2 * optics.delta**2 + 2.5 * optics.beta**2
        diameters = max(1.25, math.sqrt(twice / (BOX_SHARE * accuracy)))
        least = max(diameters * 2 * radius, 2 * radius + (2 * LOBES + 3 + BLOCK) * spacing)
        multiple = math.ceil(least * q_step / (2 * math.pi))
        width = multiple * 2 * math.pi / q_step
        if width > MOST_SAMPLES * spacing:
            raise ParameterError(
                "propagation_accuracy",
                f"{accuracy:g} at a radius of {radius:g} nm with pixels of {q_step:g} nm^-1",
                f"what a grid of {MOST_SAMPLES} points per side reaches",
            )
        samples = scipy.fft.next_fast_len(math.ceil(width / spacing))
        return cls(samples, width / samples, thickness, multiple)

    def half_width(self, radius: float) -> int:
        """Points from the centre of a particle to the edge of its filtered slices."""
        return math.ceil(radius / self.spacing) + LOBES

    def across(self, radius: float) -> int:
        """Points that hold the filtered slices, in whole blocks."""
        return -(-(2 * self.half_width(radius) + 1) // BLOCK) * BLOCK


def propagate(
    body: Body,
    radii: FloatArray,
    orientations: FloatArray,
    optics: Optics,
    grid: PropagationGrid,
    arrays: Arrays = NUMPY,
    dtype: str = "complex64",
) -> Array:
    """Transform of the scattered wave behind each of N particles.

    Parameters
    ----------
    body, radii, orientations
        The particles: a body, circumsphere radii (N,) in nm and unit quaternions (N, 4).
    optics
        Wavelength and refractive index.
    grid
        Lateral grid and slices.
    arrays, dtype
        The back end, and complex64 or complex128.

    Returns
    -------
    Array (N, M, C) of the back end: rows q_y in FFT order, columns those of q_x in FFT order that are below
    k; zero where q_perp >= k. The phases belong to the middle of the last slice and the first grid point; see
    `_to_centre`.
    """
    xp, fft = arrays.xp, arrays.fft
    s, samples = optics.index_attenuation, grid.samples
    step, lit = (xp.asarray(part) for part in _vacuum(grid, optics.wavenumber, dtype))
    size = grid.across(radii.max())
    taps = xp.asarray(_lanczos().astype(step.real.dtype))
    spectrum = xp.zeros((len(radii), samples, len(lit)), dtype=dtype)
    around = xp.zeros((len(radii), size, samples), dtype=dtype)
    for chords in _slices(body, radii, orientations, grid):
        path = _filtered(xp.asarray(chords.astype(taps.dtype)), taps, xp)
        spectrum *= step
        # only the part of the box where the particle is: rows first, then columns
        around[..., lit] = fft.ifft(spectrum, axis=-2)[:, :size]
        u = fft.ifft(around, axis=-1)[..., :size]
        source = _exponential_minus_one(path, s, xp) * (1 + u)
        rows = fft.fft(source, n=samples, axis=-1)[..., lit]
        spectrum += fft.fft(rows, n=samples, axis=-2)
    spectrum *= step != 0
    return spectrum


@lru_cache(maxsize=8)
def _vacuum(grid: PropagationGrid, k: float, dtype: str) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """The propagator over a slice without e^{i k dz}, and the columns of the transform below k."""
    q = 2 * math.pi * np.fft.fftfreq(grid.samples, grid.spacing)
    lit = np.flatnonzero(np.abs(q) < k)
    q_squared = q[:, None] ** 2 + q[lit] ** 2
    q_z = q_squared / (k + np.sqrt(np.maximum(k * k - q_squared, 0.0)))
    step = np.where(q_squared < k * k, np.exp(-1j * q_z * grid.thickness), 0.0)
    return step.astype(dtype), lit


def _slices(
    body: Body, radii: FloatArray, orientations: FloatArray, grid: PropagationGrid
) -> Iterator[NDArray[np.floating]]:
    """The path through material in nm of each slice, in order, on the finer grid of columns (N, F, F)."""
    half, fine = grid.half_width(radii.max()), FINER * (grid.across(radii.max()) + 2 * LOBES)
    centres = grid.spacing * ((np.arange(fine) + 0.5) / FINER - 0.5 - LOBES - half)
    particles = list(zip(rotation_matrix(orientations), radii, strict=True))
    if isinstance(body, ChordedBody):
        yield from _chords_by_slice(body, particles, centres, grid)
        return
    for depths in _depths(body, radii, grid):
        # the mean density of a slice, times its thickness
        yield grid.thickness * np.array(
            [body.density(centres, centres, depths, *particle).mean(axis=0) for particle in particles]
        )


def _depths(body: Body, radii: FloatArray, grid: PropagationGrid) -> Iterator[FloatArray]:
    """Depths in nm at which each slice is sampled, as dense as the voxels lie."""
    assert isinstance(body, Voxels)
    count = math.ceil(grid.thickness / (min(body.edges) * radii.min()))
    within = grid.thickness * (np.arange(count) + 0.5) / count
    deepest = slices_each_side(radii.max(), grid)
    for index in range(-deepest, deepest):
        yield index * grid.thickness + within


def _chords_by_slice(
    body: ChordedBody,
    particles: list[tuple[FloatArray, float]],
    centres: FloatArray,
    grid: PropagationGrid,
) -> Iterator[NDArray[np.float32]]:
    found = [body.chords(centres[None, :], centres[:, None], *particle) for particle in particles]
    z_in = np.array([enter for enter, _ in found], dtype=np.float32)
    z_out = np.maximum(np.array([leave for _, leave in found], dtype=np.float32), z_in)
    deepest = slices_each_side(max(radius for _, radius in particles), grid)
    densities = np.array(body.densities, dtype=np.float32)[:, None, None]
    # material up to a depth: what two depths differ by lies between them
    above = z_in
    for edge in range(1 - deepest, deepest + 1):
        below = np.minimum(np.maximum(z_in, np.float32(edge * grid.thickness)), z_out)
        yield (densities * (below - above)).sum(axis=1)
        above = below


def slices_each_side(radius: float, grid: PropagationGrid) -> int:
    """Slices before and behind the centre: they stay where they are when the particle grows."""
    return math.ceil(radius / grid.thickness)


@lru_cache(maxsize=1)
def _lanczos() -> FloatArray:
    """Filter from `FINER` chords per point to `BLOCK` points, shape (points, chords)."""
    chords = (np.arange(FINER * (BLOCK + 2 * LOBES)) + 0.5) / FINER - 0.5 - LOBES
    distance = chords - np.arange(BLOCK)[:, None]
    taps = np.where(np.abs(distance) < LOBES, np.sinc(distance) * np.sinc(distance / LOBES), 0.0)
    return np.asarray(taps / taps[0].sum())


def _filtered(chords: Array, taps: Array, xp: ModuleType) -> Array:
    """Slices (N, F, F) on the chords' grid, filtered to the points' grid (N, size, size).

    The filter is the same at every point, so that blocks of points share one small matrix.
    """
    count, fine, _ = chords.shape
    points, reach = taps.shape
    blocks = (fine - reach) // (points * FINER) + 1
    step = points * FINER
    window = xp.lib.stride_tricks.as_strided
    first, row, one = chords.strides
    rows = taps @ window(chords, (count, blocks, reach, fine), (first, step * row, row, one))
    rows = rows.reshape(count, blocks * points, fine)
    first, row, one = rows.strides
    across = window(rows, (count, blocks, blocks * points, reach), (first, step * one, row, one)) @ taps.T
    return across.transpose(0, 2, 1, 3).reshape(count, blocks * points, blocks * points)


def _exponential_minus_one(path: Array, s: complex, xp: ModuleType) -> Array:
    """e^{-s l} - 1, with all its digits where s l is small."""
    decay, phase = xp.expm1(-s.real * path), s.imag * path
    real = decay * xp.cos(phase) - 2 * xp.sin(phase / 2) ** 2
    return real - 1j * ((1 + decay) * xp.sin(phase))


def amplitudes(
    body: Body,
    radii: FloatArray,
    orientations: FloatArray,
    optics: Optics,
    detector: EwaldDetector,
    accuracy: float = 0.03,
    arrays: Arrays = NUMPY,
    dtype: str = "complex64",
) -> NDArray[np.complexfloating]:
    """Scattering amplitudes of N particles.

    Parameters
    ----------
    body, radii, orientations
        The particles: a body, circumsphere radii (N,) in nm and unit quaternions (N, 4).
    optics, detector
        Wavelength and refractive index; pixels, on a grid in q_perp.
    accuracy
        Wanted relative L2 error against the converged split step, 0.001 to 0.2.
    arrays, dtype
        The back end, and complex64 or complex128.

    Returns
    -------
    Complex array (N, P) in nm^3 at the detector's scattering vectors.

    Raises
    ------
    ParameterError
        If the index is 1, or the accuracy is outside its range or needs too large a grid.
    """
    check(optics, accuracy)
    vectors = detector.scattering_vectors(optics.wavenumber)
    grids = [PropagationGrid.of(float(radius), optics, detector.q_step, accuracy) for radius in radii]
    result = np.empty((len(radii), vectors.x.size), dtype=dtype)

    def fill(chosen: NDArray[np.int64]) -> None:
        grid = grids[chosen[0]]
        spectra = propagate(body, radii[chosen], orientations[chosen], optics, grid, arrays, dtype)
        to_centre = _to_centre(grid, radii[chosen].max(), vectors, optics)
        at_pixels = spectra[(slice(None), *_pixels(grid, vectors, detector, spectra.shape[-1]))]
        result[chosen] = arrays.to_numpy(at_pixels) * to_centre

    chunks = _chunks(grids, radii, arrays.batch)
    if arrays.batch == 1:
        with ThreadPoolExecutor(cores()) as pool:
            # a list, so that an exception in a thread is raised here
            list(pool.map(fill, chunks))
    else:
        for chunk in chunks:
            fill(chunk)
    return result


def check(optics: Optics, accuracy: float) -> None:
    """Refuse light that passes unscattered, and accuracies outside 0.001 to 0.2, with a `ParameterError`."""
    if optics.index_attenuation == 0:
        raise ParameterError(
            "delta", "0, and beta 0", "a refractive index other than 1 for the solver propagation"
        )
    if not LEAST_ACCURACY <= accuracy <= MOST_ACCURACY:
        raise ParameterError("propagation_accuracy", accuracy, f"{LEAST_ACCURACY:g} to {MOST_ACCURACY:g}")


def _chunks(grids: list[PropagationGrid], radii: FloatArray, batch: int) -> list[NDArray[np.int64]]:
    """Particles that go together: of one grid, and of similar size, since the largest gives the slices."""
    together: dict[PropagationGrid, list[int]] = {}
    for index in np.argsort(radii, kind="stable"):
        together.setdefault(grids[index], []).append(int(index))
    return [
        np.array(members[start : start + batch])
        for members in together.values()
        for start in range(0, len(members), batch)
    ]


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _pixels(
    grid: PropagationGrid, vectors: ScatteringVectors, detector: EwaldDetector, columns: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each of the detector's pixels in a spectrum."""
    row, column = np.divmod(vectors.pixel, detector.pixels)
    row, column = (grid.multiple * (index - detector.pixels // 2) for index in (row, column))
    return row % grid.samples, column % columns


def _to_centre(
    grid: PropagationGrid, radius: float, vectors: ScatteringVectors, optics: Optics
) -> NDArray[np.complex128]:
    """The factor from spectra to A: phases, area of a grid point, and what is said at the top."""
    last = (slices_each_side(radius, grid) - 0.5) * grid.thickness
    corner = grid.half_width(radius) * grid.spacing
    phase = vectors.z * last + (vectors.x + vectors.y) * corner
    gathered = np.sinc(vectors.z * grid.thickness / (2 * math.pi))
    return np.asarray(-(grid.spacing**2) * np.exp(1j * phase) / (optics.index_attenuation * gathered))


def lost_area(spectrum: NDArray[Any], grid: PropagationGrid) -> float:
    """Cross-section in nm^2 of the light that is not behind the particle: absorbed, or cut as evanescent.

    The wave behind the particle carries the integral of |1 + u|^2 - 1 more than the beam, negative.

    Parameters
    ----------
    spectrum
        Of one particle from `propagate`, as a NumPy array (M, C).
    grid
        On which it was computed.
    """
    wave = spectrum.astype(np.complex128)
    gained = (np.abs(wave) ** 2).sum() / grid.samples**2 + 2 * wave[0, 0].real
    return float(-gained * grid.spacing**2)
