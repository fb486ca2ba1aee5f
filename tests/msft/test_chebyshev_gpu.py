"""The Chebyshev solver's kernels for a GPU: on the CPU, by NVIDIA's compiler, and on a GPU."""

from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from msft.backends import chebyshev_cupy, chebyshev_numba, chebyshev_numpy, with_cupy
from msft.backends.choice import engine
from msft.backends.column_batch import extents
from msft.backends.pinned import ALIGNMENT
from msft.bodies import Body, ChordedBody, Voxels, named
from msft.detector import EwaldDetector, FlatDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import ParticleDistribution, Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions, rotation_matrix
from msft.shots import Recipe
from msft.solvers import on_device, portions
from msft.solvers.projection import project
from msft.solvers.quadrature import ManyColumns, Rates, columns_of_many
from msft.solvers.series import Series, series

from . import gpu_kernel
from .gpu_kernel import ArraysOnTheHost

SMALL = EwaldDetector(pixels=20, q_step=0.045)
TURNS = as_quaternions([[1.0, 0, 0, 0], [0.9, 0.25, -0.1, 0.33], [0.7, 0.1, 0.7, -0.05], [1, 1, 0, 0]])
RADII = np.array([45.0, 5.0, 70.0, 30.0])
MODELS = [
    Optics(),
    Optics(absorption="none"),
    Optics(absorption="refractive"),
    Optics(absorption="refractive", beta=0.0),
    Optics(absorption_length=3.0),
]
BODIES = ["icosahedron", "ellipsoid", "twins(1.5)", "layered(0.5,2,0.2)", "dumbbell(1.5,0.9)", "nothing"]
TOLERANCE = {False: 2e-6, True: 1e-9}
"""Of single and double precision against NumPy, which closes the moments' equations at higher orders."""

each_model = pytest.mark.parametrize(
    "optics", MODELS, ids=lambda optics: f"{optics.absorption} {optics.beta:g} {optics.absorption_length:g}"
)
on_a_gpu = pytest.mark.skipif(bool(with_cupy.missing()), reason=f"NO GPU: {with_cupy.missing()}")

Compiled = dict[tuple[str, int], list[with_cupy.Launch]]


def kernels_of(folder: Path, dtype: str, parts: int, change: Any = lambda source: source) -> Any:
    given = chebyshev_cupy.source(), chebyshev_cupy.KERNELS, chebyshev_cupy.definitions(dtype, parts)
    return gpu_kernel.compiled_source(folder / f"chebyshev_{dtype}_{parts}.cpp", *given, change)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    gpu_kernel.require_compiler()
    folder = tmp_path_factory.mktemp("kernels")
    return {(real, n): kernels_of(folder, real, n) for real in ("float32", "float64") for n in (1, 2)}


@pytest.fixture
def stand_in(compiled: Compiled, monkeypatch: pytest.MonkeyPatch) -> ArraysOnTheHost:
    """The kernels on the CPU and NumPy's arrays instead of a GPU's: all else is what runs there."""
    module = ArraysOnTheHost()
    monkeypatch.setitem(sys.modules, "cupy", module)
    monkeypatch.setattr(chebyshev_cupy, "_compiled", lambda dtype, parts: compiled[dtype, parts])
    return module


def columns_of(
    body: Body, optics: Optics, detector: EwaldDetector, accuracy: float = 1e-3, radii: Any = RADII
) -> tuple[ManyColumns, Series]:
    """Of particles with some radii and `TURNS`; the series leaves nothing out, whatever the accuracy."""
    assert isinstance(body, ChordedBody)
    shared = series(body.densities, optics, detector, float(radii.max()), 1e-13)
    rates = Rates(shared.largest_q, shared.largest_q_z, abs(optics.attenuation) * max(body.densities))
    turns = rotation_matrix(TURNS[: len(radii)])
    return columns_of_many([body] * len(radii), radii, turns, rates, accuracy), shared


def worst(found: Any, expected: Any) -> float:
    """Largest relative L2 difference of the patterns; of dark ones, the norm."""
    norms = np.linalg.norm(expected, axis=(1, 2))
    return float((np.linalg.norm(found - expected, axis=(1, 2)) / np.where(norms > 0, norms, 1)).max())


@each_model
@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize(
    "detector",
    [EwaldDetector(33, 0.03), EwaldDetector(2, 0.2)],
    ids=["33 pixels", "2 pixels"],
)
def test_it_computes_what_numpy_does(
    stand_in: ArraysOnTheHost, name: str, optics: Optics, detector: EwaldDetector
) -> None:
    made, shared = columns_of(named(name), optics, detector)
    expected = np.array([chebyshev_numpy.amplitude(one, shared) for one in made])
    for double, tolerance in TOLERANCE.items():
        found = chebyshev_cupy.amplitudes(made, shared, double)
        assert found.dtype == (np.complex128 if double else np.complex64)
        assert found.shape == expected.shape
        assert worst(found, expected) < tolerance
        alone = chebyshev_cupy.amplitude(made[2], shared, double)
        np.testing.assert_allclose(alone, found[2], rtol=0, atol=1e-12 * abs(found[2]).max())
    twin = np.array([chebyshev_numba.amplitude(one, shared, True) for one in made])
    assert worst(found, twin) < 1e-12


