"""Where the pixels lie in reciprocal space: the scattering vector of each one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from msft.errors import ParameterError

PAPER_Q_STEP = 2 * math.pi / 850.0
"""Pixel width in nm^-1 of 192 voxels padded to 512 (Stielow et al. 2020, appendix B), the 192 being 318.75 nm
wide, which the paper leaves open."""

MOST_PIXELS = 8192
"""Per side."""

SHORTEST, LONGEST = 1e-6, 1e9
"""Of the lengths of a flat detector in mm: beyond them their squares are no longer numbers."""

Polarisation = Literal["none", "x", "y", "unpolarised"]


@dataclass(frozen=True)
class ScatteringVectors:
    """The scattering vectors of the pixels that can see light.

    Attributes
    ----------
    x, y, z
        Components in nm^-1, float64, shape (P,): q_z = k - sqrt(k^2 - q_x^2 - q_y^2) >= 0.
    pixel
        Flat index of each into the image, int64, shape (P,).
    weight
        Factor on |A|^2 (solid angle of the pixel, polarisation), float64, shape (P,).
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    z: NDArray[np.float64]
    pixel: NDArray[np.int64]
    weight: NDArray[np.float64]

    def only(self, chosen: NDArray[np.bool_] | NDArray[np.int64]) -> ScatteringVectors:
        """Some of the pixels, by a bool array (P,) or by their numbers."""
        return ScatteringVectors(
            self.x[chosen], self.y[chosen], self.z[chosen], self.pixel[chosen], self.weight[chosen]
        )


def _on_ewald_sphere(
    q_x: NDArray[np.float64], q_y: NDArray[np.float64], k: float, polarisation: Polarisation
) -> ScatteringVectors:
    q_squared = q_x**2 + q_y**2
    pixel = np.flatnonzero(q_squared < k * k)
    x, y, q_squared = q_x.ravel()[pixel], q_y.ravel()[pixel], q_squared.ravel()[pixel]
    # k - sqrt(k^2 - q^2) without the cancellation at small q
    z = q_squared / (k + np.sqrt(k * k - q_squared))
    return ScatteringVectors(x, y, z, pixel, polarisation_factor(x / k, y / k, polarisation))


def polarisation_factor(
    x: NDArray[np.float64], y: NDArray[np.float64], polarisation: Polarisation
) -> NDArray[np.float64]:
    """Intensity that a dipole sends in a direction, relative to a scalar wave.

    Parameters
    ----------
    x, y
        Components of the unit vector of the direction, z being the beam's; arrays of one shape.
    polarisation
        Linear along ``x`` (columns) or ``y`` (rows): 1 - x^2 or 1 - y^2; ``unpolarised``: their mean,
        (1 + cos^2 theta) / 2; ``none``: 1.

    Returns
    -------
    The factor on |A|^2, from 0 to 1, in the same shape.
    """
    if polarisation == "none":
        return np.ones_like(x)
    weights = {"x": (1.0, 0.0), "y": (0.0, 1.0), "unpolarised": (0.5, 0.5)}[polarisation]
    return np.asarray(1 - weights[0] * x**2 - weights[1] * y**2)


def _check(pixels: int, polarisation: Polarisation) -> None:
    if not 2 <= pixels <= MOST_PIXELS:
        raise ParameterError("pixels", pixels, f"2 to {MOST_PIXELS} per side")
    if polarisation not in get_args(Polarisation):
        raise ParameterError("polarisation", polarisation, "one of " + ", ".join(get_args(Polarisation)))


