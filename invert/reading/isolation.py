"""A damaged file crashes another process than this one.

The HDF5 library trusts what it reads: flipped bits can make it divide by zero, allocate without bounds or
never return. A fork of this process looks at the file first; only if it survives does this one go on.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import time
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

from msft.errors import ParameterError

MEMORY = 4 << 30
"""Bytes that looking at a file may take."""

PROCESSOR_SECONDS = 30
"""After which the library is taken not to return; a look at ten million chunks takes some ten."""

WALL_SECONDS = 120.0
"""After so long the look is given up without a verdict: a slow disk is no damage."""

_NO_MEMORY = 3


def survived(path: Path, look: Callable[[], object]) -> None:
    """Refuse a file that crashes, or starves, a process which looks at it.

    Parameters
    ----------
    path
        The file.
    look
        What is done with it; an exception is no crash, and is left to whoever does the same here.

    Raises
    ------
    ParameterError
        If the process died.
    """
    if not hasattr(os, "fork"):
        return
    with _nobody_in_hdf5(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: nobody waits for them
        child = os.fork()
        if child == 0:
            os._exit(_try(look))
    end = time.monotonic() + WALL_SECONDS
    pause = 0.001
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return
        time.sleep(pause)
        pause = min(2 * pause, 0.05)
    if os.WIFSIGNALED(status):
        reason = signal.Signals(os.WTERMSIG(status))
        what = "does not return from" if reason == signal.SIGXCPU else "crashes on"
        raise ParameterError("frames", path, f"a readable HDF5 file (HDF5 {what} it: {reason.name})")
    if os.WEXITSTATUS(status) == _NO_MEMORY:
        raise ParameterError("frames", path, f"a file that can be read within {MEMORY >> 30} GiB of memory")


def _try(look: Callable[[], object]) -> int:
    try:
        faulthandler.disable()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _limit()
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)  # what a dying library prints
            look()
    except MemoryError:
        return _NO_MEMORY
    except BaseException:
        return 0
    return 0


def _limit() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    used = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
    seconds = int(used) + PROCESSOR_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:  # not Linux: no bound
        return
    limit = pages * os.sysconf("SC_PAGESIZE") + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _nobody_in_hdf5() -> AbstractContextManager[object]:
    """h5py's lock, held over the fork, so that no other thread has it in the child."""
    from h5py._hl.base import phil

    return cast(AbstractContextManager[object], phil)
