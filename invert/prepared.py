"""Batches as the network takes them, made of examples: on a GPU those of many steps at once.

A recording is some hundred to some thousand small operations, and a GPU has to be told each, in a few
microseconds, however many images it is for. For one batch that would take longer than the network's step. A
processor works best on what its caches hold: there each batch is prepared by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from itertools import groupby

import torch

from invert.ahead import Ahead
from invert.plan import Draw

Batch = tuple[torch.Tensor, ...]

MOST_BYTES = 2**29
"""Of the images that are prepared together: what is computed on the way takes some times more."""


class Prepared:
    """An iterable of prepared batches.

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
    """

    def __init__(
        self,
        batches: Iterable[Batch],
        draws: Callable[[], Iterator[Draw]],
        prepare: Callable[[Sequence[Batch], Sequence[Draw]], Sequence[Batch]],
        device: torch.device,
    ) -> None:
        self.batches, self.draws, self.prepare, self.device = batches, draws, prepare, device

    def __iter__(self) -> Generator[Batch, None, None]:
        """The batches; closing the iterator ends the thread."""
        with closing(iter(Ahead(self.batches))) as given:
            for _, members in groupby(zip(self.draws(), given, strict=False), self._together):
                draws, batches = zip(*members, strict=True)
                yield from self.prepare([self._there(batch) for batch in batches], draws)

    def _together(self, numbered: tuple[Draw, Batch]) -> tuple[int, int]:
        """What the batches that are prepared together have in common, and no neighbours of theirs."""
        draw, (images, *_) = numbered
        most = 1 if self.device.type == "cpu" else max(1, MOST_BYTES // images.nbytes)
        return draw.group, draw.number // most

    def _there(self, batch: Batch) -> Batch:
        return tuple(part.to(self.device, non_blocking=True) for part in batch)
