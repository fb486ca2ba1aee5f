"""Multi-slice propagation: refraction, absorption on the way in and out, multiple forward scattering.

The split step of Tuemmler et al., Laser Photonics Rev. 2025, doi 10.1002/lpor.202502001: in each slice
the wave is multiplied by e^{i k (n - 1) l}, with l the path through material in the slice, and carried to
the next slice by the exact propagator of vacuum, e^{i sqrt(k^2 - q^2) dz}, which cuts what is evanescent.

Here the wave is e^{i k z} (1 + u), and u alone is carried: the empty beam is never there, so nothing is lost
in subtracting it. A slice adds (T - 1) (1 + u) to u, with T = e^{-s l} and s = k beta + i k delta. With U the
transform of u behind the particle, all phases referred to its centre, and C what the slices make of a body
that scatters once (`msft.solvers.slice_paths`),

    A(q) = -U(q) / (s C(q)).

As n goes to 1, u is the sum of -s l over the slices and A that of the other solvers. A far field carries a
factor k_z / k, and a slice that light leaves obliquely is longer by k / k_z: the split step has neither of
the two, so |A|^2 is the intensity per solid angle for all solvers alike.

The grid is `msft.solvers.propagation_grid`'s. All arrays are those of one back end, many particles at once;
to the host go amplitudes at the detector's pixels alone.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.backends.arrays import NUMPY, Arrays
from msft.bodies import Body
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.solvers.propagation_grid import LEAST_ACCURACY, MOST_ACCURACY, PropagationGrid
from msft.solvers.slice_paths import response, slice_paths
from msft.threads import cores

FloatArray = NDArray[np.float64]
Array = Any
"""An array of the back end."""


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
    k; zero where q_perp >= k. The phases belong to the last slice and the first grid point; see
    `amplitudes`.
    """
    xp, fft = arrays.xp, arrays.fft
    s, samples = optics.index_attenuation, grid.samples
    low, high = _lit(grid, optics.wavenumber)
    propagator = xp.asarray(_propagator(grid, optics.wavenumber, dtype))
    real = "float32" if dtype == "complex64" else "float64"
    spectrum = xp.zeros((len(radii), *propagator.shape), dtype=dtype)
    for layer in slice_paths(body, radii, orientations, grid, xp, real):
        spectrum *= propagator
        if layer is None:
            continue
        # only the part of the box where there is material: rows first, then columns
        lines = fft.ifft(spectrum, axis=-2)[:, layer.rows]
        box = xp.zeros((len(radii), lines.shape[1], samples), dtype=dtype)
        box[..., :low] = lines[..., :low]
        box[..., high:] = lines[..., low:]
        u = fft.ifft(box, axis=-1, overwrite_x=True)[..., layer.columns]
        source = xp.zeros((len(radii), lines.shape[1], samples), dtype=dtype)
        source[..., layer.columns] = _exponential_minus_one(layer.path, s, xp) * (1 + u)
        lines = fft.fft(source, axis=-1, overwrite_x=True)
        box = xp.zeros(spectrum.shape, dtype=dtype)
        box[:, layer.rows, :low] = lines[..., :low]
        box[:, layer.rows, low:] = lines[..., high:]
        spectrum += fft.fft(box, axis=-2, overwrite_x=True)
    spectrum *= propagator != 0
    return spectrum


def _lit(grid: PropagationGrid, k: float) -> tuple[int, int]:
    """The columns below k of a transform in FFT order: those before the first, and those from the second."""
    dark = np.flatnonzero(np.abs(np.fft.fftfreq(grid.samples, grid.spacing)) >= k / (2 * math.pi))
    return (int(dark[0]), int(dark[-1]) + 1) if dark.size else (grid.samples, grid.samples)


