"""Where the beam of a frame is, by the patterns of particles of which one is nearly right."""

from __future__ import annotations

from operator import itemgetter
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES, log_scale
from invert.centre import over_shifts
from invert.fitting.forward import (
    FLOORS,
    MARGIN,
    ForwardModel,
    log_above_floor,
    point_spread,
    standardised,
)
from msft.particle import Particles

FloatArray = NDArray[np.float64]

PIXELS_AT_ONCE = 2**20
"""Of patterns that are compared together: their spectra take some 100 bytes a pixel."""

SPREADS = (0.0, 1.0)
"""Variances of the point spread in square pixels that are tried. Where light is spread but the patterns are
not, a small particle without fringes agrees better with a large one's frame than the right one."""


class Located(NamedTuple):
    """What N patterns say about a frame.

    Attributes
    ----------
    beams
        Where the beam is by each, in pixels (row, column) from the centre, shape (N, 2).
    agreement
        Correlation with the frame there, with the best of `SPREADS` above the best of `FLOORS`, shape (N,).
    floors, spreads
        Those, in decades and in square pixels, shapes (N,).
    """

    beams: FloatArray
    agreement: FloatArray
    floors: FloatArray
    spreads: FloatArray


def locate_beams(model: ForwardModel, particles: Particles, shift: int) -> Located:
    """Correlate a frame with the patterns of N particles, each shifted by whole pixels.

    Parameters
    ----------
    model
        The frame; it counts the patterns.
    particles
        N of them.
    shift
        Largest shift in each direction from where the model has the beam, in pixels.
    """
    portion = max(1, PIXELS_AT_ONCE // model.grey.size)
    parts = [
        _located(model, particles[first : first + portion], shift)
        for first in range(0, len(particles), portion)
    ]
    return Located(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _located(model: ForwardModel, particles: Particles, shift: int) -> Located:
    simulation, shape = model.simulation, model.grey.shape
    about = round(model.beam[0]), round(model.beam[1])
    # the middle is known to fractions of a pixel
    vectors = simulation.scattering_vectors((model.beam[0] - about[0], model.beam[1] - about[1]))
    lit = np.zeros(shape, dtype=bool)
    lit.ravel()[vectors.pixel] = True
    intensity = np.zeros((len(particles), *shape), dtype=np.float32)
    intensity.reshape(len(particles), -1)[:, vectors.pixel] = simulation.intensity_at(particles, vectors)
    model.patterns += len(particles)
    patterns = log_scale(torch.from_numpy(intensity), FLOOR_DECADES).numpy()
    shifts = over_shifts(model.grey, model.valid, patterns, lit, shift, about).best()
    shown = [(spread, point_spread(intensity, spread, MARGIN) if spread else intensity) for spread in SPREADS]
    best = []
    for index, step in enumerate(shifts):
        here, there = _overlap(step, shape), _overlap(-step, shape)
        seen = model.valid[here] & lit[there]
        measured = standardised(model.grey[here][seen])
        alike = (
            (
                float(measured @ standardised(log_above_floor(images[index][there][seen], floor))),
                floor,
                spread,
            )
            for spread, images in shown
            for floor in FLOORS
        )
        best.append(max(alike, key=itemgetter(0)))
    agreement, floors, spreads = np.array(best).T
    return Located(np.asarray(shifts + np.subtract(model.beam, about)), agreement, floors, spreads)


def _overlap(step: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Pixels of an image that a second one covers which is shifted by that step."""
    return tuple(
        slice(max(0, by), length + min(0, by)) for by, length in zip(step.tolist(), shape, strict=True)
    )
