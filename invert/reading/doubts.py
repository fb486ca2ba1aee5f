"""What looks wrong with the first frames of a file of intensities, in words."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from invert.reading.defects import FEWEST, RATIO, HotPixels
from invert.reading.scale import PEDESTAL, darkness
from invert.reading.unlit import Unlit

NAMED = 10
"""Hot pixels whose places are told."""

Frame = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Intensities (H, W) and the pixels that count."""


def doubts(frames: Iterable[Frame], count: int, inside: NDArray[np.bool_]) -> list[str]:
    """Warnings of a pedestal, hot pixels and parts without light.

    Parameters
    ----------
    frames, count
        The first frames, and how many they are.
    inside
        Pixels (H, W) inside the Ewald sphere.
    """
    darknesses, hot, unlit = [], HotPixels(inside.shape), Unlit(inside)
    for image, usable in frames:
        if usable.any():
            darknesses.append(darkness(image[usable]))
        if count >= FEWEST:
            hot.see(image, usable)
        unlit.see(image, usable)
    which = "the first frame" if count == 1 else f"the first {count} frames"
    notes = []
    if darknesses and (dark := float(np.median(darknesses))) > PEDESTAL:
        notes.append(
            f"warning: the darkest pixels hold {dark:.2g} of the median: a dark frame not subtracted, or "
            "stray light that no model knows; answers may be off without a flag"
        )
    if len(found := hot.pixels.tolist()):
        places = ", ".join(f"[{row}, {column}]" for row, column in found[:NAMED])
        more = " ..." if len(found) > NAMED else ""
        notes.append(
            f"warning: {RATIO:g} times brighter than each neighbour in most of {which}: "
            f"pixels {places}{more}, {len(found)} in all; if they are hot, --mask hides them"
        )
    if part := unlit.part:
        notes.append(
            f"warning: {100 * part:.2g} % of the pixels are 0 in {'' if count == 1 else 'all of '}{which}; "
            "if nothing measured there, --mask hides them"
        )
    return notes