@lru_cache(maxsize=16)
def _propagator(grid: PropagationGrid, k: float, dtype: str) -> NDArray[np.complexfloating]:
    """From slice to slice without e^{i k dz}, for the columns below k; 0 where the wave is evanescent."""
    low, high = _lit(grid, k)
    q = 2 * math.pi * np.fft.fftfreq(grid.samples, grid.spacing)
    q_squared = q[:, None] ** 2 + np.delete(q, np.s_[low:high]) ** 2
    q_z = q_squared / (k + np.sqrt(np.maximum(k * k - q_squared, 0.0)))
    return np.where(q_squared < k * k, np.exp(-1j * q_z * grid.thickness), 0.0).astype(dtype)


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
    grids = [PropagationGrid.of(float(radius), optics, detector.q_step, accuracy) for radius in radii]
    vectors = detector.scattering_vectors(optics.wavenumber)
    result = np.empty((len(radii), vectors.x.size), dtype=dtype)

    def fill(chosen: NDArray[np.int64]) -> None:
        grid, largest = grids[chosen[0]], float(radii[chosen].max())
        spectra = propagate(body, radii[chosen], orientations[chosen], optics, grid, arrays, dtype)
        row, column, factor = _pixels(grid, detector, optics)
        # the particle's centre lies before the last slice, and beside the first grid point
        behind, beside = grid.deepest(largest) * grid.thickness, grid.half_width(largest) * grid.spacing
        to_centre = factor * np.exp(1j * (vectors.z * behind + (vectors.x + vectors.y) * beside))
        row, column, to_centre = (arrays.xp.asarray(one) for one in (row, column, to_centre.astype(dtype)))
        result[chosen] = arrays.to_numpy(spectra[:, row, column] * to_centre)

    chunks = _chunks(grids, radii, arrays.batch_bytes)
    with ThreadPoolExecutor(1 if arrays.batch_bytes else cores()) as pool:
        # a list, so that an exception in a thread is raised here
        list(pool.map(fill, chunks))
    return result


def check(optics: Optics, accuracy: float) -> None:
    """Refuse light that passes unscattered, and accuracies outside 0.001 to 0.2, with a `ParameterError`."""
    if optics.index_attenuation == 0:
        raise ParameterError(
            "delta", "0, and beta 0", "a refractive index other than 1 for the solver propagation"
        )
    if not LEAST_ACCURACY <= accuracy <= MOST_ACCURACY:
        raise ParameterError("propagation_accuracy", accuracy, f"{LEAST_ACCURACY:g} to {MOST_ACCURACY:g}")


def _chunks(grids: list[PropagationGrid], radii: FloatArray, batch_bytes: int) -> list[NDArray[np.int64]]:
    """Particles that go together: of one grid, and of similar size, since the largest gives the slices."""
    together: dict[PropagationGrid, list[int]] = {}
    for index in np.argsort(radii, kind="stable"):
        together.setdefault(grids[index], []).append(int(index))
    chunks = []
    for grid, members in together.items():
        batch = max(1, batch_bytes // grid.bytes_each)
        chunks += [np.array(members[start : start + batch]) for start in range(0, len(members), batch)]
    return chunks


@lru_cache(maxsize=4)
def _pixels(
    grid: PropagationGrid, detector: EwaldDetector, optics: Optics
) -> tuple[NDArray[np.integer], NDArray[np.integer], NDArray[np.complexfloating]]:
    """Row and column in a spectrum of each of the detector's pixels, and the factor to A but for a phase."""
    vectors = detector.scattering_vectors(optics.wavenumber)
    low, high = _lit(grid, optics.wavenumber)
    row, column = np.divmod(vectors.pixel, detector.pixels)
    lateral, depth = response(grid, detector.axis, vectors.z)
    sampled = lateral[row] * lateral[column] * depth
    row, column = (grid.multiple * (index - detector.pixels // 2) for index in (row, column))
    factor = -(grid.spacing**2) / (optics.index_attenuation * sampled)
    return row % grid.samples, column % (grid.samples - high + low), factor


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
