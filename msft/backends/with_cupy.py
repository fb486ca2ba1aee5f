"""The exact solver's pixel sum on an NVIDIA GPU by CuPy: one launch for a whole batch, two precisions.

The same sum as `msft.backends.with_numpy.face_sums`, where it is explained; the kernel is ``face_sums.cu``
beside this file, which keeps the order and the names of `msft.backends.with_numba`. Results stay on the GPU.

In single precision a pattern of 128 x 128 pixels takes about 15,000 instructions of each of 12,450 threads:
82 edges of about 190, counted in what ``nvcc -arch=sm_90`` makes of the source (40 registers, none spilled).
An H200 issues 3e13 a second and so cannot compute more than about 150,000 such patterns. It was seen to
compute 87,000 from meshes that are there, uploads included, and 51,000 from particles, whose meshes 16
virtual cores build at 100,000 a second (benchmarks/engine.py); in double precision 53,000 and 51,000. A
thread keeps neither vertices (0.3 kB) nor cells (0.7 kB), but computes the former four and the latter two and
a half times: with all of them kept, it would be a third fewer instructions and a memory's speed. Meshes are
built on the CPU, see `msft.solvers.overlay`, while the GPU computes what was launched before.

Sine and cosine are sincospi of the phase in half turns: exactly folded, and good to the last digit. The
hardware's `__sincosf` has absolute errors of 2^-21.2 = 4e-7 within half a turn (CUDA C++ Programming Guide).
After the same folding it would hardly cost accuracy: the kernel on the CPU with such errors put in, on 8
patterns of 32 x 32 pixels, is off by 8.2e-7 instead of 7.5e-7 (median relative L2 error of the amplitude).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msft.backends.with_numba import NEAR_DOUBLE, NEAR_SINGLE
from msft.backends.with_numpy import attenuations, pixel_counts
from msft.detector import ScatteringVectors
from msft.solvers.overlay import Meshes

THREADS = 128
"""Threads of a block."""

KERNELS = ("pack", "face_sums", "add_flat")
"""Functions of the source, in the order in which they are launched with the same arguments."""

STRUCTURE = 8
"""Numbers of a structure that `pack` makes: read in two loads of 16 bytes in single precision."""

OPTIONS = ("--std=c++17", "--prec-div=false")
"""Of the compiler: sines keep their precision, a quotient in single is good to 2 units in the last place."""

NEAR = {"float32": NEAR_SINGLE, "float64": NEAR_DOUBLE}

Launch = Callable[[tuple[int], tuple[int], tuple[Any, ...]], None]
"""Runs a kernel for a grid and a block on its arguments."""


def source() -> str:
    """The kernels in CUDA C++."""
    return files("msft.backends").joinpath("face_sums.cu").read_text()


def definitions(dtype: str) -> dict[str, str]:
    """What the source needs defined for float32 or float64."""
    return {
        "REAL": {"float32": "float", "float64": "double"}[dtype],
        "NEAR": str(NEAR[dtype]),
        "THREADS": str(THREADS),
    }


def missing() -> str:
    """What this machine lacks, as a phrase; empty where there is a GPU and CuPy sees it."""
    try:
        import cupy
    except ImportError:
        return "CuPy is not installed (pip install 'msft-invert[gpu]')"
    return "" if cupy.is_available() else "CuPy finds no NVIDIA GPU"


def arrays() -> tuple[Any, Callable[[Any], NDArray[Any]]]:
    """The namespace of the results, and what brings them to the host."""
    import cupy

    return cupy, cupy.asnumpy


def face_sums_single(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None = None,
) -> Any:
    """`with_numpy.face_sums` in complex64, a CuPy array."""
    return _face_sums(meshes, vectors, s, wanted, "float32")


def face_sums_double(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None = None,
) -> Any:
    """`with_numpy.face_sums` in complex128, a CuPy array."""
    return _face_sums(meshes, vectors, s, wanted, "float64")


def _face_sums(
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None,
    dtype: str,
) -> Any:
    import cupy

    return launch(_compiled(dtype), cupy, meshes, vectors, s, wanted, dtype)


@lru_cache
def _compiled(dtype: str) -> list[Launch]:
    return compiled(source(), KERNELS, definitions(dtype))


def compiled(source: str, kernels: Sequence[str], definitions: Mapping[str, str]) -> list[Launch]:
    """Functions of a source in CUDA C++ with some names defined, by NVIDIA's compiler."""
    import cupy

    options = tuple(f"-D{name}={value}" for name, value in definitions.items())
    module = cupy.RawModule(code=source, options=(*OPTIONS, *options))
    return [module.get_function(name) for name in kernels]


def launch(
    kernels: list[Launch],
    xp: Any,
    meshes: Meshes,
    vectors: ScatteringVectors,
    s: complex | NDArray[np.complex128],
    wanted: NDArray[np.int64] | None,
    dtype: str,
) -> Any:
    """Run the kernels of a precision on the arrays of a namespace; see `with_numpy.face_sums`.

    Parameters
    ----------
    kernels
        `KERNELS`, compiled.
    xp
        `cupy`; or `numpy` for kernels that run on the CPU.
    meshes, vectors, s, wanted
        As for `with_numpy.face_sums`, on the host.
    dtype
        float32 or float64.
    """
    each, counts = attenuations(s, meshes), pixel_counts(wanted, meshes, vectors)
    q = np.stack([vectors.x, vectors.y, vectors.z]).astype(dtype)
    given = [xp.asarray(array) for array in (*meshes, each, q, counts.astype(np.int32))]
    made = [xp.empty((each.shape[1] * len(array), STRUCTURE), dtype=dtype) for array in meshes[:3]]
    shape = (*each.shape, vectors.x.size)
    out = (xp.empty if wanted is None else xp.zeros)(shape, dtype=np.result_type(dtype, np.complex64))
    flat = xp.empty(shape, dtype=np.uint8)
    sizes = map(np.int32, (meshes.loops.shape[1], *shape[1:]))
    arguments = (*given, *made, out, flat, *sizes)
    blocks = each.size * -(-shape[2] // THREADS)
    if blocks:
        for kernel, grid in zip(kernels, (each.size, blocks, blocks), strict=True):
            kernel((grid,), (THREADS,), arguments)
    return out if np.ndim(s) == 2 else out[:, 0]
