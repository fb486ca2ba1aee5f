"""Fixtures that tests of several files use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from msft.optics import Optics
from msft.particle import Particles

GOLDEN = Path(__file__).parents[1].parent / "shared/data/golden/patterns.npz"
GOLDEN_MODELS: tuple[Any, ...] = ("amplitude", "amplitude", "amplitude", "amplitude", "intensity", "none")


@pytest.fixture(scope="session")
def golden() -> list[tuple[Particles, Optics, NDArray[np.float64]]]:
    """Six particles, how the light passes them, and sqrt(I) in nm^3 from an independent calculation."""
    if not GOLDEN.exists():
        pytest.skip(f"golden patterns are not there: {GOLDEN.parent.parent.parent.name}/data/golden")
    with np.load(GOLDEN) as data:
        radii, orientations = data["radius_nm"], data["orientation_wxyz"]
        magnitudes = np.sqrt(data["intensity_nm6"].astype(np.float64))
    return [
        (Particles(radius, orientation), Optics(absorption=model), magnitude)
        for radius, orientation, model, magnitude in zip(
            radii, orientations, GOLDEN_MODELS, magnitudes, strict=True
        )
    ]
