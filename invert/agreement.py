"""How well a particle's pattern agrees with each of many frames: one simulation for each.

It is the agreement that forward fitting maximises (`invert.forward`), for particles that are given.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from invert.fit import FLOORS
from invert.fitted import with_contrast_of
from invert.forward import FEWEST_PIXELS, log_above_floor, saturated, standardised
from msft.particle import Particles
from msft.pattern import Simulation

Images = NDArray[np.float32]
Masks = NDArray[np.bool_]


@dataclass(frozen=True)
class Compared:
    """Frames and their re-simulated patterns.

    Attributes
    ----------
    agreement
        Correlation of the log patterns over the compared pixels, shape (N,); 0 where there is nothing to
        compare.
    resimulated
        Grey images (N, H, W) in [0, 1] with the frames' contrast and offset.
    valid
        Pixels that were compared, bool, shape (N, H, W).
    """

    agreement: NDArray[np.float64]
    resimulated: Images
    valid: Masks


def compare(grey: Images, valid: Masks, particles: Particles, simulation: Simulation) -> Compared:
    """Simulate the particle of each frame, and compare.

    Parameters
    ----------
    grey, valid
        Frames (N, H, W) in grey values, and their pixels that count, bool. Saturated ones are left out.
    particles
        N of them.
    simulation
        How patterns are computed; the beam is in the centre.
    """
    vectors = simulation.scattering_vectors()
    dark = np.ones(grey.shape[1:], dtype=bool)
    dark.ravel()[vectors.pixel] = False
    used = valid & ~dark
    for image, usable in zip(grey, used, strict=True):
        usable &= ~saturated(image, usable)
    agreement, resimulated = np.zeros(len(grey)), np.zeros_like(grey)
    worth = [row for row, image in enumerate(grey) if _shows_something(image[used[row]])]
    if worth:
        intensity = simulation.intensity_at(particles[np.array(worth)], vectors)
        for row, pattern in zip(worth, intensity, strict=True):
            agreement[row], floor = _agreement(grey[row], used[row], pattern, vectors.pixel)
            resimulated[row] = with_contrast_of(grey[row], used[row], pattern, vectors.pixel, floor)
    return Compared(agreement, resimulated, used)


def _shows_something(seen: Images) -> bool:
    return seen.size >= FEWEST_PIXELS and bool(np.ptp(seen) > 0)


def _agreement(grey: Images, valid: Masks, pattern: Images, pixel: NDArray[np.int64]) -> tuple[float, float]:
    """The best correlation over the floors, and its floor."""
    compared = valid.ravel()[pixel]
    measured = standardised(grey.ravel()[pixel[compared]])
    misfits = []
    for floor in FLOORS:
        residual = measured - standardised(log_above_floor(pattern[None, compared], floor))[0]
        misfits.append(float(residual @ residual) / 2)
    best = int(np.argmin(misfits))
    return 1 - misfits[best], FLOORS[best]
