"""Sets of filters by name: the eleven of the paper, and what a real detector does."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from augment.blur import GaussianBlur, Jitter
from augment.crop import CenterCrop
from augment.eight_bit import EightBit
from augment.filter import Filter, Identity
from augment.gaps import Gaps
from augment.mask import CentralHole
from augment.noise import ReadoutNoise, SaltAndPepper, ShotNoise, UniformNoise
from augment.photons import PhotonStatistics
from augment.pipeline import InOrder, OneOf, RandomCombination
from augment.recording import LogScale, Recording
from augment.response import FullWell, Saturation, UnevenSensitivity
from augment.scaling import FLOOR_DECADES, check_decades
from augment.shift import Shift
from augment.window import Window
from msft.errors import ParameterError

PAPER_GROUPS: dict[str, tuple[str, ...]] = {
    "trivial": ("identity",),
    "noise": ("uniform_noise", "salt_and_pepper"),
    "blur": ("gaussian_blur", "jitter"),
    "cropping": ("center_crop", "central_hole", "shift", "uneven_sensitivity"),
    "successive": ("random_combination", "fixed_order"),
}
"""The five groups of Stielow et al. 2020, appendix D, with their filters in the paper's order."""

PAPER_FILTERS: tuple[str, ...] = tuple(name for group in PAPER_GROUPS.values() for name in group)
EXPERIMENT = "experiment"
ANY_WINDOW = "any_window"
RECORDINGS: tuple[str, ...] = (*PAPER_FILTERS, EXPERIMENT, ANY_WINDOW)
"""Every name that `recording_named` knows."""


def paper(floor_decades: float = FLOOR_DECADES) -> dict[str, Filter]:
    """Return the eleven filters of the paper, in its order.

    Each gives one more image per pattern; `OneOf(list(paper().values()))` draws one of them per
    image instead.

    Parameters
    ----------
    floor_decades
        Floor of the logarithmic grey scale of the images, in decades below the maximum; see `log_scale`.

    Returns
    -------
    dict of str to Filter
        The names of `PAPER_FILTERS`: identity, uniform_noise, salt_and_pepper, gaussian_blur, jitter,
        center_crop, central_hole, shift, uneven_sensitivity, random_combination, fixed_order.

    Raises
    ------
    ParameterError
        The decades are outside (0, 30].

    Notes
    -----
    Source: Stielow et al. 2020, appendix D. The paper gives the amplitude of the noise and the radius of the
    blur; the other ranges, and the steps of the fixed order, are those of the classes and of this function.
    """
    single: tuple[Filter, ...] = (
        UniformNoise(),
        SaltAndPepper(),
        GaussianBlur(),
        Jitter(),
        CenterCrop(),
        CentralHole(),
        Shift(),
        UnevenSensitivity(),
    )
    # Photons arrive, off the axis; the detector answers; its shape cuts; its centre is known only roughly.
    fixed_order = InOrder(
        (
            ShotNoise(floor_decades=floor_decades),
            Shift(),
            UnevenSensitivity(),
            Saturation(),
            CentralHole(),
            CenterCrop(),
            Shift(),
        ),
        name="fixed_order",
    )
    filters = (Identity(), *single, RandomCombination(single), fixed_order)
    return {part.name: part for part in filters}


def experiment(floor_decades: float = FLOOR_DECADES, *, eight_bit: bool = False) -> Recording:
    """Return what a real detector does to linear intensity, in the order in which it happens.

    Photon statistics, beam pointing, point spread, uneven sensitivity, saturation; gaps, hole and window with
    cut corners; readout noise; the logarithm with a contrast that nobody knows.

    Parameters
    ----------
    floor_decades
        Most decades between black and white.
    eight_bit
        Whether the grey values pass through 8-bit colour-mapped output in the end.

    Raises
    ------
    ParameterError
        The decades are outside (0, 30].

    Notes
    -----
    The ranges surround the looks of the eight patterns of I. Barke et al., Nat. Commun. 6, 6187 (2015), of
    128 x 128 pixels: a hole in a saturated halo, a window of 72 x 60 pixels with cut corners, a beam about
    one pixel off, speckle, and a contrast of few decades.
    """
    window, shift = Window(hidden=math.nan), Shift(2, hides=False)
    # light from outside the window that pointing and point spread bring in
    margin = shift.reach + 2
    return _recorded(
        floor_decades,
        window,
        shift,
        Gaps(hidden=math.nan),
        name=EXPERIMENT,
        half_height=math.ceil(window.half_height[1]) + margin,
        half_width=math.ceil(window.half_width[1]) + margin,
        eight_bit=eight_bit,
    )


def any_window(floor_decades: float = FLOOR_DECADES) -> Recording:
    """Return `experiment` on detectors of many shapes: up to most of the image, the beam off their middle.

    Parameters
    ----------
    floor_decades
        Most decades between black and white.

    Raises
    ------
    ParameterError
        The decades are outside (0, 30].

    Notes
    -----
    The ranges are ours, for patterns of 128 x 128 pixels like those of `experiment`. Networks that know the
    window of `experiment` alone state uncertainties that are too small for others (benchmarks/windows.py).
    """
    window = Window((20.0, 70.0), (20.0, 70.0), corner=(0.7, 1.5), off_middle=(0.0, 0.3), hidden=math.nan)
    gaps = Gaps(probability=0.3, width=(1.0, 6.0), distance=(0.0, 0.4), hidden=math.nan)
    return _recorded(floor_decades, window, Shift(2, hides=False), gaps, name=ANY_WINDOW)


def _recorded(
    floor_decades: float,
    window: Window,
    shift: Shift,
    gaps: Gaps,
    *,
    name: str,
    half_height: int | None = None,
    half_width: int | None = None,
    eight_bit: bool = False,
) -> Recording:
    check_decades(floor_decades)
    steps: tuple[Filter, ...] = (
        PhotonStatistics(),
        shift,
        GaussianBlur((0.3, 1.2)),
        UnevenSensitivity(spots=3, sigma=(0.02, 0.25), depth=(0.0, 0.8)),
        FullWell(),
        gaps,
        CentralHole((2.0, 9.0), hidden=math.nan),
        window,
        ReadoutNoise(),
        LogScale((min(1.0, floor_decades), floor_decades)),
    )
    return Recording((*steps, EightBit()) if eight_bit else steps, name, half_height, half_width)


_AS_RECORDED = {EXPERIMENT: experiment, ANY_WINDOW: any_window}


def one_of(names: Sequence[str], floor_decades: float = FLOOR_DECADES) -> OneOf:
    """Return a draw of one recording for each image; a name that stands twice is drawn twice as often.

    Raises
    ------
    ParameterError
        There are no names, one is unknown, or the decades are out of range.
    """
    counts = Counter(names)
    return OneOf([recording_named(name, floor_decades) for name in counts], weights=list(counts.values()))


def recording_named(name: str, floor_decades: float = FLOOR_DECADES) -> Recording:
    """Return how linear intensity becomes grey images: as a detector records, or by one filter of the paper.

    Raises
    ------
    ParameterError
        There is no such name among `RECORDINGS`, or the decades are out of range.
    """
    if name in _AS_RECORDED:
        return _AS_RECORDED[name](floor_decades)
    if name not in PAPER_FILTERS:
        raise ParameterError("filter", name, "one of " + ", ".join(RECORDINGS))
    scale = LogScale((floor_decades, floor_decades))
    return Recording((scale, paper(floor_decades)[name]), name=name)
