"""Portions of an open file inverted by several processes, whose answers come in order.

One process is not enough for a GPU: what reads, what tells the GPU its work and what compresses take turns at
the interpreter's lock, many times for every frame (benchmarks/predict.py). Here each process does all of that
for portions of its own, and the one that asks only writes.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import torch

from invert.frames import FrameSource, Portion, Reading, open_frames
from invert.inverter import Answer, Inverter
from msft.errors import ParameterError
from msft.processes import Processes
from msft.threads import cores


class Work(NamedTuple):
    """What the processes do, as it travels to them.

    Attributes
    ----------
    path, reading, state
        Of the file with the frames.
    inverter
        Makes what inverts them.
    """

    path: Path
    reading: Reading
    state: tuple[int, int]
    inverter: Callable[[], Inverter]


class InvertingProcesses(Processes[Portion, Answer]):
    """Processes that invert frames of one file as one inverter does, within a `with` block.

    On a processor they share its cores.

    Parameters
    ----------
    source
        The file, as the inverter has adjusted it.
    inverter
        Whose weights, if it has any, lie in a file.
    count
        How many.

    Raises
    ------
    ParameterError
        If there is no process.
    """

    def __init__(self, source: FrameSource, inverter: Inverter, count: int) -> None:
        work = Work(source.path, source.reading, source.state, inverter.elsewhere())
        threads = max(1, min(cores() // max(1, count), torch.get_num_threads()))
        super().__init__(partial(_opened, work), count, threads, "--jobs")
        self._source, self._inverter = source, inverter

    def inverted(self, portions: Iterable[Portion]) -> Generator[Answer, None, None]:
        """Answers to portions of the file, in their order.

        Raises
        ------
        ParameterError
            If the frames' size, wavelength or pixel width are not the model's, or file or weights have
            changed meanwhile.
        OSError
            If a process ends by itself, or a GPU's memory does not hold them.
        """
        portions = iter(portions)
        for first in portions:
            # what has to be compiled on this machine is compiled by one process
            self._inverter.begin(self._source.read(first.numbers[:1]))
            portions = chain([first], portions)
            break
        yield from self.answers(portions)


@contextmanager
def _on_the_gpu() -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError:
        text = "the GPU's memory does not hold so many processes (--jobs)"
        raise OSError(errno.ENOMEM, text) from None


def _opened(work: Work, stack: ExitStack) -> Callable[[Portion], Answer]:
    """The file and the inverter as the parent has them, as what answers portions."""
    with _on_the_gpu():
        inverter = work.inverter()
    source = stack.enter_context(open_frames(work.path, work.reading))
    if source.state != work.state:
        raise ParameterError("frames", work.path, "a file that stays as it is while it is read")
    inverter.adjust(source)
    return partial(_answer, source, inverter)


def _answer(source: FrameSource, inverter: Inverter, portion: Portion) -> Answer:
    with _on_the_gpu():
        answer = inverter.answer(source.take(portion), lambda done: None)
    # what is on its way stays here
    return answer._replace(images={name: list(parts) for name, parts in answer.images.items()})
