"""What looks wrong with the first frames of a file of intensities: in words, and pixels that mislead."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from invert.reading.defects import RATIO, HotPixels
from invert.reading.scale import PEDESTAL, darkness
from invert.reading.unlit import Unlit

NAMED = 10
"""Hot pixels whose places are told."""

MOST_HOT = 0.01
"""Of the pixels. Where more stand out, frames are something else than a detector's, and none is hidden."""

Frame = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Intensities (H, W) and the pixels that count."""


class Doubts(NamedTuple):
    """What looks wrong.

    Attributes
    ----------
    notes
        In words.
    misleading
        Pixels (H, W) that are hot, or dark beside light, in so many frames that the detector must be why.
    """

    notes: list[str]
    misleading: NDArray[np.bool_]


def doubts(frames: Iterable[Frame], inside: NDArray[np.bool_], hiding: bool) -> Doubts:
    """Look for a pedestal, hot pixels and parts without light.

    Parameters
    ----------
    frames
        The first ones that show something.
    inside
        Pixels (H, W) inside the Ewald sphere.
    hiding
        Whether pixels that mislead will be hidden, which is told then.
    """
    darknesses, hot, unlit = [], HotPixels(inside.shape), Unlit(inside)
    count = 0
    for image, usable in frames:
        count += 1
        if usable.any():
            darknesses.append(darkness(image[usable]))
        hot.see(image, usable)
        unlit.see(image, usable)
    which = "the first lit frame" if count == 1 else f"the first {count} lit frames"
    notes, misleading = [], np.zeros(inside.shape, dtype=bool)
    if darknesses and (dark := float(np.median(darknesses))) > PEDESTAL:
        notes.append(
            f"warning: the darkest pixels hold {dark:.2g} of the median: a dark frame not subtracted, or "
            "stray light that no model knows; answers may be off without a flag"
        )
    if len(found := hot.pixels):
        few = len(found) <= MOST_HOT * inside.size
        places = ", ".join(f"[{row}, {column}]" for row, column in found[:NAMED].tolist())
        more = " ..." if len(found) > NAMED else ""
        notes.append(
            f"warning: {RATIO:g} times brighter than each neighbour in most of {which}: "
            f"pixels {places}{more}, {len(found)} in all; {_said(hiding and few, 'if they are hot')}"
        )
        if few:
            misleading[tuple(found.T)] = True
    if (parts := unlit.pixels).any():
        share = (parts & unlit.judged).sum() / unlit.judged.sum()
        sure = parts & unlit.enough
        notes.append(
            f"warning: {100 * share:.2g} % of the pixels are 0 in {'' if count == 1 else 'all of '}{which}; "
            f"{_said(hiding and sure.sum() > 0.5 * parts.sum(), 'if nothing measured there')}"
        )
        misleading |= sure
    return Doubts(notes, misleading)


def _said(hidden: bool, doubt: str) -> str:
    return "they are hidden, --defects tell lets them count" if hidden else f"{doubt}, --mask hides them"