@dataclass(frozen=True)
class EwaldDetector:
    """A square detector that is linear in q_perp: pixel [n/2, n/2] is q = 0, rows are y, columns x.

    Parameters
    ----------
    pixels
        n, pixels per side.
    q_step
        Width of a pixel in nm^-1. With the defaults k of 13.5 nm lies 62.96 px from the centre, so that the
        image spans the forward hemisphere.
    polarisation
        Of the light; see `polarisation_factor`.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    pixels: int = 128
    q_step: float = PAPER_Q_STEP
    polarisation: Polarisation = "none"

    geometry = "ewald"

    def __post_init__(self) -> None:
        _check(self.pixels, self.polarisation)
        if not (math.isfinite(self.q_step) and self.q_step > 0):
            raise ParameterError("q_step", self.q_step, "a width above 0 nm^-1")

    @property
    def axis(self) -> NDArray[np.float64]:
        """q_x of the columns, and q_y of the rows, in nm^-1, float64, shape (n,)."""
        return self.q_step * np.arange(-(self.pixels // 2), (self.pixels + 1) // 2, dtype=np.float64)

    def step_on_axis(self, k: float) -> float:
        """Width in nm^-1 of a pixel: the same everywhere, for every wavenumber."""
        return self.q_step

    def check(self, k: float) -> None:
        """Refuse a detector none of whose pixels but the beam's own lies inside the Ewald sphere.

        Raises
        ------
        ParameterError
            If a pixel is as wide as the wavenumber k in nm^-1.
        """
        if self.q_step >= k:
            allowed = f"below k = {k:.6g} nm^-1, or no pixel beside the beam is inside the Ewald sphere"
            raise ParameterError("q_step", f"{self.q_step:g} nm^-1", allowed)

    def scattering_vectors(self, k: float, beam: tuple[float, float] = (0.0, 0.0)) -> ScatteringVectors:
        """Scattering vectors for the wavenumber k in nm^-1.

        `beam` is where the beam meets the detector, in pixels (row, column) from pixel [n/2, n/2].

        Raises
        ------
        ParameterError
            See `check`.
        """
        self.check(k)
        row, column = (self.axis - self.q_step * offset for offset in beam)
        q_y, q_x = np.meshgrid(row, column, indexing="ij")
        return _on_ewald_sphere(q_x, q_y, k, self.polarisation)


@dataclass(frozen=True)
class FlatDetector:
    """A square flat detector behind the particle, normal to the beam.

    A pixel at distance r from the beam sees the angle theta = atan(r / distance); its solid angle falls as
    cos^3 theta, which multiplies |A|^2.

    Parameters
    ----------
    pixels
        n, pixels per side; pixel [n/2, n/2] is q = 0.
    pixel_size
        Width of a pixel in mm.
    distance
        From particle to detector in mm.
    polarisation
        Of the light; see `polarisation_factor`.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    pixels: int = 128
    pixel_size: float = 0.6
    distance: float = 37.0
    polarisation: Polarisation = "none"

    geometry = "flat"

    def __post_init__(self) -> None:
        _check(self.pixels, self.polarisation)
        for field in ("pixel_size", "distance"):
            value = getattr(self, field)
            if not SHORTEST <= value <= LONGEST:
                raise ParameterError(field, value, f"{SHORTEST:g} to {LONGEST:g}, in mm")

    def step_on_axis(self, k: float) -> float:
        """Width in nm^-1 of a pixel next to the beam, for the wavenumber k in nm^-1."""
        return k * self.pixel_size / self.distance

    def scattering_vectors(self, k: float, beam: tuple[float, float] = (0.0, 0.0)) -> ScatteringVectors:
        """Scattering vectors for the wavenumber k in nm^-1; `beam` as for `EwaldDetector`."""
        axis = np.arange(self.pixels) - self.pixels // 2
        y, x = np.meshgrid(*(self.pixel_size * (axis - offset) for offset in beam), indexing="ij")
        flight = np.sqrt(x**2 + y**2 + self.distance**2)
        vectors = _on_ewald_sphere(k * x / flight, k * y / flight, k, self.polarisation)
        solid_angle = (self.distance / flight.ravel()[vectors.pixel]) ** 3
        return replace(vectors, weight=vectors.weight * solid_angle)

    def check(self, k: float) -> None:
        """Nothing to refuse: every pixel looks at some angle below 90 degrees."""


Detector = EwaldDetector | FlatDetector


def undersampled(detector: Detector, k: float, radius: float) -> tuple[float, float] | None:
    """The radius, and the largest whose fringes the pixels resolve, in nm, if it is larger than that.

    Fringes of a particle of circumsphere radius R are pi / R wide at least, and take two pixels. Finer ones
    are computed as exactly, but show as a false pattern.

    Parameters
    ----------
    detector, k
        With light of the wavenumber k in nm^-1.
    radius
        In nm.
    """
    largest = math.pi / (2 * detector.step_on_axis(k))
    return (radius, largest) if radius > largest else None
