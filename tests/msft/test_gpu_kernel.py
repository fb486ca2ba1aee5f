"""The kernels for a GPU without one: their arithmetic on the CPU, their syntax by NVIDIA's compiler."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.backends import with_cupy, with_numba, with_numpy
from msft.bodies import ConvexPolyhedron, named
from msft.detector import EwaldDetector
from msft.optics import Optics
from msft.rotation import as_quaternions, from_axis_angle
from msft.solvers import exact
from msft.solvers.overlay import meshes

from . import gpu_kernel

K = Optics().wavenumber
VECTORS = EwaldDetector(pixels=16, q_step=K / 7.8).scattering_vectors(K)
TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
LUMP = ConvexPolyhedron.from_vertices("lump", np.random.default_rng(4).standard_normal((25, 3)))
BODIES = [named(name) for name in ("icosahedron", "cube", "tetrahedron", "truncated octahedron")]
UPRIGHT: list[Any] = [
    [1.0, 0, 0, 0],
    [1, 1, 0, 0],
    from_axis_angle([1.0, 1, 0], 1e-9),
    from_axis_angle([0.3, 1, 0], 1e-4),
]
each_precision = pytest.mark.parametrize("dtype", list(TOLERANCE))
"""Faces and edges along the beam, entry and exit edges upon each other, and nearly so."""

Kernels = dict[str, gpu_kernel.FaceSums]


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Kernels:
    gpu_kernel.require_compiler()
    folder = tmp_path_factory.mktemp("kernel")
    return {dtype: gpu_kernel.face_sums_of(gpu_kernel.compiled(folder, dtype), dtype) for dtype in TOLERANCE}


def difference(a: NDArray[Any], b: NDArray[Any]) -> float:
    """Largest difference over the pixels, relative to the peak of each pattern; the worst."""
    return float((abs(a - b).max(axis=-1) / abs(b).max(axis=-1)).max())


def amplitudes(body: Any, radii: Any, orientations: Any, optics: Optics, face_sums: Any, double: Any) -> Any:
    return exact.amplitudes(body, radii, orientations, optics, VECTORS, face_sums, double)


@each_precision
@pytest.mark.parametrize("body", [*BODIES, LUMP], ids=lambda body: body.name)
@pytest.mark.parametrize(
    "optics",
    [
        Optics(),
        Optics(absorption_length=1e4),
        Optics(absorption="none"),
        Optics(absorption="refractive"),
        Optics(absorption="refractive", beta=0.0),
    ],
    ids=["amplitude", "weak", "none", "refractive", "transparent"],
)
def test_it_computes_what_numpy_does(kernels: Kernels, body: Any, optics: Optics, dtype: str) -> None:
    random = np.random.default_rng(3)
    orientations = as_quaternions(np.vstack([*UPRIGHT, random.standard_normal((4, 4))]))
    radii = np.array([60.0, 60, 60, 60, 5, 30, 90, 160])
    found = amplitudes(body, radii, orientations, optics, kernels[dtype], kernels["float64"])
    assert found.dtype == np.result_type(dtype, np.complex64)
    expected = amplitudes(body, radii, orientations, optics, with_numpy.face_sums, with_numpy.face_sums)
    # measured 5.2e-6 and 6.4e-14
    assert difference(found, expected) < TOLERANCE[dtype]


@each_precision
def test_each_mesh_has_its_own_attenuations_and_its_own_pixels(kernels: Kernels, dtype: str) -> None:
    orientations = as_quaternions(np.random.default_rng(5).standard_normal((3, 4)))
    radii = np.array([20.0, 50, 100])
    body = named("icosahedron")
    assert isinstance(body, ConvexPolyhedron)
    mesh, pixels = meshes(body, radii, orientations), VECTORS.x.size
    several = np.array([[0.08, 0.01 + 0.02j], [0, -0.02j], [0.3, -0.01]], dtype=np.complex128)
    wanted = np.array([pixels, 100, 0])
    found = kernels[dtype](mesh, VECTORS, several, wanted)
    assert found.shape == (3, 2, pixels)
    for i, count in enumerate(wanted):
        assert (found[i, :, count:] == 0).all()
        for j in range(2):
            alone = with_numpy.face_sums(mesh.only(slice(i, i + 1)), VECTORS, complex(several[i, j]))[0]
            scale = abs(alone).max()
            np.testing.assert_allclose(
                found[i, j, :count], alone[:count], atol=TOLERANCE[dtype] * scale, rtol=0
            )
    single = kernels[dtype](mesh, VECTORS, several[:, 0])
    np.testing.assert_array_equal(single[0], found[0, 0])
    assert kernels[dtype](mesh.only(slice(0, 0)), VECTORS, 0.08).shape == (0, pixels)


SLIPS: dict[str, tuple[str, str]] = {
    "sign of the phase": ("- v.shift, &cosine", "+ v.shift, &cosine"),
    "sides of an edge": ("here.x_re - there.x_re", "here.x_re + there.x_re"),
    "vertex before": ("edge.first == last", "true"),
    "cell before": ("edge.left != left", "left < 0"),
    "series of an edge": ("real(-1.0 / 3)", "real(-1.0 / 4)"),
    "flat cells": ("some_flat;\n}", "false;\n}"),
    "corners of flat cells": ("int m = 1;", "int m = 2;"),
    "series of a triangle": ("{0.5, 0}", "{0.6, 0}"),
    "mesh": ("vertices + PACKED(0)", "vertices"),
    "decay along a path": ("exp(-rate.re", "exp(rate.re"),
    "step of an edge": ("rate.re * (b.path -", "rate.re * (b.path +"),
    "flatness": ("(NEAR / f.extent) *", "(1e3 / f.extent) *"),
}


@pytest.mark.parametrize("slip", list(SLIPS))
def test_a_slip_of_the_pen_is_noticed(kernels: Kernels, tmp_path: Path, slip: str) -> None:
    right, wrong = SLIPS[slip]
    assert right in with_cupy.source()
    changed = gpu_kernel.compiled(tmp_path, "float64", lambda source: source.replace(right, wrong, 1))
    broken = gpu_kernel.face_sums_of(changed, "float64")
    body = named("cube")
    radii, orientations = np.array([60.0, 80.0]), as_quaternions([[1.0, 0, 0, 0], [0.9, 0.25, -0.1, 0.33]])
    for optics in (Optics(absorption="refractive"), Optics(absorption="none")):
        expected = amplitudes(body, radii, orientations, optics, with_numpy.face_sums, with_numpy.face_sums)
        found = amplitudes(body, radii, orientations, optics, broken, broken)
        if not difference(found, expected) < TOLERANCE["float64"]:
            return
    pytest.fail(f"{slip}: no difference seen")


def test_the_three_back_ends_have_the_same_signature_and_cupy_is_not_needed_to_see_it() -> None:
    def parameters(function: Any) -> list[tuple[str, Any, Any]]:
        return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]

    for module in (with_numba, with_cupy):
        for name in ("face_sums_single", "face_sums_double"):
            assert parameters(getattr(module, name)) == parameters(with_numpy.face_sums)


@each_precision
def test_nvidias_compiler_takes_the_source_for_an_h200_as_it_is(dtype: str) -> None:
    text = gpu_kernel.ptx(with_cupy.source(), with_cupy.definitions(dtype))
    for name in with_cupy.KERNELS:
        assert f".entry {name}(" in text
    # what the pixel sum is not to have in single precision: double arithmetic, and the slow path of a sine
    body = text.split(".entry face_sums(")[1].split(".entry ")[0]
    assert ("fma.rn.f64" in body) == (dtype == "float64")
    assert ".local" not in body
