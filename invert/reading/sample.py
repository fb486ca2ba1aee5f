"""What a simulated file says about the particles that its frames show."""

from __future__ import annotations

import json

import h5py
import numpy as np

from invert.reading.places import group_at
from msft.configuration import from_mapping
from msft.errors import ParameterError
from msft.layout import PROCESS, SAMPLE
from msft.particle import Particles
from msft.pattern import Simulation
from msft.units import NANOMETRE


def read_truth(file: h5py.File, rows: slice, count: int) -> Particles | None:
    """The particles of some frames; None unless the file names one for each."""
    sample = group_at(file, SAMPLE)
    if sample is None or not {"radius", "orientation", "body"} <= set(sample):
        return None
    try:
        radius, orientation = sample["radius"][rows] / NANOMETRE, sample["orientation"][rows]
        stretch = sample["stretch"][rows] if "stretch" in sample else np.ones(len(radius))
        truth = Particles(radius, orientation, sample["body"].asstr()[rows].astype(str), stretch)
    except (ValueError, TypeError, AttributeError, KeyError, OSError):  # somebody else's sample_1
        return None
    return truth if len(truth) == count else None


def read_simulation(file: h5py.File) -> Simulation | None:
    """How the patterns were computed, if the file is of this toolkit."""
    process = group_at(file, PROCESS)
    try:
        text = process.attrs.get("simulation") if process is not None else None
        return from_mapping(Simulation, json.loads(text)) if isinstance(text, str) else None
    except (ParameterError, ValueError, OSError):  # of another version, or somebody else's
        return None
