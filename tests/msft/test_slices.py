"""The papers' discretisation: what it converges to, and what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.bodies import Sphere, named
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation
from msft.rotation import as_quaternions
from msft.solvers import slices
from msft.solvers.slices import SliceGrid

FloatArray = NDArray[np.float64]

K = Optics().wavenumber
GENERIC = as_quaternions([0.9, 0.25, -0.1, 0.33])
WIDTH = 70.0
DETECTOR = EwaldDetector(pixels=24, q_step=2 * math.pi / (2 * WIDTH))


def scale_to(found: Any, expected: Any) -> complex:
    """The best complex factor on `found`."""
    return complex(np.vdot(found, expected) / np.vdot(found, found))


@pytest.mark.parametrize(("case", "tolerance"), [(2, 5e-3), (4, 7e-3)])
def test_golden_patterns(
    golden: list[tuple[Particles, Optics, FloatArray]], case: int, tolerance: float
) -> None:
    particle, optics, expected = golden[case]
    found = np.abs(Simulation(optics, solver="slices").amplitude(particle)[0])
    axis = EwaldDetector().axis
    inner = np.hypot(axis[:, None], axis) < 0.97 * K
    scale = scale_to(found[inner], expected[inner]).real
    # the path includes the slice itself: e^{s * voxel / 2} of amplitude; measured 1.0695 and 1.0339
    assert scale == pytest.approx(math.exp(optics.attenuation.real * 318.75 / 192 / 2), abs=5e-3)
    norm = np.linalg.norm(expected[inner])
    # measured 3.7e-3 and 5.5e-3
    assert np.linalg.norm((scale * found - expected)[inner]) < tolerance * norm
    for mirrored in (np.roll(found[::-1], 1, 0), np.roll(found[:, ::-1], 1, 1), found.T):
        assert np.linalg.norm((scale * mirrored - expected)[inner]) > 5 * tolerance * norm
    assert (found[expected == 0] == 0).all()


@pytest.mark.parametrize("optics", [Optics(absorption="none"), Optics()], ids=["none", "amplitude"])
def test_more_voxels_come_closer_to_the_exact_solver(optics: Optics) -> None:
    exact = Simulation(optics, DETECTOR, precision="double").amplitude(Particles(30.0, GENERIC))[0]
    errors, scales = [], []
    for voxels in (24, 48, 96):
        grid = SliceGrid(voxels, WIDTH)
        found = slices.amplitude(named("icosahedron"), 30.0, GENERIC, optics, DETECTOR, grid)
        scales.append(scale_to(found, exact))
        errors.append(np.linalg.norm(scales[-1] * found - exact) / np.linalg.norm(exact))
    # measured 3e-2, 1e-2, 3e-3
    assert errors[2] < errors[1] / 1.5 < errors[0] / 2.25
    assert errors[2] < 8e-3
    if optics.attenuation:
        # half a voxel of absorption, of which half is left each time
        excess = np.abs(scales) - 1
        assert excess[2] < 0.65 * excess[1] < 0.65**2 * excess[0]
    else:
        assert scales[2] == pytest.approx(1, abs=5e-3)


def test_a_sphere_without_absorption_is_rayleighs() -> None:
    v = DETECTOR.scattering_vectors(K)
    u = 30 * np.sqrt(v.x**2 + v.y**2 + v.z**2)
    u[u == 0] = 1e-3
    expected = 4 * math.pi * 30**3 * (np.sin(u) - u * np.cos(u)) / u**3
    grid = SliceGrid(96, WIDTH)
    found = slices.amplitude(Sphere(), 30.0, GENERIC, Optics(absorption="none"), DETECTOR, grid)
    assert np.linalg.norm(found.ravel()[v.pixel] - expected) < 5e-3 * np.linalg.norm(expected)


def test_forward_without_absorption_counts_the_voxels_inside() -> None:
    grid = SliceGrid(32, WIDTH)
    centres = grid.voxel * (np.arange(32) - 15.5)
    z, y, x = np.meshgrid(centres, centres, centres, indexing="ij")
    count = (x**2 + y**2 + z**2 <= 30**2).sum()
    found = slices.amplitude(Sphere(), 30.0, GENERIC, Optics(absorption="none"), DETECTOR, grid)
    assert found[12, 12] == pytest.approx(count * grid.voxel**3, rel=1e-12)


def test_the_path_includes_the_slice_itself() -> None:
    # one voxel thick needles absorb e^{-s step} already: forward, by hand, for every column
    grid = SliceGrid(16, WIDTH)
    centres = grid.voxel * (np.arange(16) - 7.5)
    y, x = np.meshgrid(centres, centres, indexing="ij")
    s = Optics().attenuation.real
    expected = 0.0
    for column in (x**2 + y**2).ravel():
        depth = int((centres**2 + column <= 30**2).sum())
        expected += sum(math.exp(-s * grid.voxel * (n + 1)) for n in range(depth)) * grid.voxel**3
    found = slices.amplitude(Sphere(), 30.0, GENERIC, Optics(), DETECTOR, grid)
    assert found[12, 12] == pytest.approx(expected, rel=1e-12)


def test_the_papers_box_gives_the_papers_detector() -> None:
    assert SliceGrid().padding(EwaldDetector()) == 512
    SliceGrid().check_fits(160.0)
    assert SliceGrid().voxel == 318.75 / 192


@pytest.mark.parametrize(
    ("field", "value"), [("voxels", 4), ("voxels", 10**5), ("width", 0.0), ("width", math.nan)]
)
def test_impossible_boxes_are_refused(field: str, value: Any) -> None:
    with pytest.raises(ParameterError) as caught:
        SliceGrid(**{field: value})
    assert caught.value.field == field


def test_a_particle_that_leaves_the_box_is_refused() -> None:
    with pytest.raises(ParameterError) as caught:
        Simulation(solver="slices").check(Particles(162.0, [1, 0, 0, 0]))
    assert caught.value.field == "radius"


@pytest.mark.parametrize("detector", [EwaldDetector(q_step=0.0071), EwaldDetector(pixels=1024)])
def test_a_detector_that_the_box_cannot_give_is_refused(detector: EwaldDetector) -> None:
    with pytest.raises(ParameterError) as caught:
        Simulation(detector=detector, solver="slices").check(Particles(50.0, [1, 0, 0, 0]))
    assert caught.value.field == "q_step"