@each_model
def test_voxels_are_those_of_numpy(stand_in: ArraysOnTheHost, optics: Optics) -> None:
    density = np.random.default_rng(1).uniform(0, 1, (12, 10, 14))
    body, detector = Voxels.from_density("noise", density), EwaldDetector(24, 0.02)
    shared = series((1.0,), optics, detector, float(RADII.max()), 1e-13)
    made = [
        project(body, float(radius), rotation_matrix(turn), shared)
        for radius, turn in zip(RADII, TURNS, strict=True)
    ]
    expected = np.array([chebyshev_numpy.amplitude_of_voxels(one, shared) for one in made])
    for double, tolerance in TOLERANCE.items():
        assert worst(chebyshev_cupy.amplitudes(made, shared, double), expected) < tolerance
    one = chebyshev_cupy.amplitude_of_voxels(made[1], shared, True)
    assert worst(one[None], expected[1:2]) < TOLERANCE[True]


SLIPS: dict[str, tuple[str, str]] = {
    "elimination": ("factors[n].multiplier * sum", "factors[n].inverse * sum"),
    "ends": ("double below = 0,", "double below = 0.5,"),
    "orders": ("if (n < orders)", "if (n < orders / 2)"),
    "path before": ("path += density * length;", "path += length;"),
    "darkness": ("length = rest < length ? rest : length;", "length = rest;"),
    "area": ("within.half * area[p]", "area[p]"),
    "second chord": ("densities[i * chords + c]", "densities[i * chords]"),
    "row": ("own.row) + first + r) * lit", "own.row) + r) * lit"),
    "last rows": ("r < TOGETHER && first + r < own.rows", "r < TOGETHER"),
    "sine": ("sines[f].of[n] += wave.sine", "sines[f].of[n] += wave.cosine"),
    "particle": ("particles[particle_of_row[j]].orders", "particles[0].orders"),
    "order 0": ("own[0].of[0] = real(scale * now);", "own[0].of[0] = real(2 * scale * now);"),
    "imaginary part": ("c.of[1] * b.of[1] - c.of[3]", "c.of[1] * b.of[1] + c.of[3]"),
    "depth": ("q_z * depths[i].middle", "q_z * depths[0].middle"),
    "quadrants": ("im = a.im - sign_x", "im = a.im + sign_x"),
}


@pytest.fixture(scope="module")
def example() -> tuple[ManyColumns, Series, Any]:
    """Particles on which a slip shows, with what NumPy makes of them."""
    body, optics = named("layered(0.5,2,0.2)"), Optics(absorption="refractive", beta=2.0)
    made, shared = columns_of(body, optics, SMALL, 1e-2, np.array([5.0, 15.0, 40.0]))
    return made, shared, np.array([chebyshev_numpy.amplitude(one, shared) for one in made])


