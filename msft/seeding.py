"""Random numbers that depend on a seed and on the number of what they are for, alone."""

from __future__ import annotations

import numpy as np


def generator_of(seed: int, *number: int) -> np.random.Generator:
    """The generator of one item, so that no order, batch size or number of workers changes its draws.

    Parameters
    ----------
    seed
        Of a whole set, 0 or more.
    *number
        Which item of the set; further numbers are further streams of the same item.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=number))
