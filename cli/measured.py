"""The commands that turn measured frames into particles: `invert predict` and `invert fit`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
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
    report,
)

if TYPE_CHECKING:
    from invert.estimate import Inversion
    from invert.frames import Frames
    from msft.detector import Detector

ModelFolder = Path("model")

FramesArgument = Annotated[Path, typer.Argument(help="HDF5 with measured frames (N, y, x).")]
Out = Annotated[Path | None, typer.Option("--out", "-o", help="[NAME.predictions.h5]")]
Dataset = Annotated[
    str | None, typer.Option("--dataset", help="Where the images are in the file [looked for].")
]
Mask = Annotated[Path | None, typer.Option("--mask", help="NumPy or HDF5 file of CXI bits (y, x), 0 = good.")]
Scale = Annotated[str, typer.Option("--scale", help="auto, linear or log.")]
Rows = Annotated[str, typer.Option("--frames", help="Which frames, as FIRST:LAST.")]
Pictures = Annotated[int, typer.Option("--pictures", min=0, help="Frames in the PNG.")]
FixedBeam = Annotated[bool, typer.Option("--fixed-beam", help="Forward fitting keeps the beam where it is.")]


def predict(
    frames: FramesArgument,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", help="A folder that `invert train` wrote [model, else the weights that ship]."
        ),
    ] = None,
    out: Out = None,
    dataset: Dataset = None,
    mask: Mask = None,
    scale: Scale = "auto",
    rows: Rows = ":",
    keep: Annotated[
        str | None, typer.Option("--keep", help="Only frames of these labels, as 'prolate & ~empty'.")
    ] = None,
    classes: Annotated[
        Path | None, typer.Option("--classes", help="What `invert classify` wrote [NAME.classes.h5].")
    ] = None,
    pictures: Pictures = 6,
    refine: Annotated[
        bool, typer.Option("--refine", help="Polish every estimate by forward fitting.")
    ] = False,
    patterns: Annotated[int, typer.Option(help="Patterns --refine may simulate for a frame.")] = 200,
    fixed_beam: FixedBeam = False,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames with a network: predictions as HDF5 and CSV, and a PNG of the first frames."""
    with one_line_errors():
        if keep is not None and classes is None:
            from invert.classify import classes_of

            classes = classes_of(frames)
        outputs = Outputs.checked(out, frames, mask, classes)
        from invert import checkpoint, predictions, shipped
        from invert.frames import parse_rows, read_frames
        from invert.model import pick_device
        from invert.predict import predict as invert_frames
        from invert.refine import Refinement
        from invert.refine import refine as polish

        loaded = checkpoint.load(shipped.find(model))
        configuration = loaded.model.configuration
        refinement = Refinement(configuration.radius_range, patterns, free_beam=not fixed_beam)
        if refine:
            refinement.check(configuration.simulation, seed)
        loaded.model.to(pick_device(device))
        measured = read_frames(frames, dataset, mask, scale, parse_rows(rows))
        if keep is not None and classes is not None:
            from invert.keep import kept

            measured = kept(measured, keep, classes)
        with progress_bar("inverting", len(measured.images), quiet or as_json) as progress:
            inversion = invert_frames(loaded, measured, progress)
        weights = {"weights": str(loaded.path), "weights_sha256": loaded.digest}
        lines = shipped.describe(loaded)
        sigma_means = "the network's own: covers 68 % of the errors on held-out patterns as it was trained on"
        if refine:
            lines.append("network alone: " + predictions.medians(inversion, measured.truth))
            with progress_bar("refining", len(measured.images), quiet or as_json) as progress:
                inversion = polish(
                    inversion.estimates, measured, configuration.simulation, refinement, seed, progress
                )
            sigma_means = CURVATURE
        files = outputs.write(
            inversion,
            measured,
            configuration.simulation.detector,
            pictures,
            {"program": "invert predict", **weights},
            sigma_means,
        )
        _report(inversion, measured, files, lines, quiet, as_json)


