"""Datasets whose patterns went through a filter, for those who want files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import msft
from augment.filter import Filter
from augment.presets import paper
from augment.scaling import FLOOR_DECADES, log_scale
from msft.dataset import MASK_MISSING, create, missing_pixels, open_patterns
from msft.errors import ParameterError
from msft.output import check_writable

BATCH = 64


def named_filter(name: str, floor_decades: float) -> Filter:
    """One of the eleven filters of the preset ``paper``.

    Raises
    ------
    ParameterError
        If none has that name.
    """
    filters = paper(floor_decades=floor_decades)
    if name not in filters:
        raise ParameterError("filter", name, "one of " + ", ".join(filters))
    return filters[name]


def augment_file(
    dataset: Path,
    out: Path,
    filter_name: str,
    seed: int = 0,
    floor_decades: float = FLOOR_DECADES,
    *,
    force: bool = False,
    command: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Apply one filter to every pattern of a dataset and write the grey images with the particles.

    The file also holds which pixels are left (a CXI mask per pattern), and what the filter drew for each
    pattern (JSON).

    Parameters
    ----------
    dataset, out
        The dataset to read, and the file to write, which appears whole or not at all.
    filter_name
        One of the eleven filters of `augment.presets.paper`.
    seed
        Of the filter's random numbers.
    floor_decades
        Decades of intensity between black and white.
    force, command, progress
        As in `msft.generate.generate`.

    Returns
    -------
    The number of patterns.

    Raises
    ------
    ParameterError
        If an argument cannot be used; nothing is written.
    """
    chosen = named_filter(filter_name, floor_decades)
    if seed < 0:
        raise ParameterError("seed", seed, "0 or more")
    check_writable(out, force, inputs=[dataset])
    generator = torch.Generator().manual_seed(seed)
    provenance = {
        "program": "invert augment",
        "version": msft.__version__,
        "command": command,
        "seed": seed,
        "filter": filter_name,
        "floor_decades": floor_decades,
    }
    with open_patterns(dataset) as patterns:
        if patterns.scale != "linear":
            raise ParameterError("dataset", f"{dataset} of scale {patterns.scale}", "linear intensities")
        provenance["particles"] = patterns.provenance.get("particles", json.dumps({}))
        mask = missing_pixels(patterns.simulation)
        progress(0)
        with create(out, len(patterns), patterns.simulation, provenance, scale="log") as writer:
            for start in range(0, len(patterns), BATCH):
                rows = slice(start, min(start + BATCH, len(patterns)))
                grey = log_scale(torch.from_numpy(patterns.patterns(rows)), floor_decades)
                images, record = chosen(grey, generator)
                writer.append(images.numpy(), patterns.particles[rows])
                hidden = ~record.measured((patterns.pixels, patterns.pixels)).numpy()
                steps = [json.dumps(asdict(record[index])) for index in range(len(record))]
                writer.append_filtered(np.where(hidden, MASK_MISSING, 0) | mask, steps)
                progress(len(images))
        return len(patterns)
