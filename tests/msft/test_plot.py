"""Pictures: that they appear, and that axes point where they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from msft.dataset import open_patterns
from msft.detector import EwaldDetector, FlatDetector
from msft.generate import generate
from msft.particle import ParticleDistribution
from msft.pattern import Simulation

pytest.importorskip("matplotlib")
from matplotlib.figure import Figure

from msft import plot


def test_pixels_lie_at_their_q() -> None:
    figure = Figure()
    axes = figure.subplots()
    detector = EwaldDetector(pixels=8, q_step=0.1)
    image = np.zeros((8, 8), dtype=np.float32)
    image[6, 5] = 2.0  # q_y = 0.2, q_x = 0.1
    drawn = plot.draw_pattern(axes, image, detector)
    left, right, bottom, top = drawn.get_extent()
    assert (left + (right - left) * 5.5 / 8, top + (bottom - top) * 6.5 / 8) == pytest.approx((0.1, 0.2))
    assert bottom > top  # rows grow downwards
    assert drawn.origin == "upper"
    shown = np.asarray(drawn.get_array())
    assert shown[6, 5] == 1.0
    assert shown.min() == pytest.approx(1e-5)


def test_a_flat_detector_has_millimetres() -> None:
    edges, x_label, _ = plot.extent(FlatDetector(pixels=9, pixel_size=2.0))
    assert list(edges) == [-9, 9, 9, -9]
    assert "mm" in x_label


def test_a_dark_pattern_can_be_drawn() -> None:
    axes = Figure().subplots()
    plot.draw_pattern(axes, np.zeros((8, 8), dtype=np.float32), EwaldDetector(pixels=8))


def test_a_sphere_has_no_faces_to_draw() -> None:
    axes = Figure().add_subplot(projection="3d")
    plot.draw_body(axes, "sphere", np.array([1.0, 0, 0, 0]), 1.0, 1.0)
    assert not axes.collections
    assert ["sphere" in text.get_text() for text in axes.texts] == [True]


def test_a_body_can_be_drawn() -> None:
    axes = Figure().add_subplot(projection="3d")
    plot.draw_body(axes, "icosahedron", np.array([1.0, 0, 0, 0]), 1.0, 1.0)
    assert len(axes.collections) == 1


@pytest.mark.parametrize("count", [1, 3, 16])
def test_a_gallery_is_a_png_and_appears_whole(tmp_path: Path, count: int) -> None:
    simulation = Simulation(detector=EwaldDetector(pixels=12, q_step=0.07))
    generate(tmp_path / "d.h5", 3, simulation=simulation)
    with open_patterns(tmp_path / "d.h5") as dataset:
        plot.save(plot.gallery(dataset, count), tmp_path / "d.png", resolution=40)
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["d.h5", "d.png"]


def test_a_gallery_of_several_bodies_names_them(tmp_path: Path) -> None:
    simulation = Simulation(detector=EwaldDetector(pixels=12, q_step=0.07))
    for name, distribution, words in (
        ("mixed.h5", ParticleDistribution(body={"cube": 0.5, "octahedron": 0.5}), {"cube,", "octahedron,"}),
        ("long.h5", ParticleDistribution(stretch_range=(2.0, 2.0), body="cube"), {"stretch 2,"}),
        ("one.h5", ParticleDistribution(), {"R ="}),
    ):
        generate(tmp_path / name, 6, 0, distribution, simulation)
        with open_patterns(tmp_path / name) as dataset:
            panels = [axes.get_xlabel() for axes in plot.gallery(dataset).axes]
        legends = [text for text in panels if "R =" in text]
        assert len(legends) == 6
        assert all(any(text.startswith(word) for word in words) for text in legends), legends
