"""The command `invert`: train networks and invert measured frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

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
from .measured import ModelFolder, fit, predict

app = typer.Typer(
    help="Turn wide-angle diffraction patterns into particles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

DatasetArgument = Annotated[Path, typer.Argument(help="A dataset of `msft generate`.")]


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
        from invert.data import read_grey
        from invert.evaluate import evaluate as judge
        from invert.model import pick_device

        loaded = checkpoint.load(model)
        loaded.model.to(pick_device(device))
        result = judge(loaded.model, read_grey(dataset, loaded.model.configuration.floor_decades), seed)
        with whole(target) as temporary:
            temporary.write_text(json.dumps(result.as_dict(), indent=2) + "\n")
        figures.save(figures.error_histogram(result.cases["identity"]), picture)
        report(result.as_dict(), [*result.lines(), str(target), str(picture)], quiet, as_json)


app.command()(predict)
app.command()(fit)


@app.command()
def augment(
    dataset: DatasetArgument,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HDF5 file to write.")],
    filter_name: Annotated[
        str, typer.Option("--filter", help="One of the eleven filters of the preset paper.")
    ] = "experiment",
    seed: Seed = 0,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a dataset's patterns as a detector might have recorded them."""
    with one_line_errors():
        from augment.files import augment_file
        from msft.dataset import open_patterns

        with open_patterns(dataset) as patterns:
            count = len(patterns)
        with progress_bar("filtering", count, quiet or as_json) as progress:
            augment_file(
                dataset, out, filter_name, seed, force=force, command=command_line(), progress=progress
            )
        report({"file": out, "patterns": count}, [f"{out}: {count} patterns, {filter_name}"], quiet, as_json)


def main() -> None:
    """The installed command."""
    run(app)
