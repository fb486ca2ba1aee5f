"""The command `invert watch`: frames inverted as they appear."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .common import Device, Json, Quiet, Seed, command_line, one_line_errors
from .inverting import FixedBeam
from .prediction import Model, Patterns, Refine, inverter_of
from .reading import (
    Center,
    Dataset,
    Defects,
    Distance,
    Mask,
    MaskGood,
    PixelSize,
    QStep,
    Scale,
    StatedWavelength,
    stated_instrument,
)


def watch(
    folder: Annotated[Path, typer.Argument(help="Where files with frames appear.")],
    model: Model = None,
    dataset: Dataset = None,
    mask: Mask = None,
    mask_good: MaskGood = 0,
    defects: Defects = "hide",
    scale: Scale = "auto",
    center: Center = None,
    wavelength: StatedWavelength = None,
    pixel_size: PixelSize = None,
    distance: Distance = None,
    q_step: QStep = None,
    refine: Refine = False,
    patterns: Patterns = 200,
    fixed_beam: FixedBeam = False,
    interval: Annotated[float, typer.Option("--interval", min=0.05, help="Seconds between two looks.")] = 1.0,
    until_idle: Annotated[
        float | None,
        typer.Option("--until-idle", min=0.0, help="Stop when nothing was new for so many seconds [never]."),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert the files of a folder as they appear, and a file that grows (SWMR) frame by frame.

    Each file gets its NAME.predictions.h5 and .csv when its writer has closed it, or has added nothing for a
    minute; forward fits that have this name are kept under another one. A file that cannot be used is
    reported on stderr and left alone. Ctrl-C ends it.
    """
    with one_line_errors():
        from invert import shipped
        from invert.frames import Reading
        from invert.watch import watch_folder
        from invert.watched import Watched

        instrument = stated_instrument(wavelength, pixel_size, distance, q_step)
        reading = Reading(dataset, mask, mask_good, scale, center, instrument, defects)
        inverter = inverter_of(model, refine, patterns, fixed_beam, seed, device)

        def say(found: Watched) -> None:
            if as_json:
                print(json.dumps(asdict(found), default=str), flush=True)
            elif not quiet:
                print(found.line(), flush=True)

        def tell(path: Path, text: str) -> None:
            line = " ".join(f"{path.name}: {text}".split())
            if text.startswith(("warning", "error")):
                typer.echo(line, err=True)
            elif not (quiet or as_json):
                print(line, flush=True)

        if not (quiet or as_json):
            print(f"watching {folder}; {shipped.describe(inverter.checkpoint)[0]}", flush=True)
        provenance = {"program": "invert watch", "command": command_line()}
        watch_folder(
            folder, reading, inverter, provenance, say, tell, interval=interval, until_idle=until_idle
        )
