"""The GPU's kernels compiled for the CPU: the very same source, behind a header that stands for CUDA's.

What a GPU's threads compute is a function of their number alone (they share nothing), so a loop over blocks
and threads gives what a launch gives.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.backends import with_cupy
from msft.detector import ScatteringVectors
from msft.solvers.overlay import Meshes

COMPILER = next((name for name in ("g++", "c++", "clang++") if shutil.which(name)), None)

HEADER = """
#include <cmath>
#include <cstddef>
using std::exp;
#define __global__
#define __device__
#define __launch_bounds__(threads)
struct Index { unsigned x; };
static thread_local Index blockIdx, threadIdx, blockDim;
static void sincospi(double x, double *sine, double *cosine)
{
    x -= 2 * std::floor(x / 2 + 0.5);
    *sine = std::sin(3.14159265358979323846 * x), *cosine = std::cos(3.14159265358979323846 * x);
}
static void sincospif(float x, float *sine, float *cosine)
{
    double s, c;
    sincospi(x, &s, &c);
    *sine = float(s), *cosine = float(c);
}
"""

LOOP = """
extern "C" void run_{name}(unsigned blocks, unsigned threads, ARGUMENTS)
{{
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x)
            {name}(vertices, steps, cells, edges, loops, counts, points, s, q, wanted, out, flat,
                   most_points, most_edges, most_cells, corners, attenuations, pixels);
}}
"""


def require_compiler() -> None:
    """Skip a test where there is no C++ compiler."""
    if COMPILER is None:
        pytest.skip("NO C++ COMPILER: the GPU's kernels were not compiled for the CPU")


FaceSums = Callable[..., NDArray[Any]]


def compiled(
    folder: Path, dtype: str, change: Callable[[str], str] = lambda source: source
) -> list[with_cupy.Launch]:
    """The kernels of a precision, of the source changed on purpose if so wanted, for the CPU."""
    assert COMPILER is not None
    place = folder / f"face_sums_{dtype}.cpp"
    loops = "".join(LOOP.format(name=name) for name in with_cupy.KERNELS)
    place.write_text(HEADER + change(with_cupy.source()) + loops)
    definitions = [f"-D{name}={value}" for name, value in with_cupy.definitions(dtype).items()]
    library = place.with_suffix(".so")
    options = ["-std=c++17", "-O2", "-shared", "-fPIC"]
    subprocess.run([COMPILER, *options, *definitions, str(place), "-o", str(library)], check=True)
    functions = ctypes.CDLL(str(library))
    return [_launched(getattr(functions, f"run_{name}")) for name in with_cupy.KERNELS]


def face_sums_of(kernels: list[with_cupy.Launch], dtype: str) -> FaceSums:
    """`face_sums` of a precision by its kernels."""

    def face_sums(
        meshes: Meshes,
        vectors: ScatteringVectors,
        s: complex | NDArray[np.complex128],
        wanted: NDArray[np.int64] | None = None,
    ) -> NDArray[Any]:
        found: NDArray[Any] = with_cupy.launch(kernels, np, meshes, vectors, s, wanted, dtype)
        return found

    return face_sums


def _launched(function: Any) -> with_cupy.Launch:
    def launch(grid: tuple[int], block: tuple[int], arguments: tuple[Any, ...]) -> None:
        passed: list[ctypes.c_void_p | ctypes.c_int] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                passed.append(ctypes.c_void_p(argument.ctypes.data))
            else:
                passed.append(ctypes.c_int(argument))
        function(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), *passed)

    return launch
