"""The split step is written once for every array namespace: it runs on arrays that the host cannot read."""

from __future__ import annotations

import importlib
import inspect
from functools import reduce
from typing import Any

import numpy as np
import pytest

from msft.backends.arrays import NUMPY, arrays_of
from msft.bodies import Voxels, named
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions
from msft.solvers import propagation
from tests.msft.device_arrays import Device

SILVER = Optics(absorption="refractive")
DETECTOR = EwaldDetector(pixels=32, q_step=SILVER.wavenumber / 16.5)
RADII = np.array([30.0, 90.0, 55.0, 30.0])
ORIENTATIONS = as_quaternions(
    [[0.9, 0.25, -0.1, 0.33], [1, 0, 0, 0], [0.5, 0.5, 0.5, 0.5], [0.1, 0.9, 0.2, 0]]
)


def gpu_missing() -> str | None:
    """Why there is none, if so."""
    try:
        arrays_of("cupy")
    except ParameterError as error:
        return str(error)
    return None


def body(name: str) -> Any:
    if name != "voxels":
        return named(name)
    density = np.zeros((12, 12, 12))
    density[2:9, 1:10, 4:] = np.linspace(0.5, 1, 8)
    return Voxels.from_density("voxels", density)


def simulate(name: str, device: Device | None, accuracy: float = 0.03, dtype: str = "complex64") -> Any:
    arrays = NUMPY if device is None else device.arrays
    particles = body(name), RADII, ORIENTATIONS
    return propagation.amplitudes(*particles, SILVER, DETECTOR, accuracy, arrays, dtype)


@pytest.mark.parametrize("name", ["icosahedron", "sphere", "dumbbell", "voxels"])
def test_particles_together_on_a_device_are_as_alone_on_the_host(name: str) -> None:
    alone, together = simulate(name, None), simulate(name, Device())
    assert together.dtype == np.complex64
    assert np.linalg.norm(together - alone) < 1e-5 * np.linalg.norm(alone)


def test_only_pixels_come_back_once_a_batch() -> None:
    device = Device()
    simulate("icosahedron", device)
    # grids differ by the box alone, which is that of the pixels or twice as wide
    assert sum(shape[0] for shape in device.downloads) == len(RADII)
    assert len(device.downloads) <= 2
    pixels = DETECTOR.scattering_vectors(SILVER.wavenumber).x.size
    assert {shape[1] for shape in device.downloads} == {pixels}


def test_nothing_is_carried_to_the_device_slice_by_slice() -> None:
    coarse, fine = Device(), Device()
    simulate("icosahedron", coarse, accuracy=0.1)
    simulate("icosahedron", fine, accuracy=0.01)
    assert len(fine.calls) > 1.3 * len(coarse.calls), "more slices"
    per_batch = [len(device.uploads) / len(device.downloads) for device in (coarse, fine)]
    assert per_batch[0] == per_batch[1] < 12


def test_a_batch_takes_no_more_memory_than_it_may() -> None:
    device = Device(batch_bytes=1)
    simulate("cube", device)
    assert [shape[0] for shape in device.downloads] == [1] * len(RADII)


def test_cupy_has_every_function_with_the_arguments_it_is_given() -> None:
    pytest.importorskip("cupy", reason="CuPy, which can be imported without a GPU, is not there")
    device = Device()
    for name in ("icosahedron", "voxels"):
        simulate(name, device)
    importlib.import_module("cupyx.scipy.fft")
    checked = 0
    for path, positional, keywords in set(device.calls):
        package, *attributes = path.split(".")
        function: Any = reduce(getattr, attributes, importlib.import_module(package))
        try:
            signature = inspect.signature(function)
        except ValueError:
            assert path.removeprefix("cupy.") in {"abs", "cos", "sin", "expm1"}, "a ufunc"
            continue
        signature.bind(*[None] * positional, **dict.fromkeys(keywords))
        checked += 1
    assert checked >= 4


def test_the_stand_in_refuses_what_a_device_would() -> None:
    xp = Device().arrays.xp
    array = xp.asarray(np.ones(3))
    for forbidden in (
        lambda: np.asarray(array),
        lambda: np.cos(array),
        lambda: array + np.ones(3),
        lambda: np.ones(3) * array,
        lambda: xp.cos(np.ones(3)),
        lambda: array[np.array([0, 1])],
        lambda: float(array.sum()) if array[0] > 0 else 0,
    ):
        with pytest.raises(TypeError):
            forbidden()


def test_a_missing_gpu_is_said_before_the_work() -> None:
    if gpu_missing() is None:
        pytest.skip("there is a GPU")
    with pytest.raises(ParameterError, match="backend") as caught:
        Simulation(SILVER, DETECTOR, "propagation", backend="cupy").check(Particles(30.0, [1, 0, 0, 0]))
    assert "numpy" in str(caught.value)


@pytest.mark.gpu
@pytest.mark.skipif(gpu_missing() is not None, reason=f"NO GPU HERE: {gpu_missing()}")
@pytest.mark.parametrize("name", ["icosahedron", "sphere", "dumbbell", "voxels"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("complex64", 1e-5), ("complex128", 1e-12)])
def test_the_gpu_computes_what_the_host_does(name: str, dtype: str, tolerance: float) -> None:
    particles = body(name), RADII, ORIENTATIONS
    expected = simulate(name, None, dtype=dtype)
    found = propagation.amplitudes(*particles, SILVER, DETECTOR, 0.03, arrays_of("cupy"), dtype)
    assert np.linalg.norm(found - expected) < tolerance * np.linalg.norm(expected)
