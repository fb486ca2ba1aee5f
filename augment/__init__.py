"""Detector imperfections for training: the filters of Stielow et al. 2020, and what a real detector does.

A filter first draws its parameters, one set per image, and then applies them; the record of what was drawn
repeats the result bit for bit, for the whole batch or for one image of it::

    generator = torch.Generator().manual_seed(1)
    images, record = experiment()(intensity, generator)
    assert torch.equal(replay(intensity, record), images)

The paper's filters take grey values, which `log_scale` makes of linear intensity. What begins at linear
intensity and ends at grey values is a `Recording`: training, evaluation and `invert augment` use those.

Files
-----
filter.py    what every filter is: sample, apply, record, replay; and the identity
pipeline.py  filters made of filters: in order, one of several, random combination
recording.py everything between linear intensity and grey images
presets.py   the eleven filters of the paper by name; what a real detector does
files.py     datasets whose patterns were recorded
figures.py   one pattern under every filter
photons.py   photon statistics of linear intensity
noise.py     uniform noise, salt and pepper, shot noise of grey values, readout noise
blur.py      Gaussian blur and jitter
crop.py      rectangular and circular crop around the beam
mask.py      central hole
gaps.py      gaps between modules
hidden.py    what hidden pixels hold
window.py    rectangular window with cut corners
shift.py     shift by whole pixels
response.py  blind spots, amplification, full well
eight_bit.py 8-bit colour-mapped output
scaling.py   linear intensity to logarithmic grey values and back; the stretch that networks see
ranges.py    checking the ranges of parameters and drawing from them
background.py   uniform background of linear intensity, in four levels
polar.py     images over radius and angle
correlation.py  two-point cross-correlation maps in place of images
fields.py    random pixels from one seed per image
grid.py      pixel offsets and distances from the beam
compiled/    what filters do on a processor
"""

from augment.background import Background
from augment.blur import GaussianBlur, Jitter
from augment.correlation import correlation_images
from augment.crop import CenterCrop
from augment.eight_bit import EightBit
from augment.filter import Filter, Identity, Parameters, Record, Step, replay
from augment.gaps import Gaps
from augment.mask import CentralHole
from augment.noise import ReadoutNoise, SaltAndPepper, ShotNoise, UniformNoise
from augment.photons import PhotonStatistics
from augment.pipeline import Composite, InOrder, OneOf, RandomCombination
from augment.presets import (
    PAPER_FILTERS,
    PAPER_GROUPS,
    RECORDINGS,
    any_window,
    experiment,
    paper,
    recording_named,
)
from augment.recording import LogScale, Recording
from augment.response import FullWell, Saturation, UnevenSensitivity
from augment.scaling import linear_scale, log_scale, stretch
from augment.shift import Shift
from augment.window import Window

__all__ = [
    "PAPER_FILTERS",
    "PAPER_GROUPS",
    "RECORDINGS",
    "Background",
    "CenterCrop",
    "CentralHole",
    "Composite",
    "EightBit",
    "Filter",
    "FullWell",
    "Gaps",
    "GaussianBlur",
    "Identity",
    "InOrder",
    "Jitter",
    "LogScale",
    "OneOf",
    "Parameters",
    "PhotonStatistics",
    "RandomCombination",
    "ReadoutNoise",
    "Record",
    "Recording",
    "SaltAndPepper",
    "Saturation",
    "Shift",
    "ShotNoise",
    "Step",
    "UnevenSensitivity",
    "UniformNoise",
    "Window",
    "any_window",
    "correlation_images",
    "experiment",
    "linear_scale",
    "log_scale",
    "paper",
    "recording_named",
    "replay",
    "stretch",
]
