"""The Chebyshev solver's transform on an NVIDIA GPU by CuPy: one launch of each kernel for a whole batch.

The same sum as `msft.backends.chebyshev_numpy.amplitude`, where it is explained; the kernels are
``chebyshev.cu`` beside this file, which keep the order and the names of `msft.backends.chebyshev_numba` and
`msft.backends.moments`. Results stay on the GPU. tests/msft/test_chebyshev_gpu.py compares them with NumPy's
on a GPU, and on the CPU, for which it compiles the very source.

Radius 30-160 nm, 128 x 128 pixels, the whole hemisphere, an accuracy of 1e-3: an icosahedron has 10,000
columns in 160 rows and 52 orders. Counted of each, in single precision:

- 165 kB that the host makes: 3 us at 50 GB/s. A thread makes them in 0.45 ms of the CPU's time (two cores of
  a busy machine), of which Python holds its lock for some 10 us.
- 222 Mflop in `along_rows` and `across`, 4 us at an H200's 60 TFLOP/s; in double 15 Mflop in `moments` and
  640,000 sines with their cosines in `turns`, 2 us at 34 TFLOP/s. 22 MB that kernels hand on to each other,
  written once and read once or twice: 10 to 15 us at 4.8 TB/s.
- for some 30 particles that are launched together, of the thread that launches: a copy, an allocation, five
  launches and an event.

Seen on an H200 with 16 virtual cores (benchmarks/chebyshev_gpu.py, no record): the kernels take 58 to 70 us,
of which `across` 28, `along_rows` 16 and `moments` 9; the columns 65 us by all threads; a launch of 32
particles 183 us of the host. That is 12,400 patterns a second in calls for 4,096, and 8,900 to 9,700 in calls
for 1,024, whose first columns and last kernels have nothing beside them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

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
from msft.backends.pinned import Packet, laid_out, packed, uploaded
from msft.backends.with_cupy import THREADS, Launch, arrays
from msft.solvers.projection import Projection
from msft.solvers.quadrature import Columns, ManyColumns
from msft.solvers.series import STEP, Series

__all__ = ["amplitude", "amplitude_of_voxels", "amplitudes", "arrays", "prepared", "threads", "transform"]

KERNELS = ("moments", "turns", "along_rows", "coefficients", "across")
"""Functions of the source, in the order in which they are launched with the same arguments."""

BATCH_BYTES = 2**30
"""Of the GPU's memory that particles computed together may take, unless one alone takes more."""

FIELDS = 12
"""Arrays of a batch, but for moments."""

WARP = 32
"""Threads that run in step: those of a warp have neighbouring pixels of one row."""


class Load(NamedTuple):
    """A batch as it goes to a GPU.

    Attributes
    ----------
    particles, columns, rows, chords, closed, orders
        Numbers of what the arrays of `Batch` have.
    packet
        Its arrays, in the order in which the kernels take them; `Batch.moments`, if there are any, last.
    series, real
        What else the transform needs, and float32 or float64.
    """

    particles: int
    columns: int
    rows: int
    chords: int
    closed: int
    orders: int
    packet: Packet
    series: Series
    real: str


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
    """Amplitudes of N particles from their columns, or from moments on grids.

    Returns
    -------
    CuPy array (N, n, n) in nm^3, zero where q_perp >= k; complex64 unless `double`.
    """
    shape = len(given), series.pixels, series.pixels
    images = arrays()[0].zeros(shape, np.complex128 if double else np.complex64)
    transform(prepared(given, series, double), images)
    return images


def prepared(given: Given, series: Series, double: bool, places: Sequence[int] | None = None) -> list[Load]:
    """What the host has to do beforehand, in any thread: batches of no more than `BATCH_BYTES`.

    Parameters
    ----------
    given, series, double
        Particles, what their transform needs, and in which precision.
    places
        Numbers of their images; 0, 1, ... if not given.
    """
    parts, size = _parts(series), 8 if double else 4
    images = np.arange(len(given)) if places is None else np.asarray(places)
    of_all, found = extents(given, series), []
    for chosen in batches(of_all, len(series.axis), parts, size):
        some = of_all.part(chosen)
        if isinstance(given, list):
            batch = batch_of_projections(given[chosen], some, parts, _real(double))
        else:
            batch = batch_of_columns(given.part(chosen), some, series)
        found.append(_load(batch, images[chosen], series, _real(double)))
    return found


