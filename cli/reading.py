"""Options of every command that reads measured frames."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from invert.frames import Reading
    from invert.reading.instrument import Instrument

FramesArgument = Annotated[Path, typer.Argument(help="HDF5 with measured frames (N, y, x).")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="[NAME.predictions.h5]")]
Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Where the images are in the file [looked for].")
]
Mask = Annotated[Path | None, typer.Option("--mask", help="NumPy or HDF5 file of CXI bits (y, x), 0 = good.")]
MaskGood = Annotated[
    int,
    typer.Option(
        "--mask-good",
        help="Value of a good pixel in --mask, or without it in the file's masks: 0 (CXI bits), or 1.",
    ),
]
Scale = Annotated[str, typer.Option("--scale", help="auto, linear or log.")]
Defects = Annotated[
    str,
    typer.Option(
        "--defects",
        help="Hot pixels, and parts that are always dark, which no mask names: hide or tell.",
    ),
]
Rows = Annotated[str, typer.Option("--frames", help="Which frames, as FIRST:LAST.")]
Center = Annotated[
    str | None,
    typer.Option(
        "--center", help="ROW,COLUMN of the beam in pixels, or estimate [the file's, or the middle]."
    ),
]
StatedWavelength = Annotated[float | None, typer.Option("--wavelength", help="In nm [the file's].")]
PixelSize = Annotated[
    float | None, typer.Option("--pixel-size", help="Width of a flat detector's pixel in mm [the file's].")
]
Distance = Annotated[float | None, typer.Option("--distance", help="To a flat detector in mm [the file's].")]
QStep = Annotated[
    float | None,
    typer.Option("--q-step", help="Width of a pixel in nm^-1, on frames that are linear in q [the file's]."),
]


def stated_instrument(
    wavelength: float | None, pixel_size: float | None, distance: float | None, q_step: float | None
) -> Instrument:
    """What the options say of the light and the detector.

    Raises
    ------
    ParameterError
        If they state the pixels' width twice, or a number that is none.
    """
    from invert.reading.instrument import Instrument
    from msft.errors import ParameterError

    if q_step is not None and (pixel_size is not None or distance is not None):
        raise ParameterError("q_step", q_step, "a q-step or a pixel size with a distance, not both")
    size = None if pixel_size is None else (pixel_size, pixel_size)
    return Instrument(wavelength=wavelength, q_step=q_step, pixel_size=size, distance=distance)


def as_options(reading: Reading) -> dict[str, Any]:
    """What the answers depend on, for telling whether a run can go on where another one stopped."""
    options = asdict(reading)
    del options["hidden"]  # it is found in the frames, not said
    options["mask"] = None if reading.mask is None else _digest(reading.mask)
    return options


def _digest(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else str(path)
