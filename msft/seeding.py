"""Random numbers that depend on a seed and on the number of what they are for, alone."""

from __future__ import annotations

import numpy as np

from msft.errors import ParameterError

LARGEST = 2**63 - 1
"""Of the seeds that files and every library's generators take."""


def check_seed(seed: int, field: str = "seed") -> None:
    """Raise ParameterError, which calls it `field`, unless random numbers can come from a seed."""
    if not 0 <= seed <= LARGEST:
        raise ParameterError(field, seed, "0 or more, below 2^63")


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
