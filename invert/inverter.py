"""What makes particles of frames, a few at a time: a network, or forward fitting."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, NamedTuple

import torch

from invert.estimate import FLAGS, Estimates, Inversion
from invert.frames import Frames, FrameSource
from invert.predictions import Compressed, compressed
from msft.pattern import Simulation

CURVATURE = (
    "per axis, from the curvature of the misfit and the residuals; where the detector's response is fitted, "
    "larger by what of it is not: covers 68 % of the errors on simulated frames of the preset experiment; "
    "without errors of the physics"
)
"""What uncertainties of forward fitting are."""


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
    alone
        What a network answered, where its answers were polished.
    """

    estimates: Estimates
    images: Compressed
    source: str
    alone: Estimates | None


class Inverter(ABC):
    """What inverts frames.

    Attributes
    ----------
    simulation
        What the frames are compared with.
    sigma_means
        What the uncertainties are.
    not_inverted
        Flags of frames without an answer: where every frame has one of them, nothing is written.
    """

    simulation: Simulation
    sigma_means: str
    not_inverted: int = FLAGS["unreadable"]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return torch.device("cpu")

    def at_once(self, read: int) -> int:
        """Frames that it is best given at a time, where so many are best read."""
        return read

    @property
    @abstractmethod
    def identity(self) -> dict[str, Any]:
        """What the answers depend on besides the frames, as JSON takes it."""

    @abstractmethod
    def __call__(self, frames: Frames, progress: Callable[[int], None] = lambda done: None) -> Inversion:
        """Invert some frames; `progress` is called when one is found good, then with how many are done."""

    @abstractmethod
    def adjust(self, source: FrameSource) -> None:
        """Have an open file give its frames as they are inverted here.

        Raises
        ------
        ParameterError
            If it cannot.
        """

    @abstractmethod
    def refuse(self, source: FrameSource, number: int) -> None:
        """Raise ParameterError, which says why a frame is not inverted, of a file of which none was."""

    def begin(self, frames: Frames) -> None:
        """Have whatever is compiled on this machine compiled, with a frame."""
        self(frames)

    def elsewhere(self) -> Callable[[], Inverter]:
        """How another process has the same one; travels as `pickle` takes it."""
        return self._itself

    def _itself(self) -> Inverter:
        return self

    def answer(
        self, frames: Frames, progress: Callable[[int], None], threads: Executor | None = None
    ) -> Answer:
        """Invert some frames, and have threads, if there are any, compress their images."""
        inversion = self(frames, progress)
        return Answer(inversion.estimates, compressed(inversion, threads), frames.source, inversion.alone)
