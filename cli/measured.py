"""The commands that turn measured frames into particles: `invert predict` and `invert fit`."""

from __future__ import annotations

import json
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from msft.errors import ParameterError

from .common import (
    POPULATION_TABLES,
    TRAINING_TABLES,
    Absorption,
    AbsorptionLength,
    Config,
    Device,
    Json,
    Quiet,
    Seed,
    command_line,
    merged,
    one_line_errors,
    progress_bar,
    read_configuration,
)
from .outputs import Outputs
from .reading import (
    Center,
    Dataset,
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
    as_options,
    reading_of,
)

if TYPE_CHECKING:
    from invert.checkpoint import Checkpoint
    from invert.fitting.refine import Refinement
    from invert.frames import FrameSource
    from invert.inverter import Inverter

RADII = 20
"""Tried by --refine before it polishes: one every 7 nm in the papers' range."""

Model = Annotated[
    Path | None,
    typer.Option("--model", help="A folder that `invert train` wrote [model, else the weights that ship]."),
]
Refine = Annotated[bool, typer.Option("--refine", help="Polish every estimate by forward fitting.")]
Patterns = Annotated[int, typer.Option("--patterns", help="Patterns --refine may simulate for a frame.")]
Pictures = Annotated[int, typer.Option("--pictures", min=0, help="Frames in the PNG.")]
FixedBeam = Annotated[bool, typer.Option("--fixed-beam", help="Forward fitting keeps the beam where it is.")]
Page = Annotated[
    bool | None,
    typer.Option("--report/--no-report", help="Write an HTML page [if plotly is installed]."),
]


