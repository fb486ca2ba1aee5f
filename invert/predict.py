"""Measured frames to particles: network, re-simulation, agreement."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from augment.scaling import log_scale, stretch
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, POOR_AGREEMENT, Alternatives, Estimates, Inversion, correlation
from invert.frames import Frames
from invert.model import ModelConfiguration
from msft.dataset import missing_pixels
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.particle import LARGEST_RADIUS, Particles

BATCH = 64

MEDIAN_OF_1, MEDIAN_OF_3 = 0.6745, 1.5382
"""Median length of a Gaussian vector in one and in three dimensions, in units of sigma per axis."""


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
    grey = stretch(frames.grey(decades), decades)
    valid = frames.valid & (missing_pixels(configuration.simulation) == 0)
    resimulated = np.zeros(grey.shape, dtype=np.float32)
    parts: list[Particles] = []
    for start in range(0, len(grey), BATCH):
        rows = slice(start, start + BATCH)
        radius, orientation = checkpoint.model.invert(grey[rows])
        particles = Particles(np.minimum(radius, LARGEST_RADIUS), orientation, configuration.body)
        if start == 0:
            progress(0)
        intensity = configuration.simulation.intensity(particles)
        # scaled to the brightest pixel that was measured, as the frame is; the hidden centre saturates
        peak = np.where(valid[rows], intensity, 0).max(axis=(1, 2), keepdims=True)
        clipped = torch.from_numpy(np.minimum(intensity, np.where(peak > 0, peak, np.inf)))
        resimulated[rows] = log_scale(clipped, decades).numpy()
        parts.append(particles)
        progress(len(particles))
    particles = Particles(
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.orientation for part in parts]),
        configuration.body,
    )
    measured = grey.numpy()
    agreement = correlation(measured, resimulated, valid)
    count = len(particles)
    # the network has no uncertainty of its own yet: its typical error on held-out patterns stands for it
    typical = checkpoint.errors["experiment"]
    estimates = Estimates(
        particles=particles,
        radius_sigma=np.full(count, typical["radius_median_nm"] / MEDIAN_OF_1),
        orientation_sigma=np.full(count, np.radians(typical["orientation_median_degrees"]) / MEDIAN_OF_3),
        agreement=agreement,
        beam=np.zeros((count, 2)),
        alternatives=Alternatives.none(count),
        flags=_flags(particles, agreement, measured, configuration),
        patterns_used=np.ones(count, dtype=np.int64),
        frames=frames.numbers,
    )
    return Inversion(estimates, measured, resimulated, valid)


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
