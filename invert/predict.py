"""Measured frames to particles: network, re-simulation, agreement."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from invert import quality
from invert.agreement import Comparable, comparable, compare, simulated
from invert.beside import backend_beside
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, POOR_AGREEMENT, Alternatives, Estimates, Inversion
from invert.frames import Frames
from invert.fringes import fringes
from invert.model import Answers, ModelConfiguration
from invert.reading.frames import grey_values
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.particle import LARGEST_RADIUS, Particles

BATCHES = {"cpu": 64, "cuda": 512}
"""Frames that are inverted at a time."""

JUDGED = {"cpu": 8, "cuda": 512}
"""Of which so many are prepared, and later compared with their patterns, at a time: on a processor, what
stays in its caches."""

PROCESSOR = torch.device("cpu")

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


class Prepared(NamedTuple):
    """Frames as they are inverted, on the device of the network that will see them.

    Attributes
    ----------
    grey
        Their grey images, float32 (N, H, W).
    comparable
        What of them is compared with re-simulated patterns.
    """

    grey: torch.Tensor
    comparable: Comparable


def prepare(frames: Frames, configuration: ModelConfiguration, device: torch.device = PROCESSOR) -> Prepared:
    """Make frames ready for a model on a device, which is not waited for.

    Raises
    ------
    ParameterError
        If the frames' size, wavelength or pixel width are not the model's.
    """
    check_frames(frames, configuration)
    shape = frames.images.shape
    grey = torch.empty(shape, device=device)
    pixels, worth = (torch.empty(size, dtype=torch.bool, device=device) for size in (shape, shape[:1]))
    for start in range(0, len(grey), JUDGED[device.type]):
        rows = slice(start, start + JUDGED[device.type])
        images, valid = (
            torch.from_numpy(array[rows]).to(device, non_blocking=True)
            for array in (frames.images, frames.valid)
        )
        grey[rows] = grey_values(images, valid, frames.scale, configuration.floor_decades)
        pixels[rows], worth[rows] = comparable(grey[rows], valid, configuration.simulation)
    return Prepared(grey, Comparable(pixels, worth))


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
    device = next(checkpoint.model.parameters()).device
    prepared = prepare(frames, configuration, device)
    grey = prepared.grey
    resimulated = _landing(grey)
    parts: list[tuple[Particles, Answers, quality.Signs]] = []
    batch = BATCHES[device.type]
    for start in range(0, len(grey), batch):
        rows = slice(start, start + batch)
        parts.append(_invert(checkpoint, prepared, rows, resimulated[rows]))
        if start == 0:
            progress(0)
        progress(len(parts[-1][0]))
    particles = _joined([part[0] for part in parts], configuration.body)
    answers, signs = [part[1] for part in parts], quality.joined([part[2] for part in parts])
    count, score = len(particles), quality.score(signs)
    sigma = np.stack(
        [
            np.concatenate([part.radius_sigma for part in answers]),
            np.concatenate([part.orientation_sigma for part in answers]),
        ]
    )
    flags = _flags(particles, sigma[0], signs.agreement, score, frames, grey, configuration)
    sigma[:, flags & (FLAGS["no_signal"] | FLAGS["unreadable"]) > 0] = np.nan
    estimates = Estimates(
        particles=particles,
        radius_sigma=sigma[0],
        orientation_sigma=sigma[1],
        agreement=signs.agreement,
        beam=np.zeros((count, 2)),
        alternatives=Alternatives.none(count),
        flags=flags,
        patterns_used=np.full(count, PATTERNS),
        frames=frames.numbers,
        score=score,
        signs=signs,
    )
    measured, pixels = (_fetched(tensor) for tensor in (grey, prepared.comparable.pixels))
    return Inversion(estimates, measured, resimulated.numpy(), pixels)


def _fetched(tensor: torch.Tensor) -> NDArray[Any]:
    """What a tensor holds, on the processor."""
    there = tensor.device.type == "cpu"
    return np.asarray((tensor if there else _landing(tensor).copy_(tensor)).numpy())


def _landing(tensor: torch.Tensor) -> torch.Tensor:
    """Memory of the processor for what a tensor holds.

    For a batch of a GPU's it is page-locked: the GPU fills it directly, and PyTorch keeps it for the next
    batch, where the pages of ordinary memory would be mapped anew.
    """
    kind = tensor.device.type
    locked = kind == "cuda" and len(tensor) <= BATCHES[kind]
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=locked)


@torch.inference_mode()
def _invert(
    checkpoint: Checkpoint, prepared: Prepared, rows: slice, resimulated: torch.Tensor
) -> tuple[Particles, Answers, quality.Signs]:
    """A batch of frames: the network's answers, their patterns (written), and the signs of quality."""
    model, configuration = checkpoint.model, checkpoint.model.configuration
    grey, (pixels, worth) = prepared.grey[rows], (part[rows] for part in prepared.comparable)
    device = grey.device
    answers = model.invert(grey)
    radius = np.minimum(answers.radius, LARGEST_RADIUS)
    particles = Particles(radius, answers.orientation, configuration.body)
    simulation = replace(configuration.simulation, backend=backend_beside(configuration.simulation, device))
    # behind the answers nothing has to be waited for any more
    intensity = simulated(particles, worth.cpu(), simulation, device)
    inputs = (
        grey,
        pixels.float(),
        worth.float(),
        intensity,
        torch.from_numpy(radius).float().to(device, non_blocking=True),
    )
    judged = [
        judge(configuration, *parts)
        for parts in zip(*(torch.split(tensor, JUDGED[device.type]) for tensor in inputs), strict=True)
    ]
    signs = torch.cat([part.signs for part in judged], dim=1)
    # the only copies to the processor but those of the answers
    resimulated.copy_(torch.cat([part.resimulated for part in judged]))
    agreement, roundness, smoothness, fringe = signs.double().cpu().numpy()
    signs_of_quality = quality.Signs(agreement, roundness, answers.restlessness, smoothness, fringe)
    return particles, answers, signs_of_quality


