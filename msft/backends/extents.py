"""What of columns decides how much a GPU computes, compiled for many particles in one call."""

from __future__ import annotations

import numba
import numpy as np

from msft.backends.moments import FAST, depths, elimination


@numba.njit(**FAST)
def depths_of_many(first_column, z_in, z_out, densities, deepest):  # type: ignore[no-untyped-def]
    """The smallest and the largest depth that light reaches in each particle, shape (N, 2)."""
    found = np.empty((len(first_column) - 1, 2))
    for p in range(len(found)):
        own = slice(first_column[p], first_column[p + 1])
        found[p, 0], found[p, 1] = depths(z_in[:, own], z_out[:, own], densities, deepest)
    return found


@numba.njit(**FAST)
def eliminations(sigma, densities, closed):  # type: ignore[no-untyped-def]
    """`elimination` for sigma (N,) of the full material and densities (C,), shape (N, C, longest, 2)."""
    longest = 0 if len(closed) == 0 else closed.max()
    factors = np.zeros((len(sigma), len(densities), longest, 2), np.complex128)
    for p in range(len(sigma)):
        for c in range(len(densities)):
            found = elimination(sigma[p] * densities[c], closed[p])
            for n in range(closed[p]):
                factors[p, c, n, 0], factors[p, c, n, 1] = found[0, n], found[1, n]
    return factors


@numba.njit(**FAST)
def owners(first):  # type: ignore[no-untyped-def]
    """Number of the particle to which each of what begins at some places belongs, int32."""
    found = np.empty(first[-1], np.int32)
    for p in range(len(first) - 1):
        for i in range(first[p], first[p + 1]):
            found[i] = p
    return found
