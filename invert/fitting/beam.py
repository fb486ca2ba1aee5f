"""Where the beam of a frame is, by the patterns of particles of which one is nearly right."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import FLOOR_DECADES, log_scale
from invert.centre import find_beams
from invert.fitting.forward import CENTRE, FLOORS, ForwardModel, log_above_floor, standardised
from msft.particle import Particles

FloatArray = NDArray[np.float64]

PIXELS_AT_ONCE = 2**20
"""Of patterns that are compared together: their spectra take some 100 bytes a pixel."""


class Located(NamedTuple):
    """What N patterns say about a frame.

    Attributes
    ----------
    beams
        Where the beam is by each, in pixels (row, column) from the centre, shape (N, 2).
    agreement
        Correlation with the frame there, above the best of `FLOORS`, shape (N,).
    floors
        That one, in decades, shape (N,).
    """

    beams: FloatArray
    agreement: FloatArray
    floors: FloatArray


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
    intensity = simulation.intensity(particles)
    model.patterns += len(particles)
    lit = np.zeros(shape, dtype=bool)
    lit.ravel()[simulation.scattering_vectors(CENTRE).pixel] = True
    patterns = log_scale(torch.from_numpy(intensity), FLOOR_DECADES).numpy()
    about = round(model.beam[0]), round(model.beam[1])
    shifts, _ = find_beams(model.grey, model.given, patterns, lit, shift, about)
    agreement, floors = np.empty(len(shifts)), np.empty(len(shifts))
    for index, step in enumerate(shifts):
        here, there = _overlap(step, shape), _overlap(-step, shape)
        seen = model.given[here] & lit[there]
        measured = standardised(model.grey[here][seen])
        light = intensity[index][there][seen]
        alike = [float(measured @ standardised(log_above_floor(light, floor))) for floor in FLOORS]
        agreement[index], floors[index] = max(alike), FLOORS[int(np.argmax(alike))]
    # the middle is known to fractions of a pixel
    return Located(np.asarray(shifts + np.subtract(model.beam, about)), agreement, floors)


def _overlap(step: NDArray[np.int64], shape: tuple[int, ...]) -> tuple[slice, ...]:
    """Pixels of an image that a second one covers which is shifted by that step."""
    return tuple(
        slice(max(0, by), length + min(0, by)) for by, length in zip(step.tolist(), shape, strict=True)
    )
