"""Frames of an open file through a network into a file of predictions, batch by batch.

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
from typing import Any

import h5py
import numpy as np
import torch

import msft
from invert.ahead import Ahead
from invert.behind import Behind
from invert.estimate import FLAGS
from invert.frames import Frames, FrameSource
from invert.inverter import Answer, Inverter
from invert.labelling.keep import Selection
from invert.predict import BATCHES
from invert.prediction_layout import COLUMNS, TEXTS
from invert.predictions import RESULT, append, complete, lay_out, truncate
from invert.processes import InvertingProcesses
from invert.reading.opening import require_readable
from invert.reading.options import chosen
from msft.errors import ParameterError
from msft.journal import JournaledFile
from msft.layout import PROCESS
from msft.threads import cores

COMMIT_SECONDS = 5.0
"""Time between two commits: what a kill costs at most."""

COMPRESSING = min(6, max(1, cores() - 2))
"""Threads beside a GPU; a processor each is left for the one that writes and the one that tells the GPU what
to do. A frame takes 0.3 ms of one: more of them only wait for the interpreter's lock, and the others longer.
"""


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
) -> int:
    """Invert the frames of a file into a file of predictions, which appears when all are there.

    Parameters
    ----------
    source
        The frames, on the pixels that the model knows.
    rows
        Which of them.
    inverter
        What inverts them.
    target
        The file to write. It grows beside it, as ``NAME.partial``; what an earlier call with the same frames
        and the same options left there is gone on with, and anything else is begun anew, which is told among
        the source's notes.
    options
        Everything that the answers depend on, as JSON takes it.
    provenance
        Further attributes of ``process_1``.
    progress
        Called with 0 when the work begins, then with the number of frames done since.
    selection
        Which of the rows are kept; all, if there is none.
    processes
        That invert in the place of this one.

    Returns
    -------
    How many frames an earlier call had done.

    Raises
    ------
    ParameterError
        If no frame is chosen or none can be read, or another process writes the same file.
    OSError
        If the disk is full or fails; what was done is kept.
    """
    wanted = chosen(rows, len(source))
    kept = None if selection is None else selection.numbers(wanted)
    simulation = inverter.checkpoint.model.configuration.simulation
    identity = json.dumps(
        {
            "version": msft.__version__,
            "columns": [*COLUMNS, *TEXTS],
            "weights": inverter.checkpoint.digest,
            "file": [source.path.name, *source.state],
            "images": source.found.names[0],
            "frames": [wanted.start, wanted.stop] if kept is None else kept,
            **options,
        },
        sort_keys=True,
    )
    keep, lost = _left(_partial(target), identity)
    if lost:
        source.notes.append(
            f"warning: {lost} frames in {_partial(target).name} were of other options or another state of "
            "the file: all are done anew"
        )
    provenance = {**provenance, "identity": identity, "notes": json.dumps(source.notes)}
    with _growing(target, keep) as (journaled, file):
        if PROCESS not in file:
            lay_out(file, source.size, simulation, provenance, inverter.sigma_means)
        done = before = truncate(file)
        readable = bool(before and (file[f"{RESULT}/flags"][:] & FLAGS["unreadable"] == 0).any())
        progress(before)
        last_commit = time.monotonic()
        if selection is None:
            # a GPU takes more at a time than are best read for a processor
            at_least = 0 if inverter.device.type == "cpu" else BATCHES[inverter.device.type]
            portions = source.portions(rows, done, at_least)
        else:
            portions = selection.portions(source, wanted, first=done)
        if processes is None:
            answers = _answers(inverter, map(source.take, portions), progress)
        else:
            answers = processes.inverted(portions, progress)

        hastening: Future[None] | None = None

        def write(answer: Answer, worth_keeping: bool) -> None:
            nonlocal last_commit, hastening
            append(file, answer.estimates, answer.source, answer.images)
            if journaled.failure is not None:
                raise journaled.failure
            if disk is not None and (hastening is None or hastening.done()):
                hastening = disk.submit(journaled.hasten)
            if worth_keeping and time.monotonic() - last_commit > COMMIT_SECONDS:
                file.flush()
                journaled.commit()
                last_commit = time.monotonic()

        with beside_gpu(inverter.device, 1) as disk, closing(answers) as ready, Behind() as behind:
            for answer in ready:
                readable = readable or answer.readable
                # threads have begun with its images while those before are still being written
                behind(write, answer, readable)
        if not readable:
            require_readable(source.path, np.zeros(1, dtype=bool))
        complete(file)
    return before


def _answers(
    inverter: Inverter, batches: Iterable[Frames], progress: Callable[[int], None]
) -> Generator[Answer, None, None]:
    """Batches inverted here, each while the next ones are read."""
    # the other thread only reads: its grey values would start a second team of OpenMP threads beside
    # the network's, and both spin (two cores: 80 frames/s instead of 170, benchmarks/predict.py)
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


@contextmanager
def _growing(target: Path, keep: bool) -> Iterator[tuple[JournaledFile, h5py.File]]:
    """The file that grows beside the target and takes its place when the block ends without an exception.

    On any exception, what was done is kept if there was anything to keep.
    """
    with JournaledFile(_partial(target), keep=keep) as journaled:
        try:
            with h5py.File(journaled, "r+" if journaled.committed else "w", track_order=True) as file:
                try:
                    yield journaled, file
                except ParameterError:
                    raise
                except BaseException:
                    if journaled.failure is None and PROCESS in file and file[PROCESS].attrs["written"]:
                        file.flush()
                        journaled.commit()
                    raise
            journaled.finish(target)
        except (OSError, RuntimeError, KeyError) as error:
            # what HDF5 makes of a failed write tells less than the failure itself
            failure = journaled.failure or error
            if not isinstance(failure, OSError) or failure.errno is None:
                raise
            text = f"{failure.strerror}; {_kept(journaled)}"
            raise OSError(failure.errno, text, str(_partial(target))) from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(_kept(journaled)) from None


def _partial(target: Path) -> Path:
    return target.with_name(target.name + ".partial")


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


def _kept(journaled: JournaledFile) -> str:
    if not journaled.committed:
        return "nothing is kept"
    return f"what is done is kept in {journaled.path.name}, and the same command goes on with it"
