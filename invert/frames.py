"""Measured frames from HDF5: this toolkit's files, CXI, NeXus, or any stack of images.

How they are found and read is in `invert.reading`.
"""

from invert.reading.frames import Frames
from invert.reading.opening import open_frames, read_frames
from invert.reading.options import Reading, parse_rows
from invert.reading.source import FrameSource, Portion

__all__ = [
    "FrameSource",
    "Frames",
    "Portion",
    "Reading",
    "open_frames",
    "parse_rows",
    "read_frames",
]
