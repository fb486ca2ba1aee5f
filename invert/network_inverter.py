"""A network that inverts frames, and forward fitting from its answers if that is wanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from invert import checkpoint, quality
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, Inversion
from invert.fitting.refine import Refinement, refine
from invert.frames import Frames, FrameSource
from invert.inverter import CURVATURE, Inverter
from invert.predict import BATCHES, predict, unreadable
from invert.reading.opening import require_readable
from msft.errors import ParameterError
from msft.particle import Particles

LEARNED = "the network's own: covers 68 % of the errors on held-out patterns as it was trained on"

REFINED_AT_ONCE = 16
"""Frames: each takes some tenths of a second, and a kill costs at most so many."""


class NetworkInverter(Inverter):
    """A network, and forward fitting from its answers if that is wanted.

    Parameters
    ----------
    loaded
        The model.
    refinement
        How its answers are polished; None leaves them.
    seed
        Of the polishing.
    """

    def __init__(self, loaded: Checkpoint, refinement: Refinement | None = None, seed: int = 0) -> None:
        self.checkpoint, self.refinement, self.seed = loaded, refinement, seed
        self.simulation = loaded.model.configuration.simulation
        self.sigma_means = LEARNED if refinement is None else CURVATURE

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.checkpoint.model.parameters()).device

    def at_once(self, read: int) -> int:
        """Frames that it is best given at a time: a GPU takes more than are best read for a processor."""
        if self.refinement is not None:
            return min(read, REFINED_AT_ONCE)
        return read if self.device.type == "cpu" else max(read, BATCHES[self.device.type])

    @property
    def identity(self) -> dict[str, Any]:
        """What the answers depend on besides the frames, as JSON takes it."""
        known = {"weights": self.checkpoint.digest, "refinement": None}
        if self.refinement is None:
            return known
        return {**known, "refinement": asdict(self.refinement), "seed": self.seed}

    def adjust(self, source: FrameSource) -> None:
        """Have an open file give its frames on the pixels that the network knows."""
        source.onto(self.simulation.detector, self.simulation.optics.wavelength)

    def refuse(self, source: FrameSource, number: int) -> None:
        """Raise ParameterError: of that file no frame can be read."""
        require_readable(source.path, np.zeros(1, dtype=bool))

    def elsewhere(self) -> Callable[[], Inverter]:
        """How another process has the same one: from the file of the weights."""
        weights = self.checkpoint
        return partial(_loaded, weights.path, weights.digest, str(self.device), self.refinement, self.seed)

    def __call__(self, frames: Frames, progress: Callable[[int], None] = lambda done: None) -> Inversion:
        """Invert some frames; `progress` is called with the number of frames of each part that is done."""
        if self.refinement is None:
            return predict(self.checkpoint, frames, progress)
        progress(0)
        answer = predict(self.checkpoint, frames)
        polished = refine(answer.estimates, frames, self.simulation, self.refinement, self.seed, progress)
        polished = _with_what_could_not_be_refined(polished, answer)
        signs = answer.estimates.signs
        assert signs is not None
        score = quality.polished(signs, polished.estimates.agreement)
        flags = polished.estimates.flags | unreadable(frames)
        flags[score < quality.LEAST_SCORE] |= FLAGS["not_explained"]
        estimates = replace(polished.estimates, flags=flags, score=score, signs=signs)
        return replace(polished, estimates=estimates, alone=answer.estimates)


def _loaded(
    weights: Path, digest: str, device: str, refinement: Refinement | None, seed: int
) -> NetworkInverter:
    loaded = checkpoint.load(weights)
    if loaded.digest != digest:
        raise ParameterError("model", weights, "weights that stay as they are while they are used")
    loaded.model.to(torch.device(device))
    return NetworkInverter(loaded, refinement, seed)


def _with_what_could_not_be_refined(polished: Inversion, answer: Inversion) -> Inversion:
    """The network's own answers, flagged, where it saw something and fitting found nothing to compare."""
    nothing = FLAGS["no_signal"]
    rows = (polished.estimates.flags & nothing > 0) & (answer.estimates.flags & nothing == 0)
    if not rows.any():
        return polished

    def kept(one: Any, two: Any, *names: str) -> dict[str, Any]:
        """Columns of the first, with those rows of the second."""
        pairs = {name: (getattr(one, name), getattr(two, name)) for name in names}
        return {name: np.where(rows.reshape(-1, *[1] * (a.ndim - 1)), b, a) for name, (a, b) in pairs.items()}

    one, two = polished.estimates, answer.estimates
    columns = ("radius_sigma", "orientation_sigma", "agreement", "beam", "flags", "patterns_used")
    values = kept(one, two, *columns)
    values["flags"][rows] |= FLAGS["not_refined"]
    particle = kept(one.particles, two.particles, "radius", "orientation", "bodies")
    particles = Particles(particle["radius"], particle["orientation"], particle["bodies"])
    pictures = kept(polished, answer, "measured", "resimulated", "valid")
    return replace(polished, estimates=replace(one, particles=particles, **values), **pictures)
