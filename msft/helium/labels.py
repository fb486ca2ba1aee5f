"""The eleven labels of helium nanodroplet images (Zimmermann et al. 2019): names, counts, rules."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msft.errors import ParameterError

IMAGES = 7264
"""Images that the authors labelled."""

COUNTS: Mapping[str, int] = MappingProxyType(
    {
        "oblate": 6589,
        "round": 5792,
        "elliptical": 796,
        "prolate": 453,
        "streak": 242,
        "bent": 390,
        "asymmetric": 367,
        "newton_rings": 460,
        "double_rings": 218,
        "layered": 47,
        "empty": 211,
    }
)
"""Images that have each label, in the order of the released file.

Table 1 of the paper, whose "Spherical/Oblate" is ``oblate`` here; it says 222 for ``empty``, of which the
released labels have 211.
"""

NAMES = tuple(COUNTS)
"""The labels in the order of the released file: column c of any label array is ``NAMES[c]``."""

RULES = (
    "empty excludes every other label",
    "oblate and prolate exclude each other",
    "round and elliptical exclude each other",
    "round implies oblate",
    "elliptical implies oblate",
)
"""What holds without exception in the released labels; all but the first are in figure 2 of the paper."""


def broken_rules(labels: ArrayLike) -> dict[str, int]:
    """How many images break each rule.

    Parameters
    ----------
    labels
        Labels or predictions, shape (N, 11) in the order of `NAMES`: booleans, or numbers 0 and 1.

    Returns
    -------
    One number per rule of `RULES`; all 0 for labels that are possible.

    Raises
    ------
    ParameterError
        If the array has another shape, or holds anything but 0 and 1.
    """
    has = dict(zip(NAMES, as_flags(labels).T, strict=True))
    others = np.any([has[name] for name in NAMES if name != "empty"], axis=0)
    broken = (
        has["empty"] & others,
        has["oblate"] & has["prolate"],
        has["round"] & has["elliptical"],
        has["round"] & ~has["oblate"],
        has["elliptical"] & ~has["oblate"],
    )
    return {rule: int(np.count_nonzero(rows)) for rule, rows in zip(RULES, broken, strict=True)}


def as_flags(labels: ArrayLike) -> NDArray[np.bool_]:
    """Labels as booleans, shape (N, 11).

    Raises
    ------
    ParameterError
        If the array has another shape, or holds anything but 0 and 1.
    """
    given = np.asarray(labels)
    if given.ndim != 2 or given.shape[1] != len(NAMES):
        raise ParameterError("labels", f"shape {given.shape}", f"(N, {len(NAMES)}): " + ", ".join(NAMES))
    wrong = given[(given != 0) & (given != 1)]
    if wrong.size:
        raise ParameterError("labels", wrong.flat[0], "0 or 1")
    return given.astype(np.bool_)
