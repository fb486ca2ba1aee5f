"""Forward fitting's view of a frame: candidate particles, compared where the frame was measured.

The measured and the simulated image are logarithms above a floor, taken over the valid pixels only, less
their mean and divided by their norm. That leaves contrast and offset free, which no measured log pattern
fixes, and makes the misfit of two images

    |m - g|^2 / 2 = 1 - r,

r their correlation. The floor, below which a detector sees nothing, is free as well. Pixels that are not
valid never enter: neither their values nor their number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import convolve1d, maximum_filter
from scipy.special import ive

from msft.detector import ScatteringVectors
from msft.errors import ParameterError
from msft.particle import Particles
from msft.pattern import Simulation

FloatArray = NDArray[np.float64]
Images = NDArray[np.float32]
Beam = tuple[float, float]

CENTRE: Beam = (0.0, 0.0)

FLOORS = (1.0, 1.5, 2.0, 3.0, 4.0, 5.0)
"""Decades that are tried for the floor under the simulated logarithm."""

BEAM_REACH = 3.0
"""Pixels that a free beam may move in each direction."""

BEAM_STEP = 1e-2
"""Pixels by which the beam is moved to see what changes."""

MARGIN = 4
"""Pixels over which a point spread brings light from one into another."""

FEWEST_PIXELS = 32
"""Valid pixels that a particle can be fitted to."""

SATURATED_PIXELS = 4
"""So many pixels of one value, the frame's largest, are saturated ..."""

COUNTS = 16
"""... unless the frame has no more different values than this: single photons."""


@dataclass(frozen=True)
class Candidate:
    """What a frame is compared with.

    Attributes
    ----------
    radius
        In nm.
    orientation
        Unit quaternion, shape (4,).
    floor
        Decades from the brightest compared pixel down to the floor under the simulated logarithm.
    beam
        Where the beam meets the detector, in pixels (row, column) from its centre.
    blur
        Variance of the point spread along each axis, in square pixels.
    """

    radius: float
    orientation: FloatArray
    floor: float
    beam: Beam = CENTRE
    blur: float = 0.0


