"""The array namespaces that solvers written once run on."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from msft.backends.choice import Backend, require


class Arrays(NamedTuple):
    """A back end for arrays.

    Attributes
    ----------
    xp, fft
        Namespace with NumPy's functions, and one with SciPy's transforms.
    to_numpy
        From its arrays to NumPy's.
    batch_bytes
        Memory that particles computed together may take; 0 where each is computed by itself, and several at
        once by threads.
    """

    xp: ModuleType
    fft: ModuleType
    to_numpy: Callable[[Any], NDArray[Any]]
    batch_bytes: int


NUMPY = Arrays(np, scipy.fft, np.asarray, 0)


def arrays_of(backend: Backend) -> Arrays:
    """The namespace of a back end: ``cupy``, else NumPy.

    Raises
    ------
    ParameterError
        If CuPy is asked for where it, or a GPU, is missing.
    """
    require(backend)
    if backend != "cupy":
        return NUMPY
    import cupy
    import cupyx.scipy.fft

    return Arrays(cupy, cupyx.scipy.fft, cupy.asnumpy, 2**31)
