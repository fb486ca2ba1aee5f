"""Measured frames to particles: network, re-simulation, agreement."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from invert import quality
from invert.agreement import Compared, compare
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, POOR_AGREEMENT, Alternatives, Estimates, Inversion
from invert.frames import Frames
from invert.fringes import fringes
from invert.model import Answers, ModelConfiguration
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.particle import LARGEST_RADIUS, Particles

BATCH = 64

PATTERNS = 1
"""Simulated for each frame."""


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
    grey = frames.grey(configuration.floor_decades)
    parts: list[tuple[Particles, Answers, Compared, quality.Signs]] = []
    for start in range(0, len(grey), BATCH):
        rows = slice(start, start + BATCH)
        parts.append(_invert(checkpoint, grey[rows], frames.valid[rows]))
        if start == 0:
            progress(0)
        progress(len(parts[-1][0]))
    particles = _joined([part[0] for part in parts], configuration.body)
    answers = [part[1] for part in parts]
    compared, signs = [part[2] for part in parts], [part[3] for part in parts]
    agreement = np.concatenate([part.agreement for part in compared])
    valid = np.concatenate([part.valid for part in compared])
    score = np.concatenate([quality.score(part) for part in signs])
    count = len(particles)
    estimates = Estimates(
        particles=particles,
        radius_sigma=np.concatenate([part.radius_sigma for part in answers]),
        orientation_sigma=np.concatenate([part.orientation_sigma for part in answers]),
        agreement=agreement,
        beam=np.zeros((count, 2)),
        alternatives=Alternatives.none(count),
        flags=_flags(particles, agreement, score, frames, grey, configuration),
        patterns_used=np.full(count, PATTERNS),
        frames=frames.numbers,
        score=score,
        signs=quality.joined(signs),
    )
    resimulated = np.concatenate([part.resimulated for part in compared])
    return Inversion(estimates, grey.numpy(), resimulated, valid)


def _invert(
    checkpoint: Checkpoint, grey: torch.Tensor, valid: NDArray[np.bool_]
) -> tuple[Particles, Answers, Compared, quality.Signs]:
    """A batch of frames: the network's answers, their patterns, and the signs of quality."""
    configuration = checkpoint.model.configuration
    simulation = configuration.simulation
    answers = checkpoint.model.invert(grey)
    radius = np.minimum(answers.radius, LARGEST_RADIUS)
    particles = Particles(radius, answers.orientation, configuration.body)
    compared = compare(grey.numpy(), valid, particles, simulation)
    q_step = simulation.detector.step_on_axis(simulation.optics.wavenumber)
    signs = quality.Signs(
        agreement=compared.agreement,
        roundness=quality.roundness(grey.numpy(), compared.valid),
        spread_degrees=np.degrees(answers.orientation_spread),
        smoothness=quality.smoothness(grey.numpy(), compared.valid),
        fringes=fringes(grey.numpy(), compared.valid, radius, configuration.radius_range[1], q_step),
    )
    return particles, answers, compared, signs


def _joined(parts: Sequence[Particles], body: str) -> Particles:
    return Particles(
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.orientation for part in parts]),
        body,
    )


def _flags(
    particles: Particles,
    agreement: NDArray[np.float64],
    score: NDArray[np.float64],
    frames: Frames,
    grey: torch.Tensor,
    configuration: ModelConfiguration,
) -> NDArray[np.uint32]:
    flags = np.zeros(len(particles), dtype=np.uint32)
    for name, applies in (
        ("radius_outside_training", quality.outside(particles, configuration.radius_range)),
        ("poor_agreement", agreement < POOR_AGREEMENT),
        ("not_explained", score < quality.LEAST_SCORE),
        ("no_signal", grey.amax(dim=(1, 2)).numpy() == 0),
    ):
        flags[applies] |= FLAGS[name]
    return flags | unreadable(frames)


def unreadable(frames: Frames) -> NDArray[np.uint32]:
    """Flags of the frames that their file did not give, uint32, shape (N,)."""
    readable = np.ones(len(frames.images), dtype=bool) if frames.readable is None else frames.readable
    return np.where(readable, 0, FLAGS["unreadable"]).astype(np.uint32)
