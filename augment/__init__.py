"""Detector imperfections for training: the eleven image filters of Stielow et al. 2020, for torch tensors.

A filter first draws its parameters, one set per image, and then applies them; the record of what was drawn
repeats the result bit for bit, for the whole batch or for one image of it::

    generator = torch.Generator().manual_seed(1)
    dirty, record = paper()["experiment"](log_scale(intensity), generator)
    assert torch.equal(replay(images, record), dirty)

Files
-----
filter.py    what every filter is: sample, apply, record, replay; and the identity
pipeline.py  filters made of filters: in order, one of several, random combination
files.py     datasets whose patterns went through a filter
presets.py   the eleven filters of the paper by name
noise.py     uniform noise, salt and pepper, photon shot noise
blur.py      Gaussian blur and jitter
crop.py      rectangular and circular crop around the beam
mask.py      central hole
shift.py     shift by whole pixels
response.py  blind spots and saturation
scaling.py   linear intensity to logarithmic grey values and back; the stretch that networks see
ranges.py    checking the ranges of parameters and drawing from them
fields.py    random pixels from one seed per image
grid.py      pixel offsets from the beam
"""

from augment.blur import GaussianBlur, Jitter
from augment.crop import CenterCrop
from augment.filter import Filter, Identity, Parameters, Record, Step, replay
from augment.mask import CentralHole
from augment.noise import SaltAndPepper, ShotNoise, UniformNoise
from augment.pipeline import Composite, InOrder, OneOf, RandomCombination
from augment.presets import paper
from augment.response import Saturation, UnevenSensitivity
from augment.scaling import linear_scale, log_scale, stretch
from augment.shift import Shift

__all__ = [
    "CenterCrop",
    "CentralHole",
    "Composite",
    "Filter",
    "GaussianBlur",
    "Identity",
    "InOrder",
    "Jitter",
    "OneOf",
    "Parameters",
    "RandomCombination",
    "Record",
    "SaltAndPepper",
    "Saturation",
    "Shift",
    "ShotNoise",
    "Step",
    "UnevenSensitivity",
    "UniformNoise",
    "linear_scale",
    "log_scale",
    "paper",
    "replay",
    "stretch",
]
