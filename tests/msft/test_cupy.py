"""The back end ``cupy``: on a GPU; and what of it can be seen without one."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from msft.backends import with_cupy
from msft.backends.choice import engine
from msft.bodies import named
from msft.detector import EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.shots import Recipe
from msft.solvers import portions
from msft.uncertainty import Uncertainty

from . import gpu_kernel
from .gpu_kernel import ArraysOnTheHost

SMALL = EwaldDetector(pixels=20, q_step=0.045)
PARTICLES = ParticleDistribution().draw(3, range(8))
OPTICS = [Optics(), Optics(absorption="none"), Optics(absorption="refractive")]
each_optics = pytest.mark.parametrize("optics", OPTICS, ids=lambda optics: optics.absorption)

on_a_gpu = pytest.mark.skipif(bool(with_cupy.missing()), reason=f"NO GPU: {with_cupy.missing()}")


@pytest.fixture(scope="module")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[with_cupy.Launch]]:
    gpu_kernel.require_compiler()
    folder = tmp_path_factory.mktemp("kernels")
    return {dtype: gpu_kernel.compiled(folder, dtype) for dtype in ("float32", "float64")}


@pytest.fixture
def stand_in(kernels: dict[str, list[with_cupy.Launch]], monkeypatch: pytest.MonkeyPatch) -> ArraysOnTheHost:
    """The kernels on the CPU and NumPy's arrays instead of a GPU's: all else is what runs there."""
    module = ArraysOnTheHost()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(with_cupy, "_compiled", kernels.__getitem__)
    return module


@each_optics
@pytest.mark.parametrize(
    "detector", [SMALL, FlatDetector(pixels=20, pixel_size=4.0, polarisation="x")], ids=["ewald", "flat"]
)
def test_patterns_are_those_of_numpy(stand_in: ArraysOnTheHost, optics: Optics, detector: Any) -> None:
    reference = Simulation(optics, detector, backend="numpy")
    intensity = reference.intensity(PARTICLES)
    for precision, tolerance in (("single", 1e-5), ("double", 1e-6)):  # intensities are in single
        chosen: Any = precision
        simulation = Simulation(optics, detector, backend="cupy", precision=chosen)
        found = simulation.intensity(PARTICLES)
        assert found.dtype == np.float32
        assert abs(found - intensity).max() < tolerance * intensity.max()
        there = stand_in.brought
        np.testing.assert_array_equal(simulation.intensity_on_device(PARTICLES), found)
        assert stand_in.brought == there, "a pattern went to the host"
        vectors = simulation.scattering_vectors()
        at = simulation.intensity_at(PARTICLES, vectors)
        np.testing.assert_array_equal(at, found.reshape(8, -1)[:, vectors.pixel])
    amplitude = Simulation(optics, detector, backend="cupy", precision="double").amplitude(PARTICLES)
    expected = reference.amplitude(PARTICLES)
    assert abs(amplitude - expected).max() < 1e-10 * abs(expected).max()


def test_bodies_of_several_kinds_keep_their_places(stand_in: ArraysOnTheHost) -> None:
    names = ["cube", "icosahedron", "cube", "tetrahedron", "icosahedron"]
    particles = Particles(np.linspace(30, 90, 5), PARTICLES.orientation[:5], names)
    found = Simulation(detector=SMALL, backend="cupy").intensity_on_device(particles)
    expected = Simulation(detector=SMALL, backend="numpy").intensity(particles)
    assert abs(found - expected).max() < 1e-5 * expected.max()


def test_short_memory_gives_the_same_patterns(
    stand_in: ArraysOnTheHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(detector=SMALL, backend="cupy")
    expected, amplitude = simulation.intensity(PARTICLES), simulation.amplitude(PARTICLES)
    sizes: list[int] = []
    empty = np.empty

    def allocate(shape: Any, dtype: Any = float) -> Any:
        if isinstance(shape, tuple) and len(shape) == 3 and dtype == np.complex64:
            sizes.append(shape[0])
            if shape[0] > 3:
                raise MemoryError  # as cupy.cuda.memory.OutOfMemoryError
        return empty(shape, dtype=dtype)

    monkeypatch.setitem(stand_in.__dict__, "empty", allocate)
    np.testing.assert_array_equal(simulation.intensity(PARTICLES), expected)
    assert sizes == [8, 4, 2, 2, 2, 2]
    np.testing.assert_array_equal(simulation.amplitude(PARTICLES), amplitude)


def test_shots_of_a_recipe_stay_where_they_are_unless_their_optics_differ(stand_in: ArraysOnTheHost) -> None:
    recipe = Recipe(2, simulation=Simulation(detector=SMALL, backend="cupy"))
    shots = recipe.shots(range(3))
    on_device = shots.intensity_on_device()
    assert stand_in.brought == 0
    np.testing.assert_array_equal(on_device, shots.intensity())
    assert stand_in.brought == 1
    varied = replace(recipe, uncertainty=Uncertainty(wavelength=0.1)).shots(range(3))
    stand_in.brought = 0
    np.testing.assert_array_equal(varied.intensity_on_device(), varied.intensity())
    assert stand_in.brought == 6


@pytest.mark.parametrize("solver", ["slices", "propagation"])
def test_other_solvers_leave_no_patterns_on_the_gpu(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(detector=SMALL, solver=solver)
    object.__setattr__(simulation, "backend", "cupy")  # whether it has one or not
    monkeypatch.setattr(Simulation, "intensity", lambda self, particles: self.solver)
    assert simulation.intensity_on_device(PARTICLES) == solver


@pytest.mark.parametrize("solver", ["exact", "chebyshev"])
def test_a_gpu_asked_for_where_there_is_none_is_refused(solver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    simulation = Simulation(
        detector=SMALL, solver=solver, backend="cupy"
    )  # what a file says can be read anywhere
    module = ArraysOnTheHost()
    monkeypatch.setattr(module, "is_available", lambda: False)
    for installed, lacking in ((None, "CuPy is not installed"), (module, "CuPy finds no NVIDIA GPU")):
        monkeypatch.setitem(sys.modules, "cupy", installed)
        for call in (simulation.check, simulation.intensity, simulation.intensity_on_device):
            with pytest.raises(ParameterError, match=lacking) as caught:
                call(PARTICLES)
            assert caught.value.field == "backend"
            assert "numba" in caught.value.allowed
        with pytest.raises(ParameterError, match=lacking):
            engine("cupy", "single")
        Simulation(detector=SMALL).check(PARTICLES)


# On a GPU


@pytest.mark.gpu
@on_a_gpu
@each_optics
@pytest.mark.parametrize("body", ["icosahedron", "cube", "truncated octahedron"])
def test_a_gpu_computes_what_numpy_does(body: str, optics: Optics) -> None:
    particles = Particles(PARTICLES.radius, PARTICLES.orientation, body)
    upright = Particles([60.0, 90.0], [[1.0, 0, 0, 0], [1, 1, 0, 0]], body)
    for chosen in (particles, upright):
        expected = Simulation(optics, SMALL, backend="numpy").amplitude(chosen)
        peak = abs(expected).max(axis=(1, 2))
        for precision, tolerance in (("single", 1e-5), ("double", 1e-10)):
            name: Any = precision
            found = Simulation(optics, SMALL, backend="cupy", precision=name).amplitude(chosen)
            assert (abs(found - expected).max(axis=(1, 2)) / peak).max() < tolerance


@pytest.mark.gpu
@on_a_gpu
def test_torch_takes_the_patterns_of_a_gpu_without_a_copy() -> None:
    import torch
    from torch.utils.dlpack import from_dlpack

    simulation = Simulation(detector=SMALL, backend="cupy")
    patterns = simulation.intensity_on_device(PARTICLES)
    tensor = from_dlpack(patterns)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.device.type == "cuda"
    assert tensor.data_ptr() == patterns.data.ptr
    np.testing.assert_array_equal(tensor.cpu().numpy(), simulation.intensity(PARTICLES))


@pytest.mark.gpu
@on_a_gpu
def test_the_memory_of_a_gpu_is_bounded_by_the_portion() -> None:
    cupy = engine("cupy", "single").xp
    pool = cupy.get_default_memory_pool()
    simulation = Simulation(backend="cupy")

    def most(count: int) -> int:
        pool.free_all_blocks()
        simulation.intensity(ParticleDistribution().draw(0, range(count)))  # to the host
        return int(pool.total_bytes())

    bound = most(2 * portions.PATTERNS)
    # blocks of several sizes are kept side by side
    assert most(8 * portions.PATTERNS) < 1.5 * bound


@pytest.mark.gpu
@on_a_gpu
def test_a_gpu_with_little_memory_gives_the_same_patterns() -> None:
    cupy = engine("cupy", "single").xp
    pool = cupy.get_default_memory_pool()
    simulation = Simulation(backend="cupy")
    particles = ParticleDistribution().draw(0, range(portions.PATTERNS))
    expected = simulation.intensity(particles)
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 2**26)
    try:
        np.testing.assert_array_equal(simulation.intensity(particles), expected)
    finally:
        pool.set_limit(size=0)
        pool.free_all_blocks()


@pytest.mark.gpu
@on_a_gpu
def test_many_meshes_of_one_launch_are_those_of_many_launches() -> None:
    by = engine("cupy", "single")
    from msft.bodies import ConvexPolyhedron
    from msft.solvers.overlay import meshes

    body = named("icosahedron")
    assert isinstance(body, ConvexPolyhedron)
    mesh = meshes(body, PARTICLES.radius, PARTICLES.orientation)
    vectors = SMALL.scattering_vectors(Optics().wavenumber)
    together = by.to_host(by.face_sums(mesh, vectors, 0.08))
    for i, one in enumerate(together):
        alone = by.to_host(by.face_sums(mesh.only(slice(i, i + 1)), vectors, 0.08))
        np.testing.assert_array_equal(one, alone[0])