def _load(batch: Batch, places: Any, series: Series, real: str) -> Load:
    """With the images' numbers, and in a precision."""
    fields: list[tuple[NDArray[Any], Any]] = [
        (batch.positions, real),
        (batch.start, np.int32),
        (batch.particle_of_row, np.int32),
        (batch.particles, np.int32),
        (batch.depths, np.float64),
        (places, np.int32),
        (batch.z_in, real),
        (batch.z_out, real),
        (batch.weight, real),
        (batch.densities, np.float64),
        (batch.factors, np.complex128),
        (series.terms, np.int32),
    ]
    if batch.moments is not None:
        fields.append((batch.moments, real))
    chords, closed = batch.factors.shape[1:3]
    numbers = len(batch.particles), int(batch.start[-1]), len(batch.particle_of_row)
    return Load(*numbers, chords, closed, batch.orders, packed(fields, arrays()[0]), series, real)


def transform(given: Sequence[Load], images: Any, weight: Any | None = None) -> None:
    """Write the amplitudes of some batches, or their intensities, in those pixels where q_perp < k.

    Nothing waits for the GPU: columns can be made on the host while it computes.

    Parameters
    ----------
    given
        See `prepared`.
    images
        CuPy array of the images, C-contiguous, n^2 numbers each: complex of the precision of `given`; for
        intensities float32.
    weight
        For intensities, the factors of |A|^2: float32, n^2 numbers on the GPU.

    Raises
    ------
    MemoryError
        If the GPU has none for a batch.
    """
    xp, _ = arrays()
    for load in given:
        launch(_compiled(load.real, _parts(load.series)), xp, load, images, weight)


def _parts(series: Series) -> int:
    return 2 if series.s.imag else 1


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
    numbers = len(extents.rows), int(extents.columns.sum()), int(extents.rows.sum())
    orders, closed = padded(int(extents.orders.max())), int(extents.closed.max())
    return sum(workspace(*numbers, closed, orders, lit, parts, size))


def workspace(
    particles: int, columns: int, rows: int, closed: int, orders: int, lit: int, parts: int, size: int
) -> tuple[int, ...]:
    """Bytes of each array that the kernels hand on to each other, in the order in which they take them."""
    return (
        8 * parts * closed * columns,
        size * parts * orders * columns,
        size * 2 * lit * (columns + rows),
        size * 2 * lit * parts * orders * rows,
        size * orders * lit**2 * particles,
    )


def launch(kernels: list[Launch], xp: Any, load: Load, images: Any, weight: Any | None = None) -> None:
    """Run the kernels of a precision on the arrays of a namespace.

    Parameters
    ----------
    kernels
        `KERNELS`, compiled for `load.real` and for the parts of a moment.
    xp
        `cupy`; or `numpy` for kernels that run on the CPU.
    load
        What is transformed.
    images, weight
        See `transform`.
    """
    count, columns, rows, chords, closed, orders, packet, series, real = load
    parts, lit, fours = _parts(series), len(series.axis), orders // 4
    sizes = workspace(count, columns, rows, closed, orders, lit, parts, np.dtype(real).itemsize)
    begins, end = laid_out(sizes)
    # of few different sizes, so that CuPy's pool has one that fits
    room = xp.empty(2 ** (end - 1).bit_length() if end <= BATCH_BYTES else end, np.uint8)
    handed_on, given = [room[begin:] for begin in begins], uploaded(packet, xp)
    if summed := len(given) > FIELDS:
        handed_on[1] = given.pop()
    wide = -(-lit // WARP) * WARP
    arguments = (
        *given,
        *handed_on,
        given[0] if weight is None else weight,  # any memory that is not read
        images,
        np.int32(weight is not None),
        *map(np.int32, (count, columns, rows, chords, closed, fours, lit, wide, series.pixels)),
        *map(np.float64, (series.s.real, series.s.imag, series.deepest, series.k)),
        np.float64(series.axis[1] if lit > 1 else 0.0),
    )
    threads = {
        "moments": 0 if summed else columns,
        "turns": (columns + rows) * lit,
        "along_rows": rows * (parts * fours // 2) * wide,
        "coefficients": count * lit * wide,
        "across": count * lit * wide,
    }
    for name, kernel in zip(KERNELS, kernels, strict=True):
        if blocks := -(-threads[name] // THREADS):
            kernel((blocks,), (THREADS,), arguments)
