"""How finely a particle is sampled for its propagation: an estimate of the error chooses the grid."""

from __future__ import annotations

import math
from dataclasses import dataclass

import scipy.fft

from msft.errors import ParameterError
from msft.optics import Optics

LEAST_ACCURACY, MOST_ACCURACY = 1e-3, 0.2

LOBES = 3
"""Of the Lanczos filter that takes the particle to the grid. It has hardly a second moment: a filter that has
one, such as the mean over a cell, blurs the particle's rim, where the wave depends on the path most."""

BLOCK = 8
"""Grid points that are filtered by one small matrix product: what BLAS does not split over threads."""

BOX_SHARE = 0.8
"""Share of the box in the error: a wider one costs most, and more than it is asked for where it must be a
multiple of what the pixels give."""

MOST_SAMPLES = 4096
"""Lateral grid points per side."""


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
        - thickness: 0.001 (0.6 + 80 m^2) (k dz)^2;
        - what leaves the box and comes back on its other side, which matters only where it meets the particle
          again, since the transform of the wave is the same: (7.2 delta^2 + 2.5 beta^2) (2 R / L)^2.

        At most k dx = 1.9 and k dz = 2 are taken, for the low intensities at large angles: what a grid
        confuses with a spatial frequency is 2 pi / dx away from it, 3.3 k. For particles of a few nm both are
        at most R / 2 and R sqrt(accuracy / 0.12).

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
        smallest = radius * min(0.5, math.sqrt(accuracy / 0.12))
        spacing = min(math.sqrt(each / (0.0011 * contrast)) / k, 1.9 / k, smallest)
        thickness = min(math.sqrt(each / (0.001 * contrast)) / k, 2.0 / k, smallest)
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

    def blocks(self, radius: float) -> int:
        """Blocks of points per side that hold the filtered slices."""
        return -(-(2 * self.half_width(radius) + 1) // BLOCK)

    def deepest(self, radius: float) -> int:
        """Number of the last slice; the first has its negative: they do not move when a particle grows."""
        return math.ceil(radius / self.thickness)

    @property
    def bytes_each(self) -> int:
        """Memory that a particle takes on the way, about: its spectrum, three transforms, the chords."""
        return 8 * (4 * self.samples**2 + 2 * 16 * self.samples**2)
