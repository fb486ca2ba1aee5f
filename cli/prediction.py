"""The command `invert predict`: measured frames to particles by a network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Device, Json, Quiet, Seed, command_line, one_line_errors
from .inverting import FixedBeam, Jobs, Page, Pictures, invert_file
from .outputs import Outputs
from .reading import (
    Center,
    Dataset,
    Defects,
    Distance,
    FramesArgument,
    Mask,
    MaskGood,
    Out,
    PixelSize,
    QStep,
    Rows,
    Scale,
    StatedWavelength,
    stated_instrument,
)

if TYPE_CHECKING:
    from invert.checkpoint import Checkpoint
    from invert.fitting.refine import Refinement
    from invert.network_inverter import NetworkInverter

Model = Annotated[
    Path | None,
    typer.Option("--model", help="A folder that `invert train` wrote [model, else the weights that ship]."),
]
Refine = Annotated[bool, typer.Option("--refine", help="Polish every estimate by forward fitting.")]
Patterns = Annotated[int, typer.Option("--patterns", help="Patterns --refine may simulate for a frame.")]


def predict(
    frames: FramesArgument,
    model: Model = None,
    out: Out = None,
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
    rows: Rows = ":",
    keep: Annotated[
        str | None, typer.Option("--keep", help="Only frames of these labels, as 'prolate & ~empty'.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option("--classes", help="What `invert classify` wrote [NAME.classes.h5].")
    ] = None,
    pictures: Pictures = 6,
    refine: Refine = False,
    patterns: Patterns = 200,
    fixed_beam: FixedBeam = False,
    page: Page = None,
    jobs: Jobs = 1,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames with a network: predictions as HDF5, CSV and HTML, and a PNG of some.

    Killed at any moment, the same command goes on where it stopped.
    """
    with one_line_errors():
        from invert.frames import Reading, open_frames, parse_rows

        instrument = stated_instrument(wavelength, pixel_size, distance, q_step)
        reading = Reading(dataset, mask, mask_good, scale, center, instrument, defects)
        if keep is not None and classes is None:
            from invert.labelling.classify import classes_of

            classes = classes_of(frames)
        outputs = Outputs.checked(out, frames, [mask, classes], page)
        from invert import shipped
        from invert.labelling.keep import select

        chosen_rows = parse_rows(rows)
        inverter = inverter_of(model, refine, patterns, fixed_beam, seed, device)
        with open_frames(frames, reading) as source:
            inverter.adjust(source)
            selection = None if keep is None or classes is None else select(keep, classes, source)
            streamed, notes = invert_file(
                source,
                chosen_rows,
                inverter,
                outputs,
                reading,
                _provenance(inverter),
                jobs,
                quiet or as_json,
                selection,
            )
            lines = shipped.describe(inverter.checkpoint)
            if streamed.alone.agreement:
                lines.append("network alone: " + streamed.alone.line())
            outputs.finish(source.truth, pictures, notes, lines, quiet, as_json, classes)


def inverter_of(
    model: Path | None, refine: bool, patterns: int, fixed_beam: bool, seed: int, device: str
) -> NetworkInverter:
    """A network from its folder, with forward fitting if that is wanted."""
    from invert import checkpoint, shipped
    from invert.model import pick_device
    from invert.network_inverter import NetworkInverter
    from msft.seeding import check_seed

    check_seed(seed)
    loaded: Checkpoint = checkpoint.load(shipped.find(model))
    refinement = _refinement(loaded, patterns, fixed_beam, seed) if refine else None
    loaded.model.to(pick_device(device))
    return NetworkInverter(loaded, refinement, seed)


def _refinement(loaded: Checkpoint, patterns: int, fixed_beam: bool, seed: int) -> Refinement:
    from invert.fitting.refine import Refinement

    configuration = loaded.model.configuration
    refinement = Refinement(configuration.radius_range, patterns, free_beam=not fixed_beam)
    refinement.check(configuration.simulation, seed)
    return refinement


def _provenance(inverter: NetworkInverter) -> dict[str, Any]:
    """For the file of predictions."""
    return {
        "program": "invert predict",
        "command": command_line(),
        "seed": inverter.seed,
        "weights": str(inverter.checkpoint.path),
        "weights_sha256": inverter.checkpoint.digest,
    }
