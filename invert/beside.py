"""Which back end simulates for a network on a device."""

from __future__ import annotations

import torch

from msft.backends.choice import BACKENDS_OF, Backend, missing
from msft.pattern import Simulation


def backend_beside(simulation: Simulation, device: torch.device) -> Backend:
    """The back end for patterns that a network on a device works with.

    ``cupy`` on a GPU that CuPy sees, too, unless another one is asked for by name; ``auto`` elsewhere if
    ``cupy`` is asked for, since datasets and weights travel to machines without one.
    """
    wanted = simulation.backend
    if wanted not in ("auto", "cupy"):
        return wanted
    possible = "cupy" in BACKENDS_OF[simulation.solver]
    return "cupy" if device.type == "cuda" and possible and not missing("cupy") else "auto"