class ForwardModel:
    """One frame, and the simulation that candidates for it are compared with.

    Parameters
    ----------
    grey
        The frame in grey values, shape (H, W), as `invert.frames.Frames.grey` gives them.
    valid
        Pixels to compare, bool, shape (H, W). Saturated ones among them are left out.
    simulation
        How patterns are computed. The exact solver computes the compared pixels alone.
    body
        Name of the body.
    beam, reach
        Where the beam is to be compared, and how far from there in each coordinate, in pixels: only pixels
        that see light from everywhere within reach are compared, so that they stay the same.
    margin
        Pixels around the compared ones that are simulated, too: as far as light may be spread.

    Attributes
    ----------
    valid
        The pixels that were given to compare, without saturated ones, bool, shape (H, W).
    measured
        The compared pixels, standardised, shape (P,).
    patterns
        Patterns computed so far.

    Raises
    ------
    ParameterError
        If fewer than `FEWEST_PIXELS` are left to compare, or they all have the same value; or if the beam
        is off the centre with another solver than the exact one, which alone computes such patterns.
    """

    def __init__(
        self,
        grey: Images,
        valid: NDArray[np.bool_],
        simulation: Simulation,
        body: str,
        beam: Beam = CENTRE,
        reach: float = 0.0,
        margin: int = 0,
    ) -> None:
        check_beam(simulation, beam, reach)
        self.grey, self.simulation, self.body = grey, simulation, body
        self.beam, self.reach, self.margin = beam, reach, margin
        self.patterns = 0
        lit = np.ones(grey.size, dtype=bool)
        # without reach the corners are one
        for corner in {(beam[0] + a * reach, beam[1] + b * reach) for a in (-1, 1) for b in (-1, 1)}:
            dark = np.ones(grey.size, dtype=bool)
            dark[simulation.scattering_vectors(corner).pixel] = False
            lit[dark] = False
        self._given = valid
        self.valid = valid & ~saturated(grey, valid & lit.reshape(grey.shape))
        self._compared = self.valid.ravel() & lit
        seen = grey.ravel()[self._compared]
        if seen.size < FEWEST_PIXELS:
            raise ParameterError(
                "frame", f"{seen.size} valid pixels", f"{FEWEST_PIXELS} or more that see light"
            )
        if np.ptp(seen) == 0:
            raise ParameterError("frame", f"{seen[0]:g} in every valid pixel", "a pattern")
        self.measured = standardised(seen.astype(np.float32))
        around = self._compared.reshape(grey.shape)
        if margin:
            around = maximum_filter(around, 2 * margin + 1, mode="constant")
        self._simulated = around.ravel()
        self._vectors: dict[Beam, ScatteringVectors] = {}

    @property
    def free_reach(self) -> float:
        """How far the beam of an answer may be off: what changes is looked for a little further."""
        return self.reach - BEAM_STEP

    def around(self, beam: Beam, reach: float, margin: int = 0) -> ForwardModel:
        """The same frame, compared within reach of another beam position; patterns are counted from 0."""
        # of what was given: the next brightest pixels are not saturated because the brightest ones are
        return ForwardModel(self.grey, self._given, self.simulation, self.body, beam, reach, margin)

    def intensity(self, radius: FloatArray, orientation: FloatArray, beam: Beam | None = None) -> Images:
        """Intensities of N particles at the S simulated pixels, float32, shape (N, S).

        Without a margin these are the compared ones; with one, `spread` comes between.
        """
        beam = self.beam if beam is None else beam
        if beam not in self._vectors:
            vectors = self.simulation.scattering_vectors(beam)
            self._vectors = {beam: vectors.only(self._simulated[vectors.pixel])}
        self.patterns += len(radius)
        particles = Particles(radius, orientation, self.body)
        seen = self.simulation.intensity_at(particles, self._vectors[beam])
        if not self.margin:
            return seen
        # of the margin, some pixels may see no light
        light = np.zeros((len(seen), self.grey.size), dtype=np.float32)
        light[:, self._vectors[beam].pixel] = seen
        return light[:, self._simulated]

    def spread(self, intensity: Images, blur: float) -> Images:
        """Intensities (N, S) as a point spread of that variance brings them to the compared pixels."""
        if not self.margin:
            return intensity
        return spread_pixels(intensity, self._simulated, self._compared, self.grey.shape, blur, self.margin)

    def compared_positions(self) -> tuple[FloatArray, FloatArray]:
        """Rows and columns of the compared pixels, each of shape (P,)."""
        rows, columns = np.divmod(np.flatnonzero(self._compared), self.grey.shape[1])
        return rows.astype(np.float64), columns.astype(np.float64)

    def on_detector(self, values: FloatArray) -> FloatArray:
        """Values (K, P) of the compared pixels as images (K, H, W), 0 elsewhere."""
        images = np.zeros((len(values), self.grey.size))
        images[:, self._compared] = values
        return images.reshape(len(values), *self.grey.shape)

    def misfit(
        self, radius: FloatArray, orientation: FloatArray, floors: tuple[float, ...], blur: float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """1 - r (0 to 2) of N particles over the best of some floors, and that floor; shapes (N,)."""
        intensity = self.spread(self.intensity(radius, orientation), blur)
        misfits = np.empty((len(floors), len(intensity)))
        for row, decades in zip(misfits, floors, strict=True):
            residual = self.measured - standardised(log_above_floor(intensity, decades))
            row[:] = np.einsum("np,np->n", residual, residual) / 2
        best = np.argmin(misfits, axis=0)
        return misfits[best, np.arange(len(intensity))], np.asarray(floors)[best]


def check_beam(simulation: Simulation, beam: Beam, reach: float) -> None:
    """Raise ParameterError unless the solver can compute patterns within reach of the beam."""
    if simulation.solver != "exact" and (beam != CENTRE or reach):
        raise ParameterError("solver", simulation.solver, "exact, where the centre is free")


def point_spread(images: Images, variance: float, margin: int) -> Images:
    """Images (N, H, W) under the discrete Gaussian of a variance in square pixels, cut at the margin.

    Its weights are e^-v I_n(v), which a convolution of two such kernels keeps and v = 0 leaves alone (T.
    Lindeberg, IEEE Trans. Pattern Anal. Mach. Intell. 12, 234 (1990)).
    """
    weights = ive(abs(np.arange(-margin, margin + 1)), variance).astype(np.float32)
    weights /= weights.sum()
    rows = convolve1d(images, weights, axis=1, mode="constant")
    return np.asarray(convolve1d(rows, weights, axis=2, mode="constant"))


def spread_pixels(
    intensity: Images,
    seen: NDArray[np.bool_] | NDArray[np.int64],
    wanted: NDArray[np.bool_] | NDArray[np.int64],
    shape: tuple[int, ...],
    variance: float,
    margin: int,
) -> Images:
    """Intensities (N, S) at the pixels `seen` of an image, brought to those `wanted` by `point_spread`."""
    images = np.zeros((len(intensity), math.prod(shape)), dtype=np.float32)
    images[:, seen] = intensity
    spread = point_spread(images.reshape(len(images), *shape), variance, margin)
    return np.asarray(spread.reshape(images.shape)[:, wanted])


def log_above_floor(intensity: Images, decades: float) -> Images:
    """log(1 + I / c) of images (N, P), c the floor so many decades below the maximum of each."""
    peak = intensity.max(axis=-1, keepdims=True)
    grey = intensity * (10.0**decades / np.where(peak > 0, peak, 1)).astype(np.float32)
    grey += 1
    return np.asarray(np.log(grey, out=grey))


def standardised(images: Images) -> Images:
    """Less their mean and divided by their norm along the last axis; a constant image becomes 0."""
    images = images - images.mean(axis=-1, keepdims=True)
    norm = np.linalg.norm(images, axis=-1, keepdims=True)
    return np.asarray(images / np.where(norm > 0, norm, 1), dtype=np.float32)


def saturated(grey: Images, valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Valid pixels that share the largest value, where they are too many for chance."""
    seen = grey[valid]
    brightest = valid & (grey >= seen.max(initial=-np.inf))
    if brightest.sum() < SATURATED_PIXELS or np.unique(seen).size <= COUNTS:
        return np.zeros_like(valid)
    return np.asarray(brightest)
