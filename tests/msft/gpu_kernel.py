"""The GPU's kernels compiled for the CPU: the very same source, behind a header that stands for CUDA's.

What a GPU's threads compute is a function of their number alone (they share nothing), so a loop over blocks
and threads gives what a launch gives.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType, SimpleNamespace
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
using std::ceil;
using std::exp;
using std::sqrt;
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
            {name}({names});
}}
"""


class Event:
    """Of what is done at once."""

    def __init__(self, block: bool, disable_timing: bool) -> None:
        self.recorded = False

    def record(self) -> None:
        self.recorded = True

    def synchronize(self) -> None:
        assert self.recorded


class ArraysOnTheHost(ModuleType):
    """NumPy under the name of CuPy, with a memory of some patterns."""

    def __init__(self) -> None:
        super().__init__("cupy")
        self.brought = 0
        self.cuda = SimpleNamespace(Event=Event, alloc_pinned_memory=bytearray)

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def is_available(self) -> bool:
        return True

    def asnumpy(self, array: Any) -> Any:
        self.brought += 1
        return array


def require_compiler() -> None:
    """Skip a test where there is no C++ compiler."""
    if COMPILER is None:
        pytest.skip("NO C++ COMPILER: the GPU's kernels were not compiled for the CPU")


FaceSums = Callable[..., NDArray[Any]]


Change = Callable[[str], str]


def compiled(folder: Path, dtype: str, change: Change = lambda source: source) -> list[with_cupy.Launch]:
    """The exact solver's kernels of a precision, of the source changed on purpose if so wanted."""
    given = with_cupy.source(), with_cupy.KERNELS, with_cupy.definitions(dtype)
    return compiled_source(folder / f"face_sums_{dtype}.cpp", *given, change)


def compiled_source(
    place: Path, source: str, kernels: Sequence[str], definitions: Mapping[str, str], change: Change
) -> list[with_cupy.Launch]:
    """Kernels that share their ARGUMENTS, for the CPU."""
    assert COMPILER is not None
    arguments = re.search(r"#define ARGUMENTS((?:.*\\\n)*.*)\n", source)
    assert arguments is not None
    names = ", ".join(re.findall(r"(\w+)\s*(?:,|$)", arguments.group(1)))
    loops = "".join(LOOP.format(name=name, names=names) for name in kernels)
    place.write_text(HEADER + change(source) + loops)
    library = place.with_suffix(".so")
    options = ["-std=c++17", "-O2", "-shared", "-fPIC"]
    options += [f"-D{name}={value}" for name, value in definitions.items()]
    subprocess.run([COMPILER, *options, str(place), "-o", str(library)], check=True)
    functions = ctypes.CDLL(str(library))
    return [_launched(getattr(functions, f"run_{name}")) for name in kernels]


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
        passed: list[ctypes.c_void_p | ctypes.c_int | ctypes.c_double] = []
        for argument in arguments:
            if isinstance(argument, np.ndarray):
                assert argument.flags.c_contiguous
                passed.append(ctypes.c_void_p(argument.ctypes.data))
            elif isinstance(argument, np.float64):
                passed.append(ctypes.c_double(argument))
            else:
                passed.append(ctypes.c_int(argument))
        function(ctypes.c_uint(grid[0]), ctypes.c_uint(block[0]), *passed)

    return launch


def ptx(source: str, definitions: Mapping[str, str]) -> str:
    """What NVIDIA's run-time compiler, which needs no GPU, makes of a source for an H200."""
    program = nvrtc().createProgram(source, "source.cu", [], [])
    options = [f"-D{name}={value}" for name, value in definitions.items()]
    nvrtc().compileProgram(program, [*with_cupy.OPTIONS, "-arch=compute_90", *options])
    assert nvrtc().getProgramLog(program).strip("\n\0 ") == ""
    text = nvrtc().getPTX(program)
    return text.decode() if isinstance(text, bytes) else str(text)


def nvrtc() -> Any:
    """CuPy's binding to NVIDIA's run-time compiler, if both are there."""
    try:
        from cupy.cuda import nvrtc

        nvrtc.getVersion()
    except (ImportError, RuntimeError, OSError) as error:
        pytest.skip(f"NVRTC IS NOT HERE: NVIDIA's compiler has not seen the kernels ({error})")
    return nvrtc
