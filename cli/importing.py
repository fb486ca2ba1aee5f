"""The command `invert import`: pictures and arrays as a file that every inverter reads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast, get_args

import typer

from .common import HDF5, Force, Json, Quiet, command_line, one_line_errors, report
from .progress import progress_bar

NOT_STATED = "[not stated]."
"""What a picture's file says of an option that is not given."""


def import_pictures(
    pictures: Annotated[list[Path], typer.Argument(help="PNG, TIFF or .npy files, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="HDF5 file to write.")] = Path("frames.h5"),
    scale: Annotated[str | None, typer.Option("--scale", help=f"linear or log {NOT_STATED}")] = None,
    center: Annotated[
        str | None, typer.Option("--center", help=f"ROW,COLUMN of the beam in pixels {NOT_STATED}")
    ] = None,
    wavelength: Annotated[float | None, typer.Option("--wavelength", help=f"In nm {NOT_STATED}")] = None,
    pixel_size: Annotated[
        float | None,
        typer.Option("--pixel-size", help=f"Width of a flat detector's pixel in mm {NOT_STATED}"),
    ] = None,
    distance: Annotated[
        float | None, typer.Option("--distance", help=f"To a flat detector in mm {NOT_STATED}")
    ] = None,
    q_step: Annotated[
        float | None,
        typer.Option(
            "--q-step", help=f"Width of a pixel in nm^-1, on frames that are linear in q {NOT_STATED}"
        ),
    ] = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Turn pictures of one size into frames of one HDF5 file."""
    with one_line_errors():
        from dataclasses import replace

        from invert.pictures import import_pictures as write
        from invert.pictures import pictures_in
        from invert.reading.options import ESTIMATE, parse_center
        from msft.dataset import Scale
        from msft.errors import ParameterError
        from msft.output import check_writable

        from .reading import stated_instrument

        if scale not in (None, *get_args(Scale)):
            raise ParameterError("scale", scale, "linear or log")
        check_writable(out, force, inputs=pictures, suffixes=HDF5)
        instrument = stated_instrument(wavelength, pixel_size, distance, q_step)
        if center == ESTIMATE:
            raise ParameterError("center", center, "ROW,COLUMN in pixels; what reads the file estimates it")
        if center is not None:
            instrument = replace(instrument, center=parse_center(center))
        with progress_bar("importing", len(list(pictures_in(pictures))), quiet or as_json) as progress:
            count = write(
                pictures,
                out,
                instrument,
                cast("Scale | None", scale),
                {"program": "invert import", "command": command_line()},
                progress,
            )
        report({"file": out, "frames": count}, [f"{out}: {count} frames"], quiet, as_json)