@pytest.mark.parametrize("slip", [None, *SLIPS])
def test_a_slip_of_the_pen_is_noticed(
    stand_in: ArraysOnTheHost, tmp_path: Path, slip: Any, example: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, shared, expected = example
    right, wrong = SLIPS.get(slip, ("", ""))
    assert right in chebyshev_cupy.source()
    changed = kernels_of(tmp_path, "float64", 2, lambda source: source.replace(right, wrong, 1))
    monkeypatch.setattr(chebyshev_cupy, "_compiled", lambda dtype, parts: changed)
    same = worst(chebyshev_cupy.amplitudes(made, shared, True), expected) < TOLERANCE[True]
    assert same == (slip is None)


class CountedArrays:
    """NumPy, and the bytes of its new arrays, which hold no numbers."""

    def __init__(self) -> None:
        self.taken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    def empty(self, shape: Any, dtype: Any) -> Any:
        array = np.full(shape, 255, dtype)
        self.taken += array.nbytes
        return array


def test_a_batch_takes_the_memory_that_it_is_given(
    stand_in: ArraysOnTheHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, shared = columns_of(named("icosahedron"), MODELS[2], SMALL)
    expected = chebyshev_cupy.amplitudes(made, shared, False)
    taken: list[int] = []
    launched = chebyshev_cupy.launch

    def launch(kernels: Any, xp: Any, *given: Any) -> None:
        counted = CountedArrays()
        launched(kernels, counted, *given)
        taken.append(counted.taken)

    monkeypatch.setattr(chebyshev_cupy, "launch", launch)
    of_all, each = extents(made, shared), [slice(i, i + 1) for i in range(len(made))]
    alone = [chebyshev_cupy.workspace_bytes(of_all.part(one), len(shared.axis), 2, 4) for one in each]
    for most, launches in ((10**9, 1), (max(alone), 3), (1, 4)):
        monkeypatch.setattr(chebyshev_cupy, "BATCH_BYTES", most)
        taken.clear()
        found = chebyshev_cupy.amplitudes(made, shared, False)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * abs(expected).max())
        assert len(taken) == launches
        assert max(taken) <= max(most, *(2 * bytes for bytes in alone))
    assert all(
        needed < bytes < 2 * needed + 10 * ALIGNMENT for needed, bytes in zip(alone, taken, strict=True)
    )


@each_model
def test_patterns_of_the_package_are_those_of_the_cpu(stand_in: ArraysOnTheHost, optics: Optics) -> None:
    # with one chord and with three
    names = ["capsule", "nothing", "ellipsoid", "cube", "layered(0.5,2,0.2)", "cube", "dumbbell"]
    turns = as_quaternions(np.random.default_rng(7).standard_normal((7, 4)))
    particles = Particles(np.linspace(20, 60, 7), turns, names, [1, 1, 1, 0.8, 1, 1, 1])
    reference = Simulation(optics, SMALL, "chebyshev", accuracy=1e-2)
    intensity, amplitude = reference.intensity(particles), reference.amplitude(particles)
    simulation = Simulation(optics, SMALL, "chebyshev", "cupy", accuracy=1e-2)
    found = simulation.intensity(particles)
    assert found.dtype == np.float32
    brought = stand_in.brought
    np.testing.assert_array_equal(simulation.intensity_on_device(particles), found)
    assert stand_in.brought == brought, "a pattern went to the host"
    assert (abs(found - intensity) <= 1e-5 * intensity.max(axis=(1, 2), keepdims=True)).all()
    assert worst(simulation.amplitude(particles), amplitude) < 5e-6
    vectors = simulation.scattering_vectors()
    at = simulation.intensity_at(particles, vectors)
    np.testing.assert_array_equal(at, found.reshape(7, -1)[:, vectors.pixel])


def test_flat_detectors_and_voxels_are_served(stand_in: ArraysOnTheHost) -> None:
    density = np.random.default_rng(1).uniform(0, 1, (8, 8, 8))
    flat = FlatDetector(pixels=20, pixel_size=4.0, polarisation="x")
    for detector in (flat, SMALL, EwaldDetector(20, 0.04, "y")):
        one, other = (Simulation(Optics(), detector, "chebyshev", name) for name in ("cupy", "auto"))
        voxels = Voxels.from_density("noise", density), RADII[:2], TURNS[:2]
        np.testing.assert_allclose(
            one.amplitude_of(*voxels), other.amplitude_of(*voxels), rtol=1e-4, atol=0.1
        )
        particles = Particles(RADII, TURNS, "ellipsoid")
        found, expected = one.intensity_on_device(particles), other.intensity(particles)
        assert abs(found - expected).max() < 1e-5 * expected.max()
    side_by_side = Particles(RADII, TURNS, "twins(2.5)")
    found, expected = (s.intensity(side_by_side) for s in (one, other))
    assert abs(found - expected).max() < 1e-5 * expected.max()


def test_short_memory_gives_the_same_patterns(
    stand_in: ArraysOnTheHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    simulation = Simulation(detector=SMALL, solver="chebyshev", backend="cupy")
    particles = ParticleDistribution().draw(3, range(8))
    expected, amplitude = simulation.intensity(particles), simulation.amplitude(particles)
    sizes: list[int] = []
    launched = chebyshev_cupy.launch

    def launch(kernels: Any, xp: Any, load: chebyshev_cupy.Load, *images: Any) -> None:
        sizes.append(load.particles)
        if load.particles > 3:
            raise MemoryError  # as cupy.cuda.memory.OutOfMemoryError
        launched(kernels, xp, load, *images)

    monkeypatch.setattr(chebyshev_cupy, "launch", launch)
    monkeypatch.setattr(chebyshev_cupy, "threads", lambda: 1)
    np.testing.assert_allclose(
        simulation.intensity(particles), expected, rtol=1e-5, atol=1e-6 * expected.max()
    )
    assert sizes[:4] == [8, 4, 2, 2]
    np.testing.assert_allclose(
        simulation.amplitude(particles), amplitude, rtol=0, atol=1e-6 * abs(amplitude).max()
    )


def test_columns_are_made_while_the_kernels_run_and_keep_their_places(
    stand_in: ArraysOnTheHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    particles = ParticleDistribution(body={"ellipsoid": 0.5, "cube": 0.5}).draw(5, range(11))
    simulation = Simulation(detector=SMALL, solver="chebyshev", backend="cupy")
    expected = simulation.intensity(particles)
    monkeypatch.setattr(on_device, "TOGETHER", 2)
    found = simulation.intensity(particles)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * expected.max())


def test_what_a_particle_is_refused_for_is_said(stand_in: ArraysOnTheHost) -> None:
    simulation = Simulation(Optics(absorption="none"), solver="chebyshev", backend="cupy", accuracy=1e-6)
    with pytest.raises(ParameterError, match="radii of at most 8801 nm"):
        simulation.intensity(Particles(1e4, [1.0, 0, 0, 0], "ellipsoid"))


def test_shots_stay_on_the_gpu(stand_in: ArraysOnTheHost) -> None:
    recipe = Recipe(2, simulation=Simulation(detector=SMALL, solver="chebyshev", backend="cupy"))
    shots = recipe.shots(range(3))
    found = shots.intensity_on_device()
    assert stand_in.brought == 0
    np.testing.assert_array_equal(found, shots.intensity())
    assert stand_in.brought == 1


def test_back_ends_have_the_same_signatures() -> None:
    for name in ("amplitude", "amplitude_of_voxels"):
        one, other = (inspect.signature(getattr(m, name)) for m in (chebyshev_numba, chebyshev_cupy))
        assert one.parameters.keys() == other.parameters.keys()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("parts", [1, 2])
def test_nvidias_compiler_takes_the_source_for_an_h200_as_it_is(dtype: str, parts: int) -> None:
    text = gpu_kernel.ptx(chebyshev_cupy.source(), chebyshev_cupy.definitions(dtype, parts))
    for name in chebyshev_cupy.KERNELS:
        assert f".entry {name}(" in text
    # the sums over columns and orders are in the wanted precision, and read four numbers at a time
    body = text.split(".entry along_rows(")[1].split(".entry ")[0]
    assert ("fma.rn.f64" in body) == (dtype == "float64")
    assert ("ld.global.nc.v4.f32" in body or "ld.global.v4.f32" in body) == (dtype == "float32")
    assert ".local" not in body


# On a GPU


@pytest.mark.gpu
@on_a_gpu
@each_model
@pytest.mark.parametrize("name", BODIES)
def test_a_gpu_computes_what_numpy_does(name: str, optics: Optics) -> None:
    made, shared = columns_of(named(name), optics, EwaldDetector(24, 0.035))
    expected = np.array([chebyshev_numpy.amplitude(one, shared) for one in made])
    for double, tolerance in TOLERANCE.items():
        found = chebyshev_cupy.amplitudes(made, shared, double)
        assert worst(with_cupy.arrays()[1](found), expected) < tolerance


@pytest.mark.gpu
@on_a_gpu
def test_torch_takes_the_patterns_of_a_gpu_without_a_copy() -> None:
    import torch
    from torch.utils.dlpack import from_dlpack

    simulation = Simulation(detector=SMALL, solver="chebyshev", backend="cupy")
    particles = ParticleDistribution(body="ellipsoid").draw(3, range(8))
    patterns = simulation.intensity_on_device(particles)
    tensor = from_dlpack(patterns)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.device.type == "cuda"
    assert tensor.data_ptr() == patterns.data.ptr
    np.testing.assert_array_equal(tensor.cpu().numpy(), simulation.intensity(particles))


@pytest.mark.gpu
@on_a_gpu
def test_the_memory_of_a_gpu_is_bounded() -> None:
    pool = engine("cupy", "single").xp.get_default_memory_pool()
    simulation = Simulation(solver="chebyshev", backend="cupy")

    def most(count: int) -> int:
        pool.free_all_blocks()
        simulation.intensity(ParticleDistribution(body="ellipsoid").draw(0, range(count)))  # to the host
        return int(pool.total_bytes())

    bound = most(2 * portions.PATTERNS)
    # blocks of several sizes are kept side by side
    assert most(8 * portions.PATTERNS) < 1.5 * bound
    assert bound < 6 * chebyshev_cupy.BATCH_BYTES


@pytest.mark.gpu
@on_a_gpu
def test_a_gpu_with_little_memory_gives_the_same_patterns() -> None:
    pool = engine("cupy", "single").xp.get_default_memory_pool()
    simulation = Simulation(solver="chebyshev", backend="cupy")
    particles = ParticleDistribution(body="ellipsoid").draw(0, range(64))
    expected = simulation.intensity(particles)
    pool.free_all_blocks()
    pool.set_limit(size=pool.used_bytes() + 2**27)
    try:
        found = simulation.intensity(particles)
    finally:
        pool.set_limit(size=0)
        pool.free_all_blocks()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * expected.max())
