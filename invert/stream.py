"""Frames of an open file inverted into a file of predictions, batch by batch.

While one batch is inverted the next ones are read, and the ones before are compressed and written; or several
processes do all of that but writing (`invert.processes`).
The memory that it takes does not grow with the number of frames but by a few numbers for each, and a run that
was killed goes on where it was when the same command is given again.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import torch

import msft
from invert.ahead import Ahead
from invert.behind import Behind
from invert.frames import Frames, FrameSource
from invert.inverter import Answer, Inverter
from invert.kept import keep_fits
from invert.labelling.keep import Selection
from invert.prediction_layout import COLUMNS, TEXTS
from invert.predictions import RESULT, append, complete, lay_out, truncate
from invert.processes import InvertingProcesses
from invert.reading.options import chosen
from invert.table import Summary
from msft.journal import JournaledFile
from msft.layout import PROCESS
from msft.resumable import growing_file, unfinished
from msft.threads import cores

COMMIT_SECONDS = 5.0
"""Time between two commits: what a kill costs at most."""

COMPRESSING = min(6, max(1, cores() - 2))
"""Threads beside a GPU; a processor each is left for the one that writes and the one that tells the GPU what
to do. A frame takes 0.3 ms of one: more of them only wait for the interpreter's lock, and the others longer.
"""


class Streamed(NamedTuple):
    """What came of the frames of a file, besides the answers.

    Attributes
    ----------
    before
        How many frames an earlier call had done.
    alone
        What a network answered of the others, where its answers were polished.
    """

    before: int
    alone: Summary


def invert_stream(
    source: FrameSource,
    rows: slice,
    inverter: Inverter,
    target: Path,
    options: Mapping[str, Any],
    provenance: Mapping[str, Any],
    progress: Callable[[int], None] = lambda done: None,
    selection: Selection | None = None,
    processes: InvertingProcesses | None = None,
) -> Streamed:
    """Invert the frames of a file into a file of predictions, which appears when all are there.

    Parameters
    ----------
    source
        The frames, as the inverter has adjusted their file.
    rows
        Which of them.
    inverter
        What inverts them.
    target
        The file to write. It grows beside it, as ``NAME.partial``; what an earlier call with the same frames
        and the same options left there is gone on with, and anything else is begun anew, which is told among
        the source's notes.
    options
        How the file is read, as JSON takes it.
    provenance
        Further attributes of ``process_1``.
    progress
        Called when there is something to invert, with how many frames are done since.
    selection
        Which of the rows are kept; all, if there is none.
    processes
        That invert in the place of this one.

    Raises
    ------
    ParameterError
        If no frame is chosen or none can be inverted, or another process writes the same file.
    OSError
        If the disk is full or fails; what was done is kept.
    """
    wanted = chosen(rows, len(source))
    kept = [wanted.start, wanted.stop] if selection is None else selection.numbers(wanted)
    identity = _identity(source, kept, options, inverter)
    partial = unfinished(target)
    keep, lost = _left(partial, identity)
    if lost:
        source.notes.append(
            f"warning: {lost} frames in {partial.name} were of other options or another state of "
            f"the file: all are done anew{keep_fits(partial, target)}"
        )
    provenance = {**provenance, "identity": identity, "notes": json.dumps(source.notes)}
    told = 0

    def tell(more: int) -> None:
        nonlocal told
        told += more
        progress(more)

    with growing_file(target, keep, "what is done") as (journaled, file):
        if PROCESS not in file:
            lay_out(file, source.size, inverter.simulation, provenance, inverter.sigma_means)
        done = before = truncate(file)
        inverted = bool(before and (file[f"{RESULT}/flags"][:] & inverter.not_inverted == 0).any())
        alone = Summary()
        at_once = inverter.at_once(source.block)
        if selection is None:
            portions = source.portions(rows, before, at_once)
        else:
            portions = selection.portions(source, wanted, before, at_once)
        if before or processes is not None:
            tell(before)
        if processes is None:
            answers = _answers(inverter, map(source.take, portions), tell)
        else:
            answers = processes.inverted(portions)
        with beside_gpu(inverter.device, 1) as disk, closing(answers) as ready, Behind() as behind:
            write = _Writer(journaled, file, disk)
            for answer in ready:
                done += len(answer.estimates)
                inverted = inverted or bool((answer.estimates.flags & inverter.not_inverted == 0).any())
                if answer.alone is not None:
                    alone.add(answer.alone, source.truth(answer.alone.frames))
                # threads have begun with its images while those before are still being written
                behind(write, answer, inverted)
                if inverted:
                    tell(done - told)
        if not inverted:
            inverter.refuse(source, wanted[0])
        complete(file)
    return Streamed(before, alone)


def _identity(source: FrameSource, numbers: list[int], options: Mapping[str, Any], inverter: Inverter) -> str:
    """What the same command has in common with one that was killed, as JSON."""
    return json.dumps(
        {
            "version": msft.__version__,
            "columns": [*COLUMNS, *TEXTS],
            "file": [source.path.name, *source.state],
            "images": source.found.names[0],
            "frames": numbers,
            **options,
            **inverter.identity,
        },
        sort_keys=True,
    )


class _Writer:
    """Writes answers one after another, and commits them from time to time."""

    def __init__(self, journaled: JournaledFile, file: h5py.File, disk: Executor | None) -> None:
        self._journaled, self._file, self._disk = journaled, file, disk
        self._last_commit = time.monotonic()
        self._hastening: Future[None] | None = None

    def __call__(self, answer: Answer, worth_keeping: bool) -> None:
        append(self._file, answer.estimates, answer.source, answer.images)
        if self._journaled.failure is not None:
            raise self._journaled.failure
        if self._disk is not None and (self._hastening is None or self._hastening.done()):
            self._hastening = self._disk.submit(self._journaled.hasten)
        if worth_keeping and time.monotonic() - self._last_commit > COMMIT_SECONDS:
            self._file.flush()
            self._journaled.commit()
            self._last_commit = time.monotonic()


def _answers(
    inverter: Inverter, batches: Iterable[Frames], progress: Callable[[int], None]
) -> Generator[Answer, None, None]:
    """Batches inverted here, each while the next ones are read."""
    # the other thread only reads: its grey values would start a second team of OpenMP threads beside
    # the network's, and both spin (two cores: 80 frames/s where it was 170 without)
    with beside_gpu(inverter.device, COMPRESSING) as threads, closing(iter(Ahead(batches))) as ready:
        for frames in ready:
            yield inverter.answer(frames, progress, threads)


@contextmanager
def beside_gpu(device: torch.device, count: int) -> Iterator[Executor | None]:
    """So many threads beside a GPU alone, since a network on a processor takes all of it."""
    if device.type == "cpu":
        yield None
        return
    with ThreadPoolExecutor(count) as threads:
        yield threads


def _left(partial: Path, identity: str) -> tuple[bool, int]:
    """Whether what grows there was begun with the same frames and options; if not, how many frames it has."""
    if not partial.exists():
        return False, 0
    try:
        with JournaledFile(partial, keep=True) as journaled:
            if not journaled.committed:
                return False, 0
            with h5py.File(journaled, "r") as file:
                alike = bool(file[PROCESS].attrs["identity"] == identity)
                return alike, 0 if alike else int(file[PROCESS].attrs["written"])
    except (OSError, KeyError, RuntimeError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EIO):
            raise  # a disk that is still full, say: what is there can be gone on with later
        return False, 0  # damaged, the journal too: nobody can go on with it
