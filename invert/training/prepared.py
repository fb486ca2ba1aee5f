"""Batches as the network takes them, made of examples: those of several steps at once.

A recording is some hundred to some thousand operations, and to begin one takes a few microseconds, however
many images it is for. Were each batch prepared by itself, that would take longer than the network's step on a
GPU, and a third of the recording on a processor; but a processor's caches do not hold many batches.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby

import torch

from invert.ahead import Ahead
from invert.training.plan import Draw

Batch = tuple[torch.Tensor, ...]

MOST_BYTES = 2**30
"""Of the images that are prepared together on a GPU."""

MOST_BYTES_ON_CPU = 2**24
"""On a processor. By the recipe of the preset `quick`, 64 images of 128 x 128 pixels took 17 ms, 14 where two
batches were prepared together, 10 to 11 with four, which are so many bytes, and 13 with eight (one thread).
"""

MOST_OF_MEMORY = 1 / 64
"""Of a GPU's memory: what is computed on the way takes some ten times more."""


class Prepared:
    """An iterable of prepared batches: of those that were prepared together, in the order of their steps.

    Parameters
    ----------
    batches
        Of examples; those that follow are made by another thread meanwhile.
    draws
        Gives where each of them stands, at every iteration anew.
    prepare
        Makes what the network takes of batches whose draws are of one group.
    device
        Where it is made.
    apart
        Whether each batch is given by itself, however many were prepared together.
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        draws: Callable[[], Iterator[Draw]],
        prepare: Callable[[Sequence[Batch], Sequence[Draw]], Sequence[Batch]],
        device: torch.device,
        apart: bool = False,
    ) -> None:
        self.batches, self.draws, self.prepare, self.device = batches, draws, prepare, device
        self.apart = apart
        self.most_bytes = MOST_BYTES_ON_CPU if device.type == "cpu" else MOST_BYTES
        if device.type == "cuda":
            memory = torch.cuda.get_device_properties(device).total_memory
            self.most_bytes = min(MOST_BYTES, int(MOST_OF_MEMORY * memory))

    def __iter__(self) -> Generator[Sequence[Batch], None, None]:
        """The batches; closing the iterator ends the thread."""
        with closing(iter(Ahead(self.batches))) as given:
            for _, members in groupby(zip(self.draws(), given, strict=False), self._together):
                draws, batches = zip(*members, strict=True)
                prepared = self.prepare([self._there(batch) for batch in batches], draws)
                yield from ([batch] for batch in prepared) if self.apart else (prepared,)

    def _together(self, numbered: tuple[Draw, Batch]) -> tuple[int, int]:
        """What the batches that are prepared together have in common, and no neighbours of theirs."""
        draw, (images, *_) = numbered
        most = max(1, self.most_bytes // images.nbytes)
        return draw.group, draw.number // most

    def _there(self, batch: Batch) -> Batch:
        return tuple(part.to(self.device, non_blocking=True) for part in batch)
