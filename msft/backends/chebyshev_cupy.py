"""The Chebyshev solver's transform on an NVIDIA GPU by CuPy: one launch of each kernel for a whole batch.

The same sum as `msft.backends.chebyshev_numpy.amplitude`, where it is explained; the kernels are
``chebyshev.cu`` beside this file, which keep the order and the names of `msft.backends.chebyshev_numba` and
`msft.backends.moments`. Results stay on the GPU. **No GPU has run it yet**: tests/msft/test_chebyshev_gpu.py
compiles the very source for the CPU, and by NVIDIA's compiler to what it would be given there.

What it could reach, counted for radius 30-160 nm, 128 x 128 pixels, the whole hemisphere and an accuracy of
1e-3, on an H200 (60 TFLOP/s in single precision, 34 in double, 4.8 TB/s), 64 particles:

- an icosahedron: 11,500 columns in 170 rows, 52 orders; 222 Mflop in `along_rows` and `across`, 15 in double
  in `moments`: 4 us. What the kernels hand on to each other, 21 MB, written and read once: 9 us.
- an ellipsoid: 2,200 columns in 56 rows, 44 orders; 43 and 3 Mflop: 1 us. 4.9 MB: 2 us.

So 10,000 patterns a second would take a tenth or less of the memory's speed. The host makes the columns in
compiled code that holds no lock: a core takes 0.41 ms for those of an icosahedron, 0.12 ms of a sphere, 0.54
ms of a capsule and 0.83 ms of a dumbbell (CPU time, medians over 192 particles in shares of 16, on a busy
machine). Beside it Python holds its lock for 20 to 35 us a particle, NumPy standing in for CuPy. By these
numbers 16 cores would make the columns of 19,000 dumbbells a second and the lock would let 30,000 pass; it
was measured on two cores alone, where two threads take no longer than two processes. The columns of an
icosahedron are 370 kB: 3.7 GB/s at 10,000 a second, which CuPy copies once more on the host, as the arrays
are not pinned.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from msft.backends import with_cupy
from msft.backends.chebyshev_numba import START, threads
from msft.backends.column_batch import (
    Batch,
    Extents,
    Given,
    batch_of_columns,
    batch_of_projections,
    extents,
    padded,
)
from msft.backends.with_cupy import THREADS, Launch, arrays
from msft.solvers.projection import Projection
from msft.solvers.quadrature import Columns, ManyColumns
from msft.solvers.series import STEP, Series

__all__ = ["amplitude", "amplitude_of_voxels", "amplitudes", "arrays", "prepared", "threads", "transformed"]

KERNELS = ("moments", "turns", "along_rows", "coefficients", "across")
"""Functions of the source, in the order in which they are launched with the same arguments."""

BATCH_BYTES = 2**30
"""Of the GPU's memory that particles computed together may take, unless one alone takes more."""


WARP = 32
"""Threads that run in step: those of a warp have neighbouring pixels of one row."""


def source() -> str:
    """The kernels in CUDA C++."""
    return files("msft.backends").joinpath("chebyshev.cu").read_text()


def definitions(dtype: str, parts: int) -> dict[str, str]:
    """What the source needs defined for float32 or float64 and a real (1) or complex (2) attenuation."""
    real = {"float32": "float", "float64": "double"}[dtype]
    return {"REAL": real, "PARTS": str(parts), "STEP": str(STEP), "START": str(START)}


@lru_cache
def _compiled(dtype: str, parts: int) -> list[Launch]:
    return with_cupy.compiled(source(), KERNELS, definitions(dtype, parts))


def amplitude(columns: Columns, series: Series, double: bool) -> Any:
    """`chebyshev_numpy.amplitude` on the GPU; in complex64 unless `double`."""
    return amplitudes(ManyColumns.of(columns), series, double)[0]


def amplitude_of_voxels(projection: Projection, series: Series, double: bool) -> Any:
    """`chebyshev_numpy.amplitude_of_voxels` on the GPU."""
    return amplitudes([projection], series, double)[0]


def amplitudes(given: Given, series: Series, double: bool) -> Any:
    """Amplitudes of N particles from their columns, or from moments on grids; see `transformed`."""
    return transformed(prepared(given, series, double), series, double)


def prepared(given: Given, series: Series, double: bool) -> list[Batch]:
    """What the host has to do beforehand, in any thread: batches of no more than `BATCH_BYTES`."""
    parts, size = 2 if series.s.imag else 1, 8 if double else 4
    of_all, found = extents(given, series), []
    for chosen in batches(of_all, len(series.axis), parts, size):
        some = of_all.part(chosen)
        if isinstance(given, list):
            found.append(batch_of_projections(given[chosen], some, parts, _real(double)))
        else:
            found.append(batch_of_columns(given.part(chosen), some, series))
    return found


