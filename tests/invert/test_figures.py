"""The picture of measured frames beside their reconstruction: nothing in it covers anything else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from invert.estimate import FLAGS
from invert.figures import Comparison, comparison
from msft.bodies.rotations import rotation_group
from msft.detector import EwaldDetector
from msft.particle import Particles
from msft.rotation import multiply


def test_titles_of_a_frame_with_many_flags_do_not_touch() -> None:
    count, grey = 2, np.zeros((2, 16, 16), dtype=np.float32)
    flags = sum(FLAGS[name] for name in ("poor_agreement", "ambiguous", "radius_on_bound", "not_explained"))
    figure = comparison(
        Comparison(
            measured=grey,
            resimulated=grey,
            valid=np.ones(grey.shape, dtype=bool),
            estimate=Particles([105.8, 80.0], [[0.974, 0.1, -0.203, 0.004]] * count),
            agreement=np.full(count, 0.589),
            frames=np.arange(count),
            detector=EwaldDetector(pixels=16),
            flags=np.full(count, flags, dtype=np.uint32),
        )
    )
    figure.draw_without_rendering()
    for row in range(count):
        three = [figure.axes[3 * row + column] for column in (0, 2, 1)]
        boxes = [axes.title.get_window_extent() for axes in three]
        for left, right in pairwise(boxes):
            assert left.x1 < right.x0
        assert boxes[-1].x1 < three[-1].get_window_extent().x1 + 20


def test_the_truth_is_told_as_the_equivalent_next_to_the_answer() -> None:
    answer = np.array([0.9, 0.1, -0.2, 0.3]) / np.sqrt(0.95)
    grey = np.zeros((1, 16, 16), dtype=np.float32)
    figure = comparison(
        Comparison(
            measured=grey,
            resimulated=grey,
            valid=np.ones(grey.shape, dtype=bool),
            estimate=Particles([60.0], answer, "cube"),
            agreement=np.ones(1),
            frames=np.arange(1),
            detector=EwaldDetector(pixels=16),
            flags=np.zeros(1, dtype=np.uint32),
            truth=Particles([61.0], multiply(answer, rotation_group("cube")[5]), "cube"),
        )
    )
    *_, found, true = figure.axes[2].get_title().splitlines()
    assert found.split("q = ")[1] == true.split("q = ")[1]
