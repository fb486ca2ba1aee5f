"""Datasets of random particles."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

from msft.compression import chunks
from msft.dataset import open_hdf5
from msft.errors import ParameterError
from msft.layout import PROCESS
from msft.output import check_writable
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.resumable import Growing, grow, identity, require_same, unfinished
from msft.seeding import check_seed
from msft.shards import Shard
from msft.shots import Light, Population, Recipe
from msft.uncertainty import Uncertainty
from msft.workers import Block, batches, simulated, simulated_by_workers

WAITING = 16
"""Blocks that may wait to be written while the next ones are simulated: a commit takes that long."""


def generate(
    path: Path,
    count: int,
    seed: int = 0,
    distribution: Population | None = None,
    simulation: Simulation | None = None,
    uncertainty: Light | None = None,
    *,
    rows: range | None = None,
    workers: int = 1,
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> None:
    """Simulate random particles into a dataset; pattern i depends on (seed, i) alone.

    The dataset grows under the name `msft.resumable.unfinished(path)`. Killed at any moment, it is gone on
    with by the next call with the same arguments, and the patterns are those of one uninterrupted call.

    Parameters
    ----------
    path
        The HDF5 file; it appears whole or not at all.
    count
        Number of patterns.
    seed
        Seed of the particles.
    distribution, simulation, uncertainty
        Which particles, how they are simulated, and how the optics differ from pattern to pattern; by
        default those of Stielow et al. 2020.
    rows
        Which of the patterns this file holds; by default all. The others belong into other shards.
    workers
        Processes that simulate, each with one thread; with 1, this process does, with all its threads. A
        script that asks for more must be importable (``if __name__ == "__main__"``).
    force
        Replace a file that is there, and begin anew.
    resume
        Finish what is there, even with `force`; without, a file that is complete already is left as it is.
    command
        The command line, for the record.
    progress
        Called with 0 once the arguments are found good, with the number of patterns that were there, then
        with that of each batch.

    Raises
    ------
    ParameterError
        If an argument cannot be used, or the file cannot be written; nothing is left behind.
    OSError
        If the disk is full or fails; what has been simulated is kept.
    """
    recipe = Recipe(
        seed, distribution or ParticleDistribution(), simulation or Simulation(), uncertainty or Uncertainty()
    )
    check_request(recipe, count)
    if workers < 1:
        raise ParameterError("workers", workers, "1 or more processes")
    rows = range(count) if rows is None else rows
    if resume and not force and path.exists() and not unfinished(path).exists():
        require_finished(path, recipe, rows, count)
        progress(0)
        progress(len(rows))
        return
    check_writable(path, force)
    provenance = {"program": "msft generate", "command": command}
    with grow(path, recipe, rows, count, provenance, force=force, resume=resume) as growing:
        progress(0)
        progress(growing.done)
        todo = batches(rows[growing.done :], recipe.simulation.detector.pixels)
        blocks = simulated(recipe, todo) if workers == 1 else simulated_by_workers(recipe, todo, workers)
        with closing(blocks):
            _write(blocks, growing, progress)


def generate_shard(folder: Path, part: Shard, count: int, recipe: Recipe, **options: Any) -> Path:
    """One shard of a dataset of `count` patterns, in a folder, which is made.

    Parameters
    ----------
    folder, part
        Where, and which.
    count, recipe
        The whole dataset.
    options
        Further ones of `generate`.

    Returns
    -------
    The file.

    Raises
    ------
    ParameterError, OSError
        See `generate`.
    """
    check_request(recipe, count)
    rows = part.rows(count)
    if folder.exists() and not folder.is_dir():
        raise ParameterError("out", folder, "a folder for the shards")
    check_writable(folder, folder=True)
    folder.mkdir(exist_ok=True)
    path = part.path(folder)
    parts = (recipe.seed, recipe.distribution, recipe.simulation, recipe.uncertainty)
    generate(path, count, *parts, rows=rows, **options)
    return path


def check_request(recipe: Recipe, count: int) -> None:
    """Refuse, before anything is written, what cannot be simulated.

    Raises
    ------
    ParameterError
        If there is no pattern, the seed is none, or the recipe does not work.
    """
    if count <= 0:
        raise ParameterError("n", count, "a number of patterns above 0")
    check_seed(recipe.seed)
    recipe.check()


def require_finished(path: Path, recipe: Recipe, rows: range, total: int) -> None:
    """Refuse a file that is not what the same request has finished before.

    Raises
    ------
    ParameterError
        If it holds other patterns, or not all of them.
    """
    with open_hdf5(path, "out") as file:
        attributes = dict(file[PROCESS].attrs) if PROCESS in file else {}
    require_same(path, attributes, identity(recipe, rows, total), "or --force to replace it")
    if not attributes.get("complete", False):
        raise ParameterError("out", f"{path}, which is not complete", "a new name, or --force to replace it")


def _write(blocks: Iterator[Block], growing: Growing, progress: Callable[[int], None]) -> None:
    """Write blocks in a thread, so that the next ones are simulated meanwhile."""
    waiting: deque[tuple[Future[None], int]] = deque()

    def settle(most: int) -> None:
        while len(waiting) > most:
            future, count = waiting.popleft()
            future.result()
            progress(count)

    def append(block: Block) -> None:
        compressed = block.compressed or chunks(block.patterns)
        growing.append(compressed, block.shots.particles, block.shots.optics)

    writer = ThreadPoolExecutor(1, "writer")
    try:
        for block in blocks:
            waiting.append((writer.submit(append, block), len(block.shots.particles)))
            while waiting and waiting[0][0].done():
                settle(len(waiting) - 1)
            settle(WAITING)
        settle(0)
    finally:
        # what could not be written must not be followed by what comes later
        writer.shutdown(wait=True, cancel_futures=True)
