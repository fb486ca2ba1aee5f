"""The command `invert`: train networks and invert measured frames."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .augmentation import augment
from .classification import (
    Options,
    classify,
    evaluate_classifier,
    explain,
    one_process,
    train_classifier,
)
from .common import (
    SEARCH_TABLES,
    SIMULATION_TABLES,
    Config,
    Device,
    Force,
    Json,
    ModelFolder,
    Quiet,
    Seed,
    application,
    command_line,
    merged,
    one_line_errors,
    read_configuration,
    report,
    run,
)
from .fitting import fit
from .importing import import_pictures
from .prediction import predict
from .progress import progress_bar
from .reporting import report as page
from .watching import watch

app = application("Turn wide-angle diffraction patterns into particles.")

app.command()(augment)

DatasetArgument = Annotated[Path, typer.Argument(help="A dataset of `msft generate`.")]


@app.command()
def train(
    dataset: DatasetArgument = Path("dataset.h5"),
    preset: Annotated[
        str, typer.Option("--preset", help="paper, best or quick; of a classifier paper or quick.")
    ] = "quick",
    out: Annotated[Path, typer.Option("--out", "-o", help="The folder to write.")] = ModelFolder,
    images: Annotated[int | None, typer.Option(help="Training images shown in all [by the preset].")] = None,
    seed: Annotated[
        int | None, typer.Option(help="Seed of every random number [0; with --start the next one].")
    ] = None,
    online: Annotated[
        bool,
        typer.Option("--online", help="Simulate a new particle for every image, by the dataset's recipe."),
    ] = False,
    start: Annotated[
        Path | None,
        typer.Option(help="A model to go on from, of which the network is kept: a folder, or shipped."),
    ] = None,
    device: Device = "auto",
    devices: Annotated[int, typer.Option(help="Processes on this machine, or on each node.")] = 1,
    nodes: Annotated[int, typer.Option(help="Machines, under a launcher: torchrun, SLURM.")] = 1,
    logger: Annotated[str, typer.Option(help="Losses into OUT.logs: none, csv or tensorboard.")] = "none",
    config: Config = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a network on a dataset and report its errors on held-out patterns.

    A dataset with labels trains a classifier, any other one a network that finds particles. A training that
    was stopped or killed is gone on with by the same command.
    """
    with one_line_errors():
        from invert.labelling.labels import are_in

        if are_in(dataset):
            one_process(online=online, start=start, devices=devices, nodes=nodes, logger=logger)
            options = Options(device, force, quiet, as_json)
            train_classifier(dataset, out, preset, images, seed, config, options)
            return
        from invert import shipped
        from invert.checkpoint import load
        from invert.overlap import learned
        from invert.presets import Preset
        from invert.presets import preset as named
        from msft.configuration import from_mapping, to_mapping
        from msft.errors import ParameterError

        file = read_configuration(config, (*SIMULATION_TABLES, *SEARCH_TABLES))
        given = {"images": images, "seed": seed, "online": online or None}
        begun = None
        if start:
            try:
                begun = load(shipped.find(start))
            except ParameterError as error:
                raise ParameterError("start", error.value, error.allowed) from None
        base = to_mapping(named(preset))
        if begun:
            of_model = to_mapping(begun.model.configuration)
            base |= {name: of_model[name] for name in ("network", "target")}
            # the same seed would show the same images again, in the same order
            base["training"]["seed"] = begun.training["seed"] + 1
        chosen = from_mapping(Preset, merged(base, file, {"training": given}))
        from invert.model import pick_device
        from invert.training.hardware import Hardware, leading
        from invert.training.train import train as fit

        hardware = Hardware(pick_device(device), devices, nodes)
        silent = quiet or as_json or not leading()
        after = "trained; now it learns how large its errors are, and is judged"
        with progress_bar("training", chosen.training.images, silent, after) as progress:
            trained = fit(
                dataset,
                out,
                chosen,
                hardware,
                start=begun,
                force=force,
                command=command_line(),
                logger=logger,  # type: ignore[arg-type]
                progress=progress,
            )
        if leading():
            recipe = f"preset {preset}" + (f" with {config.name}" if config else "")
            head, *errors = trained.evaluation.lines()
            lines = [
                f"{out}: {recipe}, trained on {hardware.kind.type}",
                *([] if logger == "none" else [f"losses: {out}.logs"]),
                f"{head} kept from the training",
                *errors,
            ]
            report({"model": out, "errors": trained.evaluation.as_dict()}, lines, quiet, as_json)
            if begun and (known := learned(begun.training, begun.provenance, dataset)):
                text = f"warning: {start} was trained on {known} of these particles: the errors flatter"
                typer.echo(text, err=True)


@app.command()
def evaluate(
    model: Annotated[Path, typer.Argument(help="A folder that `invert train` wrote, or shipped.")],
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
    """Report a model's errors on a dataset that it was not trained on, clean and through every filter.

    On a dataset with labels, report a classifier's scores.
    """
    with one_line_errors():
        from msft.output import beside, check_own, check_writable, whole

        from .own import is_evaluation, is_figure

        target = out or beside(dataset, ".evaluation.json")
        picture = target.with_suffix(".png")
        check_writable(target, inputs=[dataset], suffixes=[".json"])
        check_writable(picture, inputs=[dataset])
        check_own(target, is_evaluation)
        check_own(picture, is_figure)
        from invert.labelling.labels import are_in

        if are_in(dataset):
            evaluate_classifier(model, dataset, target, Options(device, True, quiet, as_json))
            return
        from augment.presets import RECORDINGS
        from invert import checkpoint, figures, overlap, shipped
        from invert.data import read_dataset
        from invert.evaluate import evaluate as judge
        from invert.model import pick_device

        loaded = checkpoint.load(shipped.find(model))
        loaded.model.to(pick_device(device))
        patterns = read_dataset(dataset)
        total = len(RECORDINGS) * len(patterns)
        with progress_bar("evaluating", total, quiet or as_json) as progress:
            result = judge(loaded.model, patterns, seed, RECORDINGS, progress)
        with whole(target) as temporary:
            written = {**result.as_dict(), "trends": result.trends(), "weights_sha256": loaded.digest}
            temporary.write_text(json.dumps(written, indent=2) + "\n")
        figures.save(figures.evaluation(result), picture)
        report(result.as_dict(), [*result.lines(), str(target), str(picture)], quiet, as_json)
        if known := overlap.learned(loaded.training, loaded.provenance, dataset):
            which = f"{known} of these particles" if known < len(patterns) else "these very patterns"
            typer.echo(f"warning: the network was trained on {which}; on others it errs more", err=True)


app.command()(predict)
app.command()(fit)
app.command()(classify)
app.command()(explain)
app.command("report")(page)
app.command()(watch)
app.command("import")(import_pictures)


def main() -> None:
    """The installed command."""
    run(app)