class Judged(NamedTuple):
    """What is found out about N frames when their particles are known.

    Attributes
    ----------
    signs
        Agreement, roundness, smoothness and fringes, shape (4, N).
    resimulated
        Grey images (N, H, W).
    """

    signs: torch.Tensor
    resimulated: torch.Tensor


def judge(
    configuration: ModelConfiguration,
    grey: torch.Tensor,
    weight: torch.Tensor,
    worth: torch.Tensor,
    intensity: torch.Tensor,
    radius: torch.Tensor,
) -> Judged:
    """Compare frames with their particles' patterns, and look for signs of quality.

    Parameters
    ----------
    configuration
        Of the model.
    grey, weight, worth, intensity
        As `invert.agreement.compare` takes them, on any device, which is not waited for.
    radius
        Of the particles in nm, shape (N,).
    """
    simulation = configuration.simulation
    compared = compare(grey, weight, worth, intensity, simulation)
    q_step = simulation.detector.step_on_axis(simulation.optics.wavenumber)
    signs = (
        compared.agreement,
        quality.roundness(grey, weight),
        quality.smoothness(grey, weight),
        fringes(grey, weight, radius, configuration.radius_range[1], q_step),
    )
    return Judged(torch.stack(signs), compared.resimulated)


def _joined(parts: Sequence[Particles], body: str) -> Particles:
    return Particles(
        np.concatenate([part.radius for part in parts]),
        np.concatenate([part.orientation for part in parts]),
        body,
    )


def _flags(
    particles: Particles,
    radius_sigma: NDArray[np.float64],
    agreement: NDArray[np.float64],
    score: NDArray[np.float64],
    frames: Frames,
    grey: torch.Tensor,
    configuration: ModelConfiguration,
) -> NDArray[np.uint32]:
    flags = np.zeros(len(particles), dtype=np.uint32)
    # no better than a radius drawn from the range
    anything = np.ptp(configuration.radius_range) / math.sqrt(12) or math.inf
    for name, applies in (
        ("radius_outside_training", quality.outside(particles, configuration.radius_range)),
        ("uncertain", radius_sigma > anything),
        ("poor_agreement", agreement < POOR_AGREEMENT),
        ("not_explained", score < quality.LEAST_SCORE),
        ("no_signal", grey.amax(dim=(1, 2)).cpu().numpy() == 0),
    ):
        flags[applies] |= FLAGS[name]
    return flags | unreadable(frames)


def unreadable(frames: Frames) -> NDArray[np.uint32]:
    """Flags of the frames that their file did not give, uint32, shape (N,)."""
    readable = np.ones(len(frames.images), dtype=bool) if frames.readable is None else frames.readable
    return np.where(readable, 0, FLAGS["unreadable"]).astype(np.uint32)