def predict(
    frames: FramesArgument,
    model: Model = None,
    out: Out = None,
    dataset: Dataset = None,
    mask: Mask = None,
    mask_good: MaskGood = 0,
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
    jobs: Annotated[
        int,
        typer.Option(
            "--jobs",
            min=1,
            help="Processes, without --refine; one cannot keep a GPU busy with thousands of frames.",
        ),
    ] = 1,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames with a network: predictions as HDF5, CSV and HTML, and a PNG of some.

    Killed at any moment, the same command goes on where it stopped.
    """
    with one_line_errors():
        if refine and jobs > 1:
            raise ParameterError("jobs", jobs, "1 with --refine")
        reading = reading_of(
            dataset, mask, mask_good, scale, center, wavelength, pixel_size, distance, q_step
        )
        if keep is not None and classes is None:
            from invert.labelling.classify import classes_of

            classes = classes_of(frames)
        outputs = Outputs.checked(out, frames, [mask, classes], page)
        from invert import shipped
        from invert.frames import open_frames, parse_rows
        from invert.kept import replacing
        from invert.labelling.keep import select
        from invert.processes import InvertingProcesses
        from invert.reading.options import chosen
        from invert.stream import invert_stream

        chosen_rows = parse_rows(rows)
        inverter = inverter_of(model, refine, patterns, fixed_beam, seed, device)
        configuration = inverter.checkpoint.model.configuration
        with open_frames(frames, reading) as source:
            source.onto(configuration.simulation.detector, configuration.simulation.optics.wavelength)
            wanted = chosen(chosen_rows, len(source))
            selection = None if keep is None or classes is None else select(keep, classes, source)
            count = len(wanted if selection is None else selection.numbers(wanted))
            with (
                replacing(outputs.predictions) as kept,
                progress_bar("inverting", count, quiet or as_json) as progress,
                nullcontext() if jobs == 1 else InvertingProcesses(source, inverter, jobs) as processes,
            ):
                before = invert_stream(
                    source,
                    chosen_rows,
                    inverter,
                    outputs.predictions,
                    {**as_options(reading), **options_of(inverter)},
                    provenance_of(inverter, "invert predict"),
                    progress,
                    selection,
                    processes,
                )
            lines = shipped.describe(inverter.checkpoint)
            lines += [f"{before} frames were done before"] if before else []
            if inverter.alone.agreement:
                lines.append("network alone: " + inverter.alone.line())
            notes = [*source_notes(source), *kept]
            outputs.finish(source.truth, pictures, notes, lines, quiet, as_json, classes)


def inverter_of(
    model: Path | None, refine: bool, patterns: int, fixed_beam: bool, seed: int, device: str
) -> Inverter:
    """A network from its folder, with forward fitting if that is wanted."""
    from invert import checkpoint, shipped
    from invert.inverter import Inverter
    from invert.model import pick_device
    from msft.seeding import check_seed

    check_seed(seed)
    loaded: Checkpoint = checkpoint.load(shipped.find(model))
    refinement = _refinement(loaded, patterns, fixed_beam, seed) if refine else None
    loaded.model.to(pick_device(device))
    return Inverter(loaded, refinement, seed)


def _refinement(loaded: Checkpoint, patterns: int, fixed_beam: bool, seed: int) -> Refinement:
    from invert.fitting.refine import Refinement

    configuration = loaded.model.configuration
    refinement = Refinement(configuration.radius_range, patterns, free_beam=not fixed_beam, radii=RADII)
    refinement.check(configuration.simulation, seed)
    return refinement


def options_of(inverter: Inverter) -> dict[str, Any]:
    """What the answers depend on besides the frames and the weights."""
    if inverter.refinement is None:
        return {"refinement": None}
    return {"refinement": asdict(inverter.refinement), "seed": inverter.seed}


def provenance_of(inverter: Inverter, program: str) -> dict[str, Any]:
    """For the file of predictions."""
    checkpoint = inverter.checkpoint
    return {
        "program": program,
        "command": command_line(),
        "seed": inverter.seed,
        "weights": str(checkpoint.path),
        "weights_sha256": checkpoint.digest,
    }


def source_notes(source: FrameSource) -> list[str]:
    """What was found and decided about the frames, for people."""
    return [f"{len(source)} frames in {source.path.name} ({source.scale} scale)", *source.notes]


def fit(
    frames: FramesArgument,
    out: Out = None,
    dataset: Dataset = None,
    mask: Mask = None,
    mask_good: MaskGood = 0,
    scale: Scale = "auto",
    pixel_size: PixelSize = None,
    distance: Distance = None,
    q_step: QStep = None,
    rows: Rows = ":",
    pictures: Pictures = 6,
    starts: Annotated[int | None, typer.Option(help="Random starts [50].")] = None,
    steps: Annotated[int | None, typer.Option(help="Nelder-Mead steps of each start [50].")] = None,
    radius_min: Annotated[float | None, typer.Option(help="Smallest radius in nm [30].")] = None,
    radius_max: Annotated[float | None, typer.Option(help="Largest radius in nm [160].")] = None,
    body: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of the body [the file's, or icosahedron]; given several times, each frame is told "
            "the one that explains it best."
        ),
    ] = None,
    center: Center = None,
    fixed_beam: FixedBeam = False,
    no_polish: Annotated[
        bool, typer.Option("--no-polish", help="Stop where the simplices end, as the papers do.")
    ] = False,
    absorption: Absorption = None,
    absorption_length: AbsorptionLength = None,
    wavelength: Annotated[float | None, typer.Option(help="In nm [the file's, or 13.5].")] = None,
    solver: Annotated[str | None, typer.Option(help="Of the simulation [exact].")] = None,
    page: Page = None,
    config: Config = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames by forward fitting alone: a Monte Carlo simplex, then a gradient method."""
    with one_line_errors():
        reading = reading_of(dataset, mask, mask_good, scale, center, None, pixel_size, distance, q_step)
        outputs = Outputs.checked(out, frames, [mask], page)
        from invert.fitting.fit import MonteCarloSimplex
        from invert.fitting.fit import fit as fit_frames
        from invert.fitting.setting import beam_at, instrument_of, simulation_of
        from invert.frames import open_frames, parse_rows
        from invert.inverter import CURVATURE
        from invert.kept import replacing
        from invert.predictions import write_predictions
        from invert.reading.opening import require_readable
        from invert.reading.options import chosen
        from msft.configuration import from_mapping

        file = read_configuration(config, (*TRAINING_TABLES, *POPULATION_TABLES))
        # only the exact solver moves the beam
        held = {} if (solver or file.get("solver", "exact")) == "exact" else {"free_beam": False}
        given = {
            "starts": starts,
            "steps": steps,
            "free_beam": False if fixed_beam else None,
            "polished": False if no_polish else None,
        }
        searches = merged({"search": held}, {"search": file.pop("search", {})}, {"search": given})
        search = from_mapping(MonteCarloSimplex, searches.get("search", {}), "search")
        low, high = search.radius_range
        low, high = low if radius_min is None else radius_min, high if radius_max is None else radius_max
        search = replace(search, radius_range=(low, high))
        chosen_rows = parse_rows(rows)
        settings: dict[str, Any] = {
            "optics": {
                "absorption": absorption,
                "absorption_length": absorption_length,
                "wavelength": wavelength,
            },
            "detector": {"pixel_size": pixel_size, "distance": distance, "q_step": q_step},
            "solver": solver,
        }
        with open_frames(frames, reading) as source:
            source.agree()
            measured = source.read(chosen(chosen_rows, len(source)))
            require_readable(frames, measured.readable)
            simulation = simulation_of(measured, merged(file, settings))
            source.doubt(simulation.detector, simulation.optics.wavelength)
            notes = source_notes(source)
        notes.append(instrument_of(simulation, measured).line())
        known = {"icosahedron"} if measured.truth is None else set(measured.truth.bodies.tolist())
        bodies = body or sorted(known)
        if measured.truth is not None and (measured.truth.stretch != 1).any():
            notes.append("warning: the file's particles are stretched, those that are fitted are not")
        beam = beam_at(None, measured)
        with progress_bar("fitting", len(measured.images), quiet or as_json) as progress:
            inversion = fit_frames(measured, simulation, bodies, search, seed, beam, progress)
        provenance = {
            "program": "invert fit",
            "command": command_line(),
            "seed": seed,
            "notes": json.dumps(source.notes),
        }
        with replacing(outputs.predictions) as kept:
            write_predictions(outputs.predictions, inversion, measured, provenance, CURVATURE, simulation)
        notes += kept
        lines = [
            f"{search.starts} starts of {search.steps} steps each with {' or '.join(bodies)}, "
            f"{simulation.optics.absorption} absorption, solver {simulation.solver}"
        ]
        truth, first = measured.truth, int(measured.numbers[0])
        outputs.finish(
            lambda numbers: None if truth is None else truth[numbers - first],
            pictures,
            notes,
            lines,
            quiet,
            as_json,
        )
