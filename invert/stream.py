"""Frames of an open file through a network into a file of predictions, batch by batch.

While one batch is inverted the next ones are read, and the ones before are compressed and written.
The memory that it takes does not grow with the number of frames but by a few numbers for each, and a run that
was killed goes on where it was when the same command is given again.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import torch

import msft
from invert import quality
from invert.ahead import Ahead
from invert.behind import Behind
from invert.checkpoint import Checkpoint
from invert.estimate import FLAGS, Inversion
from invert.fitting.refine import Refinement, refine
from invert.frames import Frames, FrameSource
from invert.labelling.keep import Selection
from invert.predict import BATCHES, predict, unreadable
from invert.prediction_layout import COLUMNS, TEXTS
from invert.predictions import RESULT, Compressed, append, complete, compressed, lay_out, truncate
from invert.reading.opening import require_readable
from invert.reading.options import chosen
from invert.table import Summary
from msft.errors import ParameterError
from msft.journal import JournaledFile
from msft.layout import PROCESS
from msft.particle import Particles

COMMIT_SECONDS = 5.0
"""Time between two commits: what a kill costs at most."""

COMPRESSING = min(6, max(1, (os.cpu_count() or 1) - 2))
"""Threads beside a GPU; a processor each is left for the one that writes and the one that tells the GPU what
to do. A frame takes 0.3 ms of one: more of them only wait for the interpreter's lock, and the others longer.
"""

LEARNED = "the network's own: covers 68 % of the errors on held-out patterns as it was trained on"
CURVATURE = "per axis, from the curvature of the misfit and the residuals; without errors of the physics"


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


def invert_stream(
    source: FrameSource,
    rows: slice,
    inverter: Inverter,
    target: Path,
    options: Mapping[str, Any],
    provenance: Mapping[str, Any],
    progress: Callable[[int], None] = lambda done: None,
    selection: Selection | None = None,
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
            batches = source.batches(rows, done, at_least)
        else:
            batches = selection.batches(source, wanted, first=done)

        hastening: Future[None] | None = None

        def write(inversion: Inversion, images: Compressed, source: str, worth_keeping: bool) -> None:
            nonlocal last_commit, hastening
            append(file, inversion, source, images)
            if journaled.failure is not None:
                raise journaled.failure
            if threads is not None and (hastening is None or hastening.done()):
                hastening = threads.submit(journaled.hasten)
            if worth_keeping and time.monotonic() - last_commit > COMMIT_SECONDS:
                file.flush()
                journaled.commit()
                last_commit = time.monotonic()

        with (
            compressing(inverter.device) as threads,
            Behind() as behind,
            closing(iter(Ahead(batches))) as ready,
        ):
            # the other thread only reads: its grey values would start a second team of OpenMP threads beside
            # the network's, and both spin (two cores: 80 frames/s instead of 170, benchmarks/predict.py)
            for frames in ready:
                inversion = inverter(frames, progress)
                readable = readable or frames.readable is None or bool(frames.readable.any())
                # threads begin with these while those before are still being written
                behind(write, inversion, compressed(inversion, threads), frames.source, readable)
        if not readable:
            require_readable(source.path, np.zeros(1, dtype=bool))
        complete(file)
    return before


@contextmanager
def compressing(device: torch.device) -> Iterator[Executor | None]:
    """Threads that compress what is written: beside a GPU alone, since a network takes all processors."""
    if device.type == "cpu":
        yield None
        return
    with ThreadPoolExecutor(COMPRESSING) as threads:
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
