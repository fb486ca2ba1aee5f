"""Voxels against the bodies that they stand for, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.bodies import Voxels, named
from msft.detector import PAPER_Q_STEP, EwaldDetector
from msft.errors import ParameterError
from msft.optics import Optics
from msft.pattern import Simulation
from msft.rotation import as_quaternions, rotation_matrix

FloatArray = NDArray[np.float64]

GENERIC = as_quaternions([0.9, 0.25, -0.1, 0.33])
STILL = as_quaternions([1.0, 0, 0, 0])
BOX, RADIUS = 100.0, 45.0
DETECTOR = EwaldDetector(pixels=48, q_step=0.0193)


def voxelised(name: str, count: int, finer: int = 3) -> Voxels:
    """A body as the share of each voxel that it fills."""
    n = count * finer
    axis = BOX * ((np.arange(n) + 0.5) / n - 0.5)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)
    inside = named(name).contains(points, np.eye(3), RADIUS)
    shares = inside.reshape(count, finer, count, finer, count, finer).mean(axis=(1, 3, 5))
    return Voxels.from_density(name, shares)


def error(simulation: Simulation, voxels: Voxels, name: str, orientation: FloatArray) -> float:
    def amplitude(body: Any, radius: float) -> Any:
        return simulation.amplitude_of(body, np.array([radius]), orientation[None])[0]

    found, expected = amplitude(voxels, voxels.radius_in_box(BOX)), amplitude(named(name), RADIUS)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("orientation", [STILL, GENERIC], ids=["still", "turned"])
@pytest.mark.parametrize(
    ("solver", "absorption"),
    [("chebyshev", "none"), ("chebyshev", "amplitude"), ("chebyshev", "refractive"), ("propagation", None)],
)
def test_voxels_converge_to_the_body_as_they_shrink(
    solver: Any, absorption: Any, orientation: FloatArray
) -> None:
    optics = Optics(absorption=absorption or "refractive")
    simulation = Simulation(optics, DETECTOR, solver, propagation_accuracy=0.01)
    errors = [error(simulation, voxelised("icosahedron", n), "icosahedron", orientation) for n in (16, 32)]
    errors.append(error(simulation, voxelised("icosahedron", 64, 2), "icosahedron", orientation))
    # measured at most 0.11, 0.04, 0.016
    assert errors[0] > 1.3 * errors[1] > 1.3**2 * errors[2]
    assert errors[2] < 0.02


def test_the_axes_of_the_array_are_x_y_z() -> None:
    density = np.zeros((16, 16, 16))
    density[12, 4, 9] = 1
    voxels = Voxels.from_density("dot", density)
    radius = voxels.radius_in_box(16.0)
    there = np.array([12, 4, 9]) - 7.5
    assert voxels.contains(there, np.eye(3), radius)
    turn = rotation_matrix(GENERIC)
    assert voxels.contains(turn @ there, turn, radius)
    assert not voxels.contains(there[[1, 0, 2]], np.eye(3), radius)
    # the phase of the amplitude tells the place, without absorption and at small q
    simulation = Simulation(Optics(absorption="none"), EwaldDetector(8, 0.01), "chebyshev")
    image = simulation.amplitude_of(voxels, np.array([radius]), STILL[None])[0]
    assert np.angle(image[4, 5]) == pytest.approx(-0.01 * there[0], abs=1e-3)
    assert np.angle(image[5, 4]) == pytest.approx(-0.01 * there[1], abs=1e-3)


def test_slices_read_voxels_as_they_are() -> None:
    # the papers' box: voxels of 192 in 318.75 nm meet those of the slices
    axis = np.arange(192) - 95.5
    squared = axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2
    voxels = Voxels.from_density("ball", squared <= 30**2)
    radius = voxels.radius_in_box(318.75)
    simulation = Simulation(Optics(absorption="none"), EwaldDetector(16), "slices")
    image = simulation.amplitude_of(voxels, np.array([radius]), STILL[None])[0]
    assert image[8, 8].real == pytest.approx((squared <= 30**2).sum() * (318.75 / 192) ** 3, rel=1e-4)


def test_scaled_densities_scale_the_amplitude() -> None:
    ball = voxelised("sphere", 24)
    simulation = Simulation(Optics(absorption="none"), DETECTOR, "chebyshev")
    half = Voxels.from_density("half", ball.values / 2)
    one, other = (simulation.amplitude_of(body, np.array([50.0]), GENERIC[None]) for body in (ball, half))
    np.testing.assert_allclose(other, one / 2, atol=1e-6 * np.abs(one).max())


def test_the_circumsphere_is_that_of_the_voxels_that_are_not_empty() -> None:
    density = np.zeros((10, 20, 30))
    density[3:7, 8:12, 5:25] = 2.0
    voxels = Voxels.from_density("bar", density)
    # half diagonal of a bar of 4 x 4 x 20 voxels, of which the box has 10 along x
    assert voxels.radius_in_box(10.0) == pytest.approx(np.sqrt(4 + 4 + 100))
    long = voxels.stretched(2.0)
    assert isinstance(long, Voxels)
    assert long.radius_in_box(10.0) == pytest.approx(np.sqrt(4 + 4 + 400))
    assert voxels.volume * voxels.radius_in_box(10.0) ** 3 == pytest.approx(2 * 4 * 4 * 20)


GOOD = np.ones((4, 4, 4))


def broken(value: float) -> FloatArray:
    density = GOOD.copy()
    density[1, 2, 3] = value
    return density


@pytest.mark.parametrize(
    ("density", "words"),
    [
        (broken(np.nan), "not finite"),
        (broken(np.inf), "not finite"),
        (broken(-0.1), "negative"),
        (np.ones((4, 4)), r"shape \(4, 4\)"),
        (np.ones((4, 4, 4, 1)), "three axes"),
        (np.ones((4, 4, 1)), "three axes"),
        (np.zeros((4, 4, 4)), "all 0"),
        (GOOD + 1j, "complex"),
        (np.full((4, 4, 4), "a"), "real numbers"),
    ],
    ids=["nan", "inf", "negative", "flat", "four axes", "thin", "empty", "complex", "text"],
)
def test_impossible_densities_are_refused(density: Any, words: str) -> None:
    with pytest.raises(ParameterError, match=words) as caught:
        Voxels.from_density("wrong", density)
    assert caught.value.field == "voxels"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("edge", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_impossible_edges_are_refused(axis: int, edge: float) -> None:
    edges = [1.0, 1.0, 1.0]
    edges[axis] = edge
    with pytest.raises(ParameterError) as caught:
        Voxels.from_density("cubes", np.ones((3, 3, 3)), (edges[0], edges[1], edges[2]))
    assert caught.value.field == "edges"


def test_a_place_is_named() -> None:
    with pytest.raises(ParameterError, match=r"\(1, 2, 3\)"):
        Voxels.from_density("wrong", broken(-1.0))


@pytest.mark.parametrize("box", [0.0, -1.0, np.nan, np.inf])
def test_an_impossible_box_is_refused(box: float) -> None:
    with pytest.raises(ParameterError) as caught:
        Voxels.from_density("cube", GOOD).radius_in_box(box)
    assert caught.value.field == "box"


def test_a_file_is_a_body(tmp_path: Path) -> None:
    np.save(tmp_path / "density.npy", GOOD)
    body = named(str(tmp_path / "density.npy"))
    assert isinstance(body, Voxels)
    assert body.name == str(tmp_path / "density.npy")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    np.savez(tmp_path / "many.npz", GOOD)
    (tmp_path / "many.npz").rename(tmp_path / "many.npy")
    for name in ("broken.npy", "missing.npy", "many.npy"):
        with pytest.raises(ParameterError) as caught:
            named(str(tmp_path / name))
        assert caught.value.field == "voxels"


def test_a_file_of_half_spaces_is_a_body(tmp_path: Path) -> None:
    path = tmp_path / "box.txt"
    np.savetxt(path, np.column_stack([np.vstack([np.eye(3), -np.eye(3)]), [1, 1, 3, 1, 1, 3]]))
    assert named(str(path)).volume == pytest.approx(2 * 2 * 6 / 11**1.5)
    path = tmp_path / "wrong.txt"
    for text in ("1 0 0", "a b c d", "1 0 0 1\n0 1 0 1\n", ""):
        path.write_text(text)
        with pytest.raises(ParameterError) as caught:
            named(str(path))
        assert caught.value.field == "half_spaces"


@pytest.mark.parametrize("count", [11, 33])
def test_the_grid_may_end_outside_the_circumsphere(count: int) -> None:
    # k R just below 64, a power of two, where a table of terms once ended before the last voxel
    cube = Voxels.from_density("cube", np.ones((count,) * 3))
    detector = EwaldDetector(64, 2 * PAPER_Q_STEP)
    rough, fine = (
        Simulation(Optics(), detector, "chebyshev", accuracy=accuracy).amplitude_of(
            cube, np.array([137.0]), STILL[None]
        )
        for accuracy in (1e-3, 1e-5)
    )
    assert np.linalg.norm(rough - fine) < 2e-3 * np.linalg.norm(fine)


@pytest.mark.parametrize("factor", [0.25, 4.0])
def test_voxels_of_unequal_edges_are_sampled_as_finely_however_they_are_turned(factor: float) -> None:
    ball = voxelised("sphere", 32).stretched(factor)
    assert isinstance(ball, Voxels)
    simulation = Simulation(Optics(absorption="none"), DETECTOR, "chebyshev")
    ellipsoid = named("sphere").stretched(factor)
    particles = (ball, ball.radius_in_box(BOX)), (ellipsoid, RADIUS * max(1.0, factor))

    def off(orientation: FloatArray) -> float:
        found, expected = (
            simulation.amplitude_of(body, np.array([radius]), orientation[None])[0]
            for body, radius in particles
        )
        return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))

    quarter = as_quaternions([np.sqrt(0.5), 0.0, np.sqrt(0.5), 0.0])
    eighth = as_quaternions([np.cos(np.pi / 8), 0.0, np.sin(np.pi / 8), 0.0])
    assert max(off(quarter), off(eighth), off(GENERIC)) < 2.5 * off(STILL)
