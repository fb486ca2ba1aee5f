"""Which back end computes: by name at each call, never by what is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from msft.errors import ParameterError
from msft.solvers.exact import FaceSums

Backend = Literal["auto", "numpy", "numba", "cupy"]
Precision = Literal["single", "double"]

BACKENDS_OF: dict[str, tuple[str, ...]] = {
    "exact": ("numba", "numpy", "cupy"),
    "chebyshev": ("numba", "numpy", "cupy"),
    "slices": ("numpy",),
    "propagation": ("numpy", "cupy"),
}
"""The back ends of each solver, the default first.

``auto`` is the first and so never a GPU: a command gives the same bytes on every machine, and takes no
card that others share unless it is told to. Training on fresh patterns is told so by its device.
"""


class Engine(NamedTuple):
    """A back end of the exact solver, ready to compute.

    Attributes
    ----------
    face_sums, reference
        Its kernel, and the same one in double precision.
    xp
        The namespace of its arrays.
    to_host
        Makes NumPy arrays of them.
    """

    face_sums: FaceSums
    reference: FaceSums
    xp: Any
    to_host: Callable[[Any], NDArray[Any]]


def missing(backend: Backend) -> str:
    """What a back end lacks on this machine, as a phrase; empty where nothing does."""
    if backend != "cupy":
        return ""
    from msft.backends import with_cupy

    return with_cupy.missing()


def require(backend: Backend) -> None:
    """Refuse a back end that this machine does not have.

    Raises
    ------
    ParameterError
        If it is ``cupy`` where CuPy or a GPU is missing.
    """
    if lacking := missing(backend):
        raise ParameterError("backend", backend, f"auto, numba or numpy on this machine: {lacking}")


def engine(backend: Backend, precision: Precision) -> Engine:
    """A back end of the exact solver; `numpy` computes in double whatever is asked for.

    Raises
    ------
    ParameterError
        See `require`.
    """
    require(backend)
    if backend == "numpy":
        from msft.backends import with_numpy

        return Engine(with_numpy.face_sums, with_numpy.face_sums, np, np.asarray)
    twin: Any
    if backend == "cupy":
        from msft.backends import with_cupy as twin
    else:
        from msft.backends import with_numba as twin
    double = twin.face_sums_double
    kernel = double if precision == "double" else twin.face_sums_single
    if backend == "cupy":
        return Engine(kernel, double, *twin.arrays())
    return Engine(kernel, double, np, np.asarray)