def fit(
    frames: FramesArgument,
    out: Out = None,
    dataset: Dataset = None,
    mask: Mask = None,
    scale: Scale = "auto",
    rows: Rows = ":",
    pictures: Pictures = 6,
    starts: Annotated[int | None, typer.Option(help="Random starts [50].")] = None,
    steps: Annotated[int | None, typer.Option(help="Nelder-Mead steps of each start [50].")] = None,
    radius_min: Annotated[float | None, typer.Option(help="Smallest radius in nm [30].")] = None,
    radius_max: Annotated[float | None, typer.Option(help="Largest radius in nm [160].")] = None,
    body: Annotated[str | None, typer.Option(help="Name of the body [the file's, or icosahedron].")] = None,
    center: Annotated[
        str | None, typer.Option("--center", help="ROW,COLUMN of the beam in pixels [the middle].")
    ] = None,
    fixed_beam: FixedBeam = False,
    no_polish: Annotated[
        bool, typer.Option("--no-polish", help="Stop where the simplices end, as the papers do.")
    ] = False,
    absorption: Absorption = None,
    absorption_length: AbsorptionLength = None,
    wavelength: Annotated[float | None, typer.Option(help="In nm [the file's, or 13.5].")] = None,
    solver: Annotated[str | None, typer.Option(help="Of the simulation [exact].")] = None,
    config: Config = None,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames by forward fitting alone: a Monte Carlo simplex, then a gradient method."""
    with one_line_errors():
        outputs = Outputs.checked(out, frames, mask)
        from invert.fit import MonteCarloSimplex
        from invert.fit import fit as fit_frames
        from invert.frames import parse_rows, read_frames
        from invert.setting import beam_at, simulation_of
        from msft.configuration import from_mapping

        file = read_configuration(config, (*TRAINING_TABLES, "particles"))
        given = {
            "starts": starts,
            "steps": steps,
            "radius_range": _range(radius_min, radius_max),
            "free_beam": False if fixed_beam or solver not in (None, "exact") else None,
            "polished": False if no_polish else None,
        }
        searches = merged({"search": file.pop("search", {})}, {"search": given})
        search = from_mapping(MonteCarloSimplex, searches.get("search", {}), "search")
        measured = read_frames(frames, dataset, mask, scale, parse_rows(rows))
        optics = {
            "absorption": absorption,
            "absorption_length": absorption_length,
            "wavelength": wavelength,
        }
        simulation = simulation_of(measured, merged(file, {"optics": optics, "solver": solver}))
        name = body or (measured.truth.body if measured.truth is not None else "icosahedron")
        beam = beam_at(center, measured)
        with progress_bar("fitting", len(measured.images), quiet or as_json) as progress:
            inversion = fit_frames(measured, simulation, name, search, seed, beam, progress)
        files = outputs.write(
            inversion,
            measured,
            simulation.detector,
            pictures,
            {"program": "invert fit", "seed": seed},
            CURVATURE,
        )
        lines = [
            f"{search.starts} starts of {search.steps} steps each, "
            f"{simulation.optics.absorption} absorption, solver {simulation.solver}"
        ]
        _report(inversion, measured, files, lines, quiet, as_json)


CURVATURE = "per axis, from the curvature of the misfit and the residuals; without errors of the physics"


@dataclass(frozen=True)
class Outputs:
    """The files that a command writes about frames."""

    predictions: Path
    table: Path
    picture: Path

    @classmethod
    def checked(cls, out: Path | None, frames: Path, *others: Path | None) -> Outputs:
        """Where they go; refused before any work if one could not be written."""
        from msft.output import check_writable

        target = out or frames.with_suffix(".predictions.h5")
        outputs = cls(target, target.with_suffix(".csv"), target.with_suffix(".png"))
        inputs = [frames, *(path for path in others if path)]
        check_writable(outputs.predictions, inputs=inputs, suffixes=[".h5", ".hdf5", ".cxi"])
        for path in (outputs.table, outputs.picture):
            check_writable(path, inputs=inputs)
        return outputs

    def write(
        self,
        inversion: Inversion,
        measured: Frames,
        detector: Detector,
        pictures: int,
        provenance: dict[str, Any],
        sigma_means: str,
    ) -> list[Path]:
        """Write them, and say which."""
        from invert import figures, predictions

        provenance = {"command": command_line(), **provenance}
        predictions.write_predictions(self.predictions, inversion, measured, provenance, sigma_means)
        predictions.write_table(self.table, inversion.estimates)
        if not pictures:
            return [self.predictions, self.table]
        shown = predictions.shown(inversion, measured, pictures, detector)
        figures.save(figures.comparison(shown), self.picture)
        return [self.predictions, self.table, self.picture]


def _report(
    inversion: Inversion,
    measured: Frames,
    files: list[Path],
    lines: list[str],
    quiet: bool,
    as_json: bool,
) -> None:
    from invert import predictions

    estimates = inversion.estimates
    result = {
        "files": [str(path) for path in files],
        "frames": len(estimates),
        "agreement": estimates.agreement.tolist(),
        "patterns_used": estimates.patterns_used.tolist(),
    }
    text = [
        f"{len(estimates)} frames from {measured.source} ({measured.scale} scale)",
        *lines,
        *predictions.lines(inversion, measured.truth),
        "wrote " + ", ".join(map(str, files)),
    ]
    report(result, text, quiet, as_json)


def _range(low: float | None, high: float | None) -> list[float] | None:
    """A radius range of which one end or both are given."""
    if low is None and high is None:
        return None
    return [30.0 if low is None else low, 160.0 if high is None else high]
