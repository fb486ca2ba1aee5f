"""The command `invert`: train networks and invert measured frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .augmentation import augment
from .common import (
    SIMULATION_TABLES,
    Config,
    Device,
    Force,
    Json,
    Quiet,
    Seed,
    command_line,
    merged,
    one_line_errors,
    progress_bar,
    read_configuration,
    report,
    run,
)

app = typer.Typer(
    help="Turn wide-angle diffraction patterns into particles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(augment)

DatasetArgument = Annotated[Path, typer.Argument(help="A dataset of `msft generate`.")]
ModelFolder = Path("model")


@app.command()
def train(
    dataset: DatasetArgument = Path("dataset.h5"),
    preset: Annotated[str, typer.Option("--preset", help="paper or quick.")] = "quick",
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = ModelFolder,
    images: Annotated[int | None, typer.Option(help="Training images shown in all [by the preset].")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random number [0].")] = None,
    device: Device = "auto",
    config: Config = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a network on a dataset and report its errors on held-out patterns."""
    with one_line_errors():
        from invert.presets import Preset
        from invert.presets import preset as named
        from msft.configuration import from_mapping, to_mapping

        file = read_configuration(config, SIMULATION_TABLES)
        chosen = from_mapping(
            Preset,
            merged(to_mapping(named(preset)), file, {"training": {"images": images, "seed": seed}}),
        )
        from invert.model import pick_device
        from invert.train import train as fit

        target = pick_device(device)
        with progress_bar("training", chosen.training.images, quiet or as_json) as progress:
            trained = fit(
                dataset, out, chosen, target, force=force, command=command_line(), progress=progress
            )
        lines = [f"{out}: preset {preset}, trained on {target.type}", *trained.evaluation.lines()]
        report({"model": out, "errors": trained.evaluation.as_dict()}, lines, quiet, as_json)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A folder that `invert train` wrote.")],
    dataset: DatasetArgument,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="JSON to write, and PNG beside it [FILE.evaluation.json]."),
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Report a model's errors on a dataset that it was not trained on."""
    with one_line_errors():
        from msft.output import check_writable, whole

        target = out or dataset.with_suffix(".evaluation.json")
        picture = target.with_suffix(".png")
        check_writable(target, inputs=[dataset], suffixes=[".json"])
        check_writable(picture, inputs=[dataset])
        from invert import checkpoint, figures
        from invert.data import read_dataset
        from invert.evaluate import evaluate as judge
        from invert.model import pick_device

        loaded = checkpoint.load(model)
        loaded.model.to(pick_device(device))
        result = judge(loaded.model, read_dataset(dataset), seed)
        with whole(target) as temporary:
            temporary.write_text(json.dumps(result.as_dict(), indent=2) + "\n")
        figures.save(figures.error_histogram(result.cases["identity"]), picture)
        report(result.as_dict(), [*result.lines(), str(target), str(picture)], quiet, as_json)


@app.command()
def predict(
    frames: Annotated[Path, typer.Argument(help="HDF5 with measured frames (N, y, x).")],
    model: Annotated[Path, typer.Option("--model", help="A folder that `invert train` wrote.")] = ModelFolder,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="[NAME.predictions.h5]")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Where the images are in the file [looked for].")
    ] = None,
    mask: Annotated[
        Path | None, typer.Option("--mask", help="NumPy or HDF5 file of CXI bits (y, x), 0 = good.")
    ] = None,
    scale: Annotated[str, typer.Option("--scale", help="auto, linear or log.")] = "auto",
    rows: Annotated[str, typer.Option("--frames", help="Which frames, as FIRST:LAST.")] = ":",
    pictures: Annotated[int, typer.Option("--pictures", min=0, help="Frames in the PNG.")] = 6,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Invert measured frames: predictions as HDF5 and CSV, and a PNG of the first frames."""
    with one_line_errors():
        from msft.output import check_writable

        target = out or frames.with_suffix(".predictions.h5")
        table, picture = target.with_suffix(".csv"), target.with_suffix(".png")
        inputs = [frames, *([mask] if mask else [])]
        check_writable(target, inputs=inputs, suffixes=[".h5", ".hdf5", ".cxi"])
        for path in (table, picture):
            check_writable(path, inputs=inputs)
        from invert import checkpoint, figures, predictions
        from invert.frames import parse_rows, read_frames
        from invert.model import pick_device
        from invert.predict import predict as invert_frames

        loaded = checkpoint.load(model)
        loaded.model.to(pick_device(device))
        measured = read_frames(frames, dataset, mask, scale, parse_rows(rows))
        with progress_bar("inverting", len(measured.images), quiet or as_json) as progress:
            prediction = invert_frames(loaded, measured, progress)
        provenance = {"command": command_line(), "weights": str(loaded.path), "weights_sha256": loaded.digest}
        predictions.write_predictions(target, prediction, measured, provenance)
        predictions.write_table(table, prediction.estimates)
        written = [target, table]
        if pictures:
            figures.save(
                figures.comparison(predictions.shown(prediction, measured, pictures, loaded)), picture
            )
            written.append(picture)
        estimates = prediction.estimates
        lines = [
            f"{len(estimates)} frames from {measured.source} ({measured.scale} scale), "
            f"weights {loaded.path} ({loaded.digest})",
            *predictions.lines(prediction, measured.truth),
            "wrote " + ", ".join(map(str, written)),
        ]
        result = {
            "files": [str(path) for path in written],
            "frames": len(estimates),
            "agreement": estimates.agreement.tolist(),
        }
        report(result, lines, quiet, as_json)


def main() -> None:
    """The installed command."""
    run(app)
