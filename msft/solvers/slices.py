"""The multi-slice Fourier transform as the papers discretise it: the readable float64 reference.

Stielow et al. 2020, appendix B: a grid 192 voxels deep, cut into slices across the beam; each slice is padded
to 512, Fourier transformed, multiplied by the phase of its depth and added. That the grid is a cube 318.75 nm
wide is not in the paper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from msft.bodies import Body
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.rotation import rotation_matrix


@dataclass(frozen=True)
class SliceGrid:
    """The box in which the particle is cut into slices.

    Parameters
    ----------
    voxels
        Voxels per side, which is also the number of slices.
    width
        Width of the cube in nm.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    voxels: int = 192
    width: float = 318.75

    def __post_init__(self) -> None:
        if not 8 <= self.voxels <= 2048:
            raise ParameterError("voxels", self.voxels, "8 to 2048 per side")
        if not 0 < self.width < 1e5:
            raise ParameterError("width", self.width, "a width above 0 nm")

    @property
    def voxel(self) -> float:
        """Width of a voxel in nm."""
        return self.width / self.voxels

    def check_fits(self, radius: float) -> None:
        """Refuse a circumsphere that the box cuts by more than a voxel, as +-159.4 nm do not cut 160 nm."""
        largest = self.width / 2 + self.voxel
        if radius > largest:
            raise ParameterError("radius", f"{radius:g} nm", f"at most {largest:g} nm in this box of slices")

    def padding(self, detector: EwaldDetector) -> int:
        """Samples to which a slice is padded, so that the transform's step is the detector's.

        Raises
        ------
        ParameterError
            If no whole number of samples gives that step.
        """
        samples = 2 * np.pi / (detector.q_step * self.voxel)
        least = max(self.voxels, detector.pixels)
        if abs(samples - round(samples)) > 1e-6 * samples or round(samples) < least:
            raise ParameterError(
                "q_step",
                f"{detector.q_step:g} nm^-1",
                f"2 pi / (m {self.voxel:g} nm) with a whole m >= {least} for the solver slices",
            )
        return round(samples)


def amplitude(
    body: Body,
    radius: float,
    orientation: NDArray[np.float64],
    optics: Optics,
    detector: EwaldDetector,
    grid: SliceGrid | None = None,
) -> NDArray[np.complex128]:
    """Scattering amplitude of one particle, slice by slice.

    Parameters
    ----------
    body, radius, orientation
        The particle: a body, its circumsphere radius in nm and a unit quaternion (4,).
    optics, detector
        Wavelength and absorption; pixels. The slices' transform must reach the detector's edge.
    grid
        The box; by default 192 voxels in 318.75 nm.

    Returns
    -------
    Complex128 array (n, n) in nm^3, zero where q_perp >= k.

    Raises
    ------
    ParameterError
        If the particle leaves the box, or the box's grid does not give the detector's pixels.
    """
    grid = grid or SliceGrid()
    grid.check_fits(radius)
    padded = grid.padding(detector)
    k, s, step = optics.wavenumber, optics.attenuation, grid.voxel
    rotation = rotation_matrix(orientation)

    q_y, q_x = np.meshgrid(detector.axis, detector.axis, indexing="ij")
    q_squared = q_x**2 + q_y**2
    lit = q_squared < k * k
    q_z = np.where(lit, k - np.sqrt(np.maximum(k * k - q_squared, 0.0)), 0.0)

    centres = step * (np.arange(grid.voxels, dtype=np.float64) - (grid.voxels - 1) / 2)
    # the transform counts positions from the first voxel, the amplitude from the centre of the particle
    origin = np.exp(-1j * (q_x + q_y) * centres[0])
    middle = np.fft.fftshift(np.arange(padded))[padded // 2 - detector.pixels // 2 :][: detector.pixels]

    path = np.zeros((grid.voxels, grid.voxels))
    total = np.zeros(q_x.shape, dtype=np.complex128)
    for z in centres:
        density = body.density(centres, centres, np.array([z]), rotation, radius)[0]
        path += step * density  # the path includes the slice itself
        wave = density * np.exp(-s * path)
        spectrum = scipy.fft.fft2(wave, s=(padded, padded))[np.ix_(middle, middle)]
        total += spectrum * np.exp(1j * q_z * z)
    return np.where(lit, total * origin * step**3, 0.0)