def transformed(given: Sequence[Batch], series: Series, double: bool) -> Any:
    """Amplitudes of the N particles of some batches.

    Nothing waits for the GPU: columns can be made on the host while it computes.

    Returns
    -------
    CuPy array (N, n, n) in nm^3, zero where q_perp >= k; complex64 unless `double`.

    Raises
    ------
    MemoryError
        If the GPU has none for a batch.
    """
    xp, _ = arrays()
    count, begin = sum(len(batch.particles) for batch in given), 0
    out = xp.zeros((count, series.pixels, series.pixels), np.complex128 if double else np.complex64)
    kernels = _compiled(_real(double), 2 if series.s.imag else 1)
    for batch in given:
        end = begin + len(batch.particles)
        launch(kernels, xp, batch, series, out[begin:end])
        begin = end
    return out


def _real(double: bool) -> str:
    return "float64" if double else "float32"


def batches(extents: Extents, lit: int, parts: int, size: int, begin: int = 0) -> list[slice]:
    """Particles that follow each other and take at most `BATCH_BYTES` together, or are alone.

    Parameters
    ----------
    extents
        Of the particles.
    lit, parts, size
        Pixels on an axis, parts of a moment, bytes of a number.
    begin
        Number of the first.
    """
    count = len(extents.rows)
    if count <= 1 or workspace_bytes(extents, lit, parts, size) <= BATCH_BYTES:
        return [slice(begin, begin + count)] if count else []
    first, rest = extents.part(slice(count // 2)), extents.part(slice(count // 2, None))
    return [
        *batches(first, lit, parts, size, begin),
        *batches(rest, lit, parts, size, begin + count // 2),
    ]


def workspace_bytes(extents: Extents, lit: int, parts: int, size: int) -> int:
    """Memory of the GPU for what is computed on the way to the images of some particles."""
    columns, rows = int(extents.columns.sum()), int(extents.rows.sum())
    orders, closed = padded(int(extents.orders.max())), int(extents.closed.max())
    of_rows = 2 * lit * (columns + rows + rows * parts * orders)
    images = len(extents.rows) * lit**2 * orders
    return parts * columns * (size * orders + 8 * closed) + size * (of_rows + images)


def launch(kernels: list[Launch], xp: Any, batch: Batch, series: Series, out: Any) -> None:
    """Run the kernels of a precision on the arrays of a namespace.

    Parameters
    ----------
    kernels
        `KERNELS`, compiled for the precision of `out` and for the parts of a moment.
    xp
        `cupy`; or `numpy` for kernels that run on the CPU.
    batch, series
        What is transformed, on the host.
    out
        Complex array of `xp`, shape (N, n, n), C-contiguous.
    """
    real, parts = out.real.dtype, 2 if series.s.imag else 1
    count, lit, fours = len(batch.particles), len(series.axis), batch.orders // 4
    rows, columns, closed = len(batch.particle_of_row), len(batch.particle_of_column), batch.factors.shape[2]
    if batch.moments is None:
        values = xp.zeros((parts, fours, columns, 4), real)
    else:
        values = xp.asarray(np.ascontiguousarray(batch.moments))
    right = xp.empty((closed, columns), np.float64 if parts == 1 else np.complex128)
    wide = -(-lit // WARP) * WARP
    arguments = (
        *(xp.asarray(np.ascontiguousarray(array)) for array in batch[:-2]),
        xp.asarray(series.terms.astype(np.int32)),
        right,
        values,
        xp.empty((columns + rows, lit, 2), real),
        xp.empty((rows, lit, 2 * parts * fours, 4), real),
        xp.empty((count, fours, lit * lit, 4), real),
        out,
        *map(np.int32, (count, columns, rows, len(batch.z_in), closed, fours, lit, wide, series.pixels)),
        *map(np.float64, (series.s.real, series.s.imag, series.deepest, series.k)),
        np.float64(series.axis[1] if lit > 1 else 0.0),
    )
    threads = {
        "moments": columns if batch.moments is None else 0,
        "turns": (columns + rows) * lit,
        "along_rows": rows * (parts * fours // 2) * wide,
        "coefficients": count * lit * wide,
        "across": count * lit * wide,
    }
    for name, kernel in zip(KERNELS, kernels, strict=True):
        if blocks := -(-threads[name] // THREADS):
            kernel((blocks,), (THREADS,), arguments)
