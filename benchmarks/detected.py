"""Simulated particles as frames of a detector, for the benchmarks of forward fitting."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import record  # noqa: F401  takes benchmarks/augment.py out of the way of the package
import torch

from augment.filter import Filter
from augment.presets import recording_named
from invert.frames import Frames
from msft.dataset import missing_pixels
from msft.particle import Particles
from msft.pattern import Simulation


def frames_of(
    particles: Particles,
    simulation: Simulation,
    preset: str,
    seed: int,
    left_out: tuple[type[Filter], ...] = (),
) -> Frames:
    """Particles as a detector sees them by that preset, some steps left out; hidden pixels are masked."""
    intensity = torch.from_numpy(simulation.intensity(particles))
    recording = recording_named(preset)
    steps = tuple(step for step in recording.filters if not isinstance(step, left_out))
    recording = replace(recording, filters=steps)
    images, drawn = recording(intensity, torch.Generator().manual_seed(seed))
    size = (images.shape[1], images.shape[2])
    valid = drawn.measured(size, torch.from_numpy(missing_pixels(simulation) == 0)).numpy()
    count = len(particles)
    return Frames(images.numpy(), valid, "log", np.arange(count), preset, None, None, None, particles)
