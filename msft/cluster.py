"""Datasets simulated by a cluster that runs dask.distributed. The only module that knows it.

Each task writes one shard, as ``--shard`` does: a task whose worker dies is given to another one, which goes
on with the shard where the last commit left it. All workers and the caller must see the folder of the shards
under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from msft.errors import ParameterError, one_line
from msft.generate import check_request, generate_shard, require_finished
from msft.output import check_writable
from msft.shards import Shard, merge
from msft.shots import Recipe

SHARD = 8192
"""Patterns of a shard, if nobody says how many there are: some ten seconds of work for a core."""

RETRIES = 3
"""Times that a failed task is tried again, perhaps by another worker."""

TIMEOUT = 20.0
"""Seconds until a scheduler has to answer."""


def generate_on_cluster(
    scheduler: str,
    path: Path,
    count: int,
    recipe: Recipe,
    *,
    shards: int | None = None,
    force: bool = False,
    resume: bool = False,
    command: str = "",
    progress: Callable[[int], None] = lambda done: None,
) -> Path:
    """Simulate random particles into shards on a cluster, and merge them.

    Shards that are complete are kept: the same call finishes what another one began.

    Parameters
    ----------
    scheduler
        Address of the scheduler, such as ``tcp://node17:8786``.
    path
        The HDF5 file of the whole dataset; the shards lie in a folder beside it, which has its name without
        the suffix, and ``.shards``.
    count
        Number of patterns.
    recipe
        What they are made from.
    shards
        Number of shards; by default one for `SHARD` patterns.
    force
        Replace a file that is there, and its shards.
    resume
        Leave a file alone that is complete already; shards are gone on with in any case.
    command, progress
        As in `msft.generate.generate`; progress counts whole shards.

    Returns
    -------
    The folder of the shards.

    Raises
    ------
    ParameterError
        If an argument cannot be used, or no scheduler answers.
    """
    try:
        distributed: Any = import_module("distributed")
    except ImportError:
        allowed = "an installation with the extra: pip install 'msft-invert[distributed]'"
        raise ParameterError("scheduler", scheduler, allowed) from None
    check_request(recipe, count)
    folder = path.absolute().with_suffix(".shards")
    if resume and not force and path.exists():
        require_finished(path, recipe, range(count), count)
        return folder
    check_writable(path, force)
    number = -(-count // SHARD) if shards is None else shards
    if not 1 <= number <= count:
        raise ParameterError("shards", number, f"1 to {count}, the number of patterns")
    parts = [Shard(index + 1, number) for index in range(number)]
    try:
        client = distributed.Client(scheduler, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise ParameterError(
            "scheduler", scheduler, f"the address of a scheduler that answers ({one_line(error)})"
        ) from None
    with client:
        folder.mkdir(exist_ok=True)
        for old in folder.glob("????-of-????.h5*") if force else ():
            old.unlink()
        progress(0)
        futures = {
            client.submit(
                generate_shard,
                folder,
                part,
                count,
                recipe,
                command=command,
                resume=True,
                pure=False,
                retries=RETRIES,
            ): part
            for part in parts
        }
        try:
            for future in distributed.as_completed(futures, loop=client.loop):
                future.result()
                progress(len(futures[future].rows(count)))
        except BaseException:
            client.cancel(list(futures))
            raise
    merge([part.path(folder) for part in parts], path, force=force, command=command)
    return folder
