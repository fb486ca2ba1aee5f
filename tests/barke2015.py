"""Convert the eight measured patterns of Barke et al. (2015) to an HDF5 file that `invert predict` reads.

    python tests/barke2015.py FOLDER exp.h5

FOLDER holds barke1.png ... barke8.png: 128 x 128 pixels of 8-bit grey, the colour map of figures in
I. Barke et al., Nat. Commun. 6, 6187 (2015), doi 10.1038/ncomms7187, on the pixels of the default detector.
The colour map is undone by the piecewise linear curve that belongs to it, after which values are logarithmic
intensity. Masked are the pixels beyond the measured window (|column| < 35, |row| < 29, r < 38 px from the
beam), the beam hole and the saturated halo around it (r <= 6 px, or 0.97 and more). All are stored, with the
name of the body that Barke et al. found.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import h5py
import numpy as np
from matplotlib.image import imread
from numpy.typing import NDArray

MISSING, SATURATED, SHADOWED = 0x200, 0x2, 0x10

KNOTS = ((0.0, 0.0), (0.30, 0.38), (0.88, 0.7425), (1.0, 1.0))
"""Grey value of the figure, and logarithmic intensity."""


def linearise(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Undo the figures' colour map; 0.38 + 0.25 / 0.40 (x - 0.30) reaches 0.7425 at 0.88."""
    values, logarithms = zip(*KNOTS, strict=True)
    return np.interp(grey, values, logarithms)


def mask(image: NDArray[np.float64]) -> NDArray[np.uint32]:
    """CXI mask of one pattern: 0 is good."""
    row, column = np.indices(image.shape)
    row, column = row - image.shape[0] // 2, column - image.shape[1] // 2
    radius = np.hypot(row, column)
    bits = np.zeros(image.shape, dtype=np.uint32)
    bits[(abs(column) >= 35) | (abs(row) >= 29) | (radius >= 38)] |= MISSING
    bits[radius <= 6] |= SHADOWED
    bits[image >= 0.97] |= SATURATED
    return bits


def convert(folder: Path, out: Path) -> None:
    """Write the patterns of a folder to one HDF5 file."""
    with (folder / "labels.csv").open(newline="") as file:
        labels = {row["file"]: row["body"] for row in csv.DictReader(file)}
    images = []
    for name in labels:
        grey = np.asarray(imread(folder / name), dtype=np.float64)
        images.append(linearise(grey if grey.ndim == 2 else grey[..., 0]))
    stack = np.array(images)
    with h5py.File(out, "w") as target:
        target["cxi_version"] = 160
        data = target.create_group("entry_1/data_1")
        data["data"] = stack.astype(np.float32)
        data["data"].attrs["scale"] = "log"
        data["mask"] = np.array([mask(image) for image in stack])
        target["entry_1/instrument_1/source_1/wavelength"] = 13.5e-9
        target["entry_1/instrument_1/detector_1/q_step"] = 2 * np.pi / 850e-9
        target["entry_1/note_1/body"] = list(labels.values())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python tests/barke2015.py FOLDER OUT.h5")
    convert(Path(sys.argv[1]), Path(sys.argv[2]))
