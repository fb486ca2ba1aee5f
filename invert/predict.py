"""Measured frames to particles: network, re-simulation, agreement."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from augment.scaling import stretch
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, POOR_AGREEMENT, Alternatives, Estimates, Inversion
from invert.fit import FLOORS
from invert.fitted import PICTURE, as_displayed
from invert.forward import Candidate, ForwardModel
from invert.frames import Frames
from invert.model import Answers, ModelConfiguration
from msft.dataset import missing_pixels
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.particle import LARGEST_RADIUS, Particles
from msft.pattern import Simulation

BATCH = 64


def check_frames(frames: Frames, configuration: ModelConfiguration) -> None:
    """Refuse frames that were not taken with the light and the pixels that the model was trained on.

    Raises
    ------
    ParameterError
        If the frames have another size, or their file states another detector geometry, or a wavelength or
        width of a pixel in q that differs by more than 1 %.
    """
    simulation = configuration.simulation
    detector = simulation.detector
    if frames.images.shape[1:] != (detector.pixels, detector.pixels):
        size = " x ".join(map(str, frames.images.shape[1:]))
        raise ParameterError(
            "frames",
            f"{size} pixels in {frames.source}",
            f"{detector.pixels} x {detector.pixels}, as the model's",
        )
    if frames.geometry not in (None, detector.geometry):
        raise ParameterError(
            "geometry", f"{frames.geometry} in {frames.source}", f"{detector.geometry}, as the model's"
        )
    trained_step = detector.q_step if isinstance(detector, EwaldDetector) else None
    for field, stated, trained, unit in (
        ("wavelength", frames.wavelength, simulation.optics.wavelength, "nm"),
        ("q_step", frames.q_step, trained_step, "nm^-1"),
    ):
        if stated is not None and trained is not None and abs(stated / trained - 1) > 0.01:
            raise ParameterError(
                field,
                f"{stated:.4g} {unit} in {frames.source}",
                f"{trained:.4g} {unit} +- 1 %, as the model's",
            )


def predict(
    checkpoint: Checkpoint, frames: Frames, progress: Callable[[int], None] = lambda done: None
) -> Inversion:
    """Invert frames with a network and re-simulate every estimate.

    Parameters
    ----------
    checkpoint
        The model.
    frames
        As read by `invert.frames.read_frames`.
    progress
        Called with 0 once the frames are found good, then with the number of frames of each batch.

    Raises
    ------
    ParameterError
        If the frames' size, wavelength or pixel width are not the model's.
    """
    configuration = checkpoint.model.configuration
    check_frames(frames, configuration)
    decades = configuration.floor_decades
    grey = frames.grey(decades)
    measured = grey.numpy()
    parts: list[Particles] = []
    answers: list[Answers] = []
    agreement, resimulated = np.zeros(len(measured)), np.zeros_like(measured)
    valid = frames.valid & (missing_pixels(configuration.simulation) == 0)
    for start in range(0, len(measured), BATCH):
        rows = slice(start, start + BATCH)
        found = checkpoint.model.invert(stretch(grey[rows], decades))
        answers.append(found)
        radius = np.minimum(found.radius, LARGEST_RADIUS)
        parts.append(Particles(radius, found.orientation, configuration.body))
        if start == 0:
            progress(0)
        for row, particle in enumerate(_each(parts[-1]), start):
            agreement[row], resimulated[row] = _compare(
                measured[row], valid[row], particle, configuration.simulation
            )
        progress(len(radius))
    particles = Particles(
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.orientation for part in parts]),
        configuration.body,
    )
    count = len(particles)
    estimates = Estimates(
        particles=particles,
        radius_sigma=np.concatenate([part.radius_sigma for part in answers]),
        orientation_sigma=np.concatenate([part.orientation_sigma for part in answers]),
        agreement=agreement,
        beam=np.zeros((count, 2)),
        alternatives=Alternatives.none(count),
        flags=_flags(particles, agreement, measured, configuration),
        patterns_used=np.full(count, 1 + PICTURE),
        frames=frames.numbers,
    )
    return Inversion(estimates, measured, resimulated, valid)


def _each(particles: Particles) -> Iterator[Particles]:
    return (particles[row : row + 1] for row in range(len(particles)))


def _compare(
    grey: NDArray[np.float32], valid: NDArray[np.bool_], particle: Particles, simulation: Simulation
) -> tuple[float, NDArray[np.float32]]:
    """Agreement of a frame with a particle, as fits have it, and the particle's pattern as the frame's."""
    try:
        model = ForwardModel(grey, valid, simulation, particle.body)
    except ParameterError:  # nothing to compare
        return 0.0, np.zeros_like(grey)
    misfit, floor = model.misfit(particle.radius, particle.orientation, FLOORS)
    candidate = Candidate(float(particle.radius[0]), particle.orientation[0], float(floor[0]))
    return float(1 - misfit[0]), as_displayed(model, candidate)


def _flags(
    particles: Particles,
    agreement: NDArray[np.float64],
    measured: NDArray[np.float32],
    configuration: ModelConfiguration,
) -> NDArray[np.uint32]:
    low, high = configuration.radius_range
    margin = 0.02 * (high - low)
    outside = (particles.radius < low - margin) | (particles.radius > high + margin)
    flags = np.zeros(len(particles), dtype=np.uint32)
    flags[outside] |= FLAGS["radius_outside_training"]
    flags[agreement < POOR_AGREEMENT] |= FLAGS["poor_agreement"]
    flags[measured.max(axis=(1, 2)) == 0] |= FLAGS["no_signal"]
    return flags
