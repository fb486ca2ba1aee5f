"""Datasets whose patterns were recorded as a detector might have, for those who want files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import msft
from augment.presets import ANY_WINDOW, EXPERIMENT, PAPER_FILTERS, recording_named
from augment.scaling import FLOOR_DECADES
from msft.dataset import MASK_MISSING, PatternFile, create, missing_pixels, open_patterns
from msft.errors import ParameterError
from msft.output import check_apart, check_writable
from msft.pattern import Simulation
from msft.seeding import check_seed

BATCH = 64

PRESETS: dict[str, tuple[str, ...]] = {
    "paper": PAPER_FILTERS,
    EXPERIMENT: (EXPERIMENT,),
    ANY_WINDOW: (ANY_WINDOW,),
}
"""The recordings of each pattern that a preset makes."""


def preset_names(preset: str) -> tuple[str, ...]:
    """The recordings of a preset by name.

    Raises
    ------
    ParameterError
        If there is no such preset.
    """
    if preset not in PRESETS:
        raise ParameterError("preset", preset, "one of " + ", ".join(PRESETS))
    return PRESETS[preset]


def check_linear(patterns: PatternFile) -> None:
    """Refuse, with a `ParameterError`, no patterns, and grey values, which cannot be recorded once more."""
    if len(patterns) == 0:
        raise ParameterError("dataset", f"{patterns.path} with 0 patterns", "one pattern or more")
    if patterns.scale != "linear":
        allowed = "linear intensities, as `msft generate` writes them"
        raise ParameterError("dataset", f"{patterns.path} of scale {patterns.scale}", allowed)


def augment_file(
    dataset: Path,
    out: Path,
    preset: str,
    seed: int = 0,
    *,
    force: bool = False,
    command: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Record every pattern of a dataset and write the grey images with the particles.

    The preset ``paper`` makes eleven images of each pattern, one by each of its filters; they stand one after
    another, so that no division of the file by position tears them apart. The others make one. The file
    also holds which pixels are left (a CXI mask per image), what was drawn for each image (JSON), and what
    the dataset says of each pattern: its particle, its optics, its labels.

    Parameters
    ----------
    dataset, out
        The dataset to read, and the file to write, which appears whole or not at all.
    preset
        ``paper``, ``experiment`` or ``any_window``.
    seed
        Of the random numbers.
    force, command
        As in `msft.generate.generate`.
    progress
        Called with 0 when work begins, then with the number of patterns of each batch.

    Returns
    -------
    The number of images.

    Raises
    ------
    ParameterError
        If an argument cannot be used; nothing is written.
    """
    names = preset_names(preset)
    recordings = [recording_named(name) for name in names]
    check_seed(seed)
    check_writable(out, force, inputs=[dataset])
    generator = torch.Generator().manual_seed(seed)
    provenance = {
        "program": "invert augment",
        "version": msft.__version__,
        "command": command,
        "seed": seed,
        "preset": preset,
        "filters": json.dumps(names),
        "floor_decades": FLOOR_DECADES,
    }
    with open_patterns(dataset) as patterns:
        check_apart(out, patterns.shards)
        check_linear(patterns)
        provenance["particles"] = patterns.provenance.get("particles", json.dumps({}))
        size = (patterns.pixels, patterns.pixels)
        count = len(names) * len(patterns)
        progress(0)
        optics, labels = patterns.shots.optics, patterns.label_names
        simulation = patterns.simulation
        nominal = np.full(len(patterns), simulation.optics.wavelength)
        wavenumbers = 2 * np.pi / optics.get("wavelength", nominal)
        with create(
            out,
            count,
            simulation,
            provenance,
            scale="log",
            varying=list(optics),
            wavenumber=float(wavenumbers.min()),
            labels=labels,
        ) as writer:
            for start in range(0, len(patterns), BATCH):
                rows = slice(start, min(start + BATCH, len(patterns)))
                intensity = torch.from_numpy(patterns.patterns(rows))
                made = [chosen(intensity, generator) for chosen in recordings]
                # from one batch for each recording to all recordings of each pattern
                images = torch.stack([image for image, _ in made], dim=1).flatten(0, 1)
                lit = torch.from_numpy(_lit(simulation, wavenumbers[rows]))
                seen = torch.stack([record.measured(size, lit) for _, record in made], dim=1).flatten(0, 1)
                steps = [json.dumps(asdict(record[k])) for k in range(len(intensity)) for _, record in made]
                # every image of a pattern shows what the pattern does
                shown = np.repeat(np.arange(len(patterns))[rows], len(names))
                varied = {name: values[shown] for name, values in optics.items()}
                writer.append(images.numpy(), patterns.particles[shown], varied, patterns.labels[shown])
                writer.append_filtered(np.where(seen.numpy(), 0, MASK_MISSING), steps)
                progress(len(intensity))
        return count


def _lit(simulation: Simulation, wavenumbers: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where light can arrive in patterns of these wavenumbers (n,) in nm^-1, bool, shape (n, H, W)."""
    different, of_pattern = np.unique(wavenumbers, return_inverse=True)
    return np.stack([missing_pixels(simulation, float(k)) == 0 for k in different])[of_pattern]
