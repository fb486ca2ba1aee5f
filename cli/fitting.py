"""The command `invert fit`: measured frames to particles by forward fitting."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import typer

from .common import (
    POPULATION_TABLES,
    TRAINING_TABLES,
    Absorption,
    AbsorptionLength,
    Config,
    Json,
    Quiet,
    Seed,
    command_line,
    merged,
    one_line_errors,
    read_configuration,
)
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
    stated_instrument,
)


def fit(
    frames: FramesArgument,
    out: Out = None,
    dataset: Dataset = None,
    mask: Mask = None,
    mask_good: MaskGood = 0,
    defects: Defects = "hide",
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
    jobs: Jobs = 1,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames by forward fitting alone: a Monte Carlo simplex, then a gradient method.

    Killed at any moment, the same command goes on where it stopped.
    """
    with one_line_errors():
        from invert.frames import Reading, open_frames, parse_rows

        instrument = stated_instrument(None, pixel_size, distance, q_step)
        reading = Reading(dataset, mask, mask_good, scale, center, instrument, defects)
        outputs = Outputs.checked(out, frames, [mask], page)
        import numpy as np

        from invert.fitting.fit import MonteCarloSimplex
        from invert.fitting.setting import beam_at, instrument_of, simulation_of
        from invert.fitting_inverter import FittingInverter
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
            wanted = chosen(chosen_rows, len(source))
            one = source.read(wanted[:1])
            simulation = simulation_of(one, merged(file, settings))
            source.doubt(simulation.detector, simulation.optics.wavelength)
            one = replace(one, center=source.instrument.center)  # perhaps estimated again
            truth = source.truth(np.asarray(wanted))
            known = {"icosahedron"} if truth is None else set(truth.bodies.tolist())
            bodies = body or sorted(known)
            inverter = FittingInverter(simulation, bodies, search, seed, beam_at(None, one))
            inverter.adjust(source)
            source.notes.append(instrument_of(simulation, one).line())
            if truth is not None and (truth.stretch != 1).any():
                source.notes.append(
                    "warning: the file's particles are stretched, those that are fitted are not"
                )
            _, notes = invert_file(
                source,
                chosen_rows,
                inverter,
                outputs,
                reading,
                {"program": "invert fit", "command": command_line(), "seed": seed},
                jobs,
                quiet or as_json,
            )
            lines = [
                f"{search.starts} starts of {search.steps} steps each with {' or '.join(bodies)}, "
                f"{simulation.optics.absorption} absorption, solver {simulation.solver}"
            ]
            outputs.finish(source.truth, pictures, notes, lines, quiet, as_json)
