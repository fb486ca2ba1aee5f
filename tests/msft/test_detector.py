"""Scattering vectors of the pixels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from msft.detector import (
    EwaldDetector,
    FlatDetector,
    ScatteringVectors,
    polarisation_factor,
    undersampled,
)
from msft.errors import ParameterError
from msft.optics import Optics
from msft.particle import Particles
from msft.pattern import Simulation

K = 2 * math.pi / 13.5


def at(vectors: ScatteringVectors, row: int, column: int, pixels: int) -> tuple[float, float, float]:
    (index,) = np.flatnonzero(vectors.pixel == row * pixels + column)
    return vectors.x[index], vectors.y[index], vectors.z[index]


@pytest.mark.parametrize("pixels", [2, 3, 16, 17, 128])
@pytest.mark.parametrize("kind", [EwaldDetector, FlatDetector])
def test_the_middle_pixel_is_forward(kind: Any, pixels: int) -> None:
    vectors = kind(pixels=pixels).scattering_vectors(K)
    assert at(vectors, pixels // 2, pixels // 2, pixels) == (0, 0, 0)


def test_k_lies_at_62_96_pixels_by_default() -> None:
    detector = EwaldDetector()
    assert K / detector.q_step == pytest.approx(62.963, abs=5e-4)
    assert detector.q_step == pytest.approx(2 * math.pi / (318.75 / 192 * 512))
    assert detector.axis[[0, 64, 127]] == pytest.approx(np.array([-64, 0, 63]) * detector.q_step)


def test_pixels_are_lit_inside_the_ewald_sphere_and_only_there() -> None:
    vectors = EwaldDetector().scattering_vectors(K)
    lit = sum(
        (row - 64) ** 2 + (column - 64) ** 2 < (850 / 13.5) ** 2
        for row in range(128)
        for column in range(128)
    )
    assert vectors.pixel.size == lit == len(set(vectors.pixel))
    # about the area of the circle
    assert lit == pytest.approx(math.pi * 62.963**2, rel=0.005)  # measured 0.003


@pytest.mark.parametrize("detector", [EwaldDetector(), FlatDetector()])
def test_columns_are_x_and_rows_are_y(detector: EwaldDetector | FlatDetector) -> None:
    vectors = detector.scattering_vectors(K)
    x, y, _ = at(vectors, 64, 70, 128)
    assert x > 0
    assert y == 0
    x, y, _ = at(vectors, 70, 64, 128)
    assert x == 0
    assert y > 0


@pytest.mark.parametrize(
    "detector",
    [EwaldDetector(), EwaldDetector(pixels=32, q_step=1e-7), FlatDetector(), FlatDetector(32, 1e-3)],
)
def test_scattering_is_elastic(detector: EwaldDetector | FlatDetector) -> None:
    v = detector.scattering_vectors(K)
    # the scattered wave vector k e_z + (q_x, q_y, -q_z) is as long as the incoming one
    np.testing.assert_allclose(v.x**2 + v.y**2 + (K - v.z) ** 2, K**2, rtol=1e-14)
    assert (v.z >= 0).all()
    assert (v.z < K).all()


def test_q_z_keeps_its_digits_at_small_angles() -> None:
    v = EwaldDetector(pixels=9, q_step=1e-7).scattering_vectors(K)
    squared = v.x**2 + v.y**2
    # next order of the expansion is (q / k)^2 / 4 = 1e-13
    np.testing.assert_allclose(v.z, squared / (2 * K), rtol=1e-12)


def test_weights_of_the_ewald_detector_are_one() -> None:
    assert (EwaldDetector().scattering_vectors(K).weight == 1).all()


def test_flat_pixels_see_the_angle_of_their_position_and_the_solid_angle_cos_cubed() -> None:
    detector = FlatDetector(pixels=64, pixel_size=0.5, distance=20)
    v = detector.scattering_vectors(K)
    row, column = np.divmod(v.pixel, 64)
    x, y = 0.5 * (column - 32), 0.5 * (row - 32)
    theta = np.arctan(np.hypot(x, y) / 20)
    azimuth = np.arctan2(y, x)
    np.testing.assert_allclose(v.x, K * np.sin(theta) * np.cos(azimuth), atol=1e-14)
    np.testing.assert_allclose(v.y, K * np.sin(theta) * np.sin(azimuth), atol=1e-14)
    np.testing.assert_allclose(v.z, K * (1 - np.cos(theta)), atol=1e-14)
    np.testing.assert_allclose(v.weight, np.cos(theta) ** 3, rtol=1e-12)
    assert v.pixel.size == 64 * 64


def test_flat_weights_are_the_solid_angles_of_the_pixels() -> None:
    # by van Oosterom & Strackee's formula for a square seen under its corners
    size, distance = 0.05, 3.0
    v = FlatDetector(pixels=41, pixel_size=size, distance=distance).scattering_vectors(K)

    def corner(x: float, y: float) -> float:
        return math.atan(x * y / (distance * math.sqrt(x * x + y * y + distance * distance)))

    def solid_angle(pixel: int) -> float:
        x, y = size * (pixel % 41 - 20), size * (pixel // 41 - 20)
        h = size / 2
        return corner(x + h, y + h) - corner(x - h, y + h) - corner(x + h, y - h) + corner(x - h, y - h)

    for pixel in (20 * 41 + 20, 20 * 41 + 40, 0, 7 * 41 + 30):
        (index,) = np.flatnonzero(v.pixel == pixel)
        # pixels are small, not infinitely small; measured 5e-5
        assert solid_angle(pixel) * (distance / size) ** 2 == pytest.approx(v.weight[index], rel=2e-4)


def test_a_flat_detector_sees_the_ewald_intensity_where_they_look_at_the_same_q() -> None:
    # pixel 8 of the flat detector's row looks at tan(theta) = 8 * 1 / 10; make it pixel 5 of the Ewald one
    theta = math.atan(0.8)
    particle = Particles(60.0, [0.9, 0.1, -0.3, 0.2])
    flat = FlatDetector(pixels=32, pixel_size=1.0, distance=10.0)
    ewald = EwaldDetector(pixels=16, q_step=K * math.sin(theta) / 5)
    on_flat = Simulation(detector=flat, precision="double").intensity(particle)[0]
    on_ewald = Simulation(detector=ewald, precision="double").intensity(particle)[0]
    for d_row, d_column in ((0, 1), (1, 0), (-1, 0), (0, -1)):
        seen = on_flat[16 + 8 * d_row, 16 + 8 * d_column]
        # intensities are float32
        assert seen == pytest.approx(
            on_ewald[8 + 5 * d_row, 8 + 5 * d_column] * math.cos(theta) ** 3, rel=1e-6
        )


def test_flat_amplitudes_are_not_weighted() -> None:
    particle = Particles(60.0, [0.9, 0.1, -0.3, 0.2])
    simulation = Simulation(detector=FlatDetector(pixels=16, pixel_size=4.0), precision="double")
    ratio = simulation.intensity(particle)[0] / np.abs(simulation.amplitude(particle)[0]) ** 2
    weight = simulation.detector.scattering_vectors(Optics().wavenumber).weight
    np.testing.assert_allclose(ratio.ravel(), weight, rtol=1e-6)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (EwaldDetector, "pixels", 1),
        (EwaldDetector, "pixels", 0),
        (EwaldDetector, "pixels", -128),
        (EwaldDetector, "pixels", 10**6),
        (EwaldDetector, "q_step", 0.0),
        (EwaldDetector, "q_step", -0.01),
        (EwaldDetector, "q_step", math.nan),
        (EwaldDetector, "q_step", math.inf),
        (FlatDetector, "pixels", 1),
        (FlatDetector, "pixel_size", 0.0),
        (FlatDetector, "pixel_size", math.nan),
        (FlatDetector, "distance", -1.0),
        (FlatDetector, "distance", math.inf),
    ],
)
def test_impossible_detectors_are_refused_with_the_name_of_the_field(
    kind: Any, field: str, value: Any
) -> None:
    with pytest.raises(ParameterError) as caught:
        kind(**{field: value})
    assert caught.value.field == field


def test_a_dipole_does_not_shine_along_itself() -> None:
    x = np.array([0.0, 0.6, 1.0])
    zero = np.zeros(3)
    # sine squared of the angle between polarisation and direction
    np.testing.assert_allclose(polarisation_factor(x, zero, "x"), np.sin(np.arccos(x)) ** 2, atol=1e-15)
    np.testing.assert_allclose(polarisation_factor(x, zero, "y"), 1)
    np.testing.assert_allclose(polarisation_factor(zero, x, "y"), np.sin(np.arccos(x)) ** 2, atol=1e-15)
    theta = np.arcsin(x)
    np.testing.assert_allclose(polarisation_factor(x, zero, "unpolarised"), (1 + np.cos(theta) ** 2) / 2)
    np.testing.assert_allclose(polarisation_factor(x, x, "none"), 1)


@pytest.mark.parametrize("kind", [EwaldDetector, FlatDetector])
def test_polarised_small_spheres_are_those_of_mie_theory(kind: Any) -> None:
    miepython = pytest.importorskip("miepython")
    optics = Optics(absorption="refractive", delta=1e-3, beta=0.0)
    detector = kind(pixels=33, polarisation="x")
    image = Simulation(optics, detector, "chebyshev").intensity(Particles(2.0, [1, 0, 0, 0], "sphere"))[0]
    cosine = 1 - detector.scattering_vectors(K).z.reshape(-1) / K
    grid = np.full(33 * 33, np.nan)
    grid[detector.scattering_vectors(K).pixel] = cosine
    cosine = grid.reshape(33, 33)
    solid = cosine**3 if kind is FlatDetector else np.ones((33, 33))
    # along x the electric field lies in the scattering plane, along y across it
    for line, expected in (
        (np.s_[16, :], miepython.i_par),
        (np.s_[:, 16], miepython.i_per),
    ):
        mie = expected(1 - 1e-3 + 0j, K * 2.0, np.clip(cosine[line], -1, 1)) * solid[line]
        np.testing.assert_allclose(image[line] / image[16, 16], mie / mie[16], rtol=5e-3)


def test_an_unknown_polarisation_is_refused() -> None:
    wrong: Any = "circular"
    for kind in (EwaldDetector, FlatDetector):
        with pytest.raises(ParameterError) as caught:
            kind(polarisation=wrong)
        assert caught.value.field == "polarisation"


def test_a_detector_that_sees_only_the_beam_is_refused() -> None:
    with pytest.raises(ParameterError, match="below k") as caught:
        EwaldDetector(q_step=K).scattering_vectors(K)
    assert caught.value.field == "q_step"
    EwaldDetector(q_step=0.999 * K).check(K)


def between_pixels(radius: float, step: float) -> float:
    """Largest error, over the maximum, of the band-limited interpolation of a sphere's form factor."""
    count = 2048
    x = radius * step * np.arange(-count, count)
    x[count] = 1.0  # the limit follows
    form = (3 * (np.sin(x) - x * np.cos(x)) / x**3) ** 2
    form[count] = 1.0
    places = np.arange(-20, 20) + 0.5
    found = [float(form @ np.sinc(place - np.arange(-count, count))) for place in places]
    y = radius * step * places
    return float(np.abs(found - (3 * (np.sin(y) - y * np.cos(y)) / y**3) ** 2).max())


@pytest.mark.parametrize("detector", [EwaldDetector(), FlatDetector()])
def test_fringes_up_to_a_radius_are_all_in_the_pixels(detector: EwaldDetector | FlatDetector) -> None:
    """By Shannon's theorem: below that radius the pixels tell what lies between them, above they do not."""
    found = undersampled(detector, K, 1e4)
    assert found is not None
    largest = found[1]
    step = detector.step_on_axis(K)
    assert undersampled(detector, K, 0.99 * largest) is None
    assert undersampled(detector, K, 1.01 * largest) == (1.01 * largest, largest)
    assert between_pixels(0.99 * largest, step) < 1e-12
    assert between_pixels(1.2 * largest, step) > 1e-3
