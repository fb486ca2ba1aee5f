"""The picture of measured frames beside their reconstruction: nothing in it covers anything else."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from invert.estimate import FLAGS
from invert.figures import Comparison, comparison
from msft.detector import EwaldDetector
from msft.particle import Particles


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
