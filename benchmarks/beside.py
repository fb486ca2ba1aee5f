"""What inverting a file costs the processors beside a GPU, measured without one.

    python benchmarks/beside.py [--frames 4096] [--no-isal]

A network that has all answers at once stands for the GPU: what is left is reading and writing. Printed for a
frame: seconds of processors in all; those that the threads cannot share, since the interpreter or h5py's lock
is held (all but compressing, decompressing, converting); and how long it takes when what the threads share
costs no processor, but a pause as long: with processors to spare, reading, writing and their waiting for
each other are what bounds the rate.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import record  # first: see there
import h5py  # isort: skip
import numpy as np
import torch

from invert import checkpoint, predict, reading, stream
from invert.estimate import Inversion
from invert.frames import open_frames
from invert.shipped import WEIGHTS
