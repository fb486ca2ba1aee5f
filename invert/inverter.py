"""What a network makes of frames, and forward fitting of its answers."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch

from invert import quality
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, Estimates, Inversion
from invert.fitting.refine import Refinement, refine
from invert.frames import Frames
from invert.predict import predict, unreadable
from invert.predictions import Compressed, compressed
from invert.table import Summary
from msft.particle import Particles

LEARNED = "the network's own: covers 68 % of the errors on held-out patterns as it was trained on"
CURVATURE = (
    "per axis, from the curvature of the misfit and the residuals; where the detector's response is fitted, "
    "larger by what of it is not: covers 68 % of the errors on simulated frames of the preset experiment; "
    "without errors of the physics"
)


class Answer(NamedTuple):
    """Some frames, ready to be written.

    Attributes
    ----------
    estimates
        Of the frames.
    images
        Compressed, or on their way.
    source
        Where the frames are from.
    readable
        Whether the file gave any of them.
    """

    estimates: Estimates
    images: Compressed
    source: str
    readable: bool


@dataclass
class Inverter:
    """A network, and forward fitting from its answers if that is wanted.

    Attributes
    ----------
    checkpoint
        The model.
    refinement
        How its answers are polished; None leaves them.
    seed
        Of the polishing.
    alone
        What the network answered before it was polished.
    """

    checkpoint: Checkpoint
    refinement: Refinement | None = None
    seed: int = 0
    alone: Summary = field(default_factory=Summary)

    @property
    def sigma_means(self) -> str:
        """What its uncertainties are."""
        return LEARNED if self.refinement is None else CURVATURE

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.checkpoint.model.parameters()).device

    def __call__(self, frames: Frames, progress: Callable[[int], None] = lambda done: None) -> Inversion:
        """Invert some frames; `progress` is called with the number of frames of each part that is done."""
        if self.refinement is None:
            return predict(self.checkpoint, frames, progress)
        progress(0)
        answer = predict(self.checkpoint, frames)
        self.alone.add(answer.estimates, frames.truth)
        simulation = self.checkpoint.model.configuration.simulation
        polished = refine(answer.estimates, frames, simulation, self.refinement, self.seed, progress)
        polished = _with_what_could_not_be_refined(polished, answer)
        signs = answer.estimates.signs
        assert signs is not None
        score = quality.polished(signs, polished.estimates.agreement)
        flags = polished.estimates.flags | unreadable(frames)
        flags[score < quality.LEAST_SCORE] |= FLAGS["not_explained"]
        return replace(polished, estimates=replace(polished.estimates, flags=flags, score=score, signs=signs))

    def answer(
        self, frames: Frames, progress: Callable[[int], None], threads: Executor | None = None
    ) -> Answer:
        """Invert some frames, and have threads, if there are any, compress their images."""
        inversion = self(frames, progress)
        readable = frames.readable is None or bool(frames.readable.any())
        return Answer(inversion.estimates, compressed(inversion, threads), frames.source, readable)


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
