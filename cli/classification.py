"""The commands of classifiers: `invert classify`, `invert explain`, and `invert train` on labelled frames."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from .common import (
    HDF5,
    SEARCH_TABLES,
    SIMULATION_TABLES,
    Device,
    Json,
    ModelFolder,
    Quiet,
    command_line,
    merged,
    one_line_errors,
    read_configuration,
    report,
)
from .inverting import source_notes
from .outputs import print_warnings
from .progress import progress_bar
from .reading import Dataset, FramesArgument, Mask, MaskGood, Rows, Scale

if TYPE_CHECKING:
    from invert.labelling.labels import LabelledFrames

ClassifierFolder = Annotated[
    Path, typer.Option("--model", help="A folder that `invert train` wrote from labelled frames.")
]


def classify(
    frames: FramesArgument,
    model: ClassifierFolder = ModelFolder,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="[NAME.classes.h5]")] = None,
    threshold: Annotated[float, typer.Option(help="Probability from which on a frame has a label.")] = 0.5,
    dataset: Dataset = None,
    mask: Mask = None,
    mask_good: MaskGood = 0,
    scale: Scale = "auto",
    rows: Rows = ":",
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Label measured frames with a classifier: labels and probabilities as HDF5 and CSV."""
    with one_line_errors():
        from invert.labelling import classify as labelling
        from invert.table import is_table
        from msft.output import check_own, check_writable

        from .own import check_classes

        target = out or labelling.classes_of(frames)
        table = target.with_suffix(".csv")
        inputs = [frames, *([mask] if mask else [])]
        check_writable(target, inputs=inputs, suffixes=HDF5)
        check_writable(table, inputs=inputs)
        check_classes(target, frames if out is None else None)
        check_own(table, is_table)
        from invert.frames import Reading, open_frames, parse_rows
        from invert.labelling.classifier import load
        from invert.model import pick_device
        from invert.reading.options import chosen

        loaded = load(model)
        loaded.classifier.to(pick_device(device))
        wanted = parse_rows(rows)
        with open_frames(frames, Reading(dataset, mask, mask_good, scale)) as source:
            count = len(chosen(wanted, len(source)))
            with progress_bar("classifying", count, quiet or as_json) as progress:
                found = labelling.classify_stream(loaded.classifier, source, wanted, threshold, progress)
            notes = [*source_notes(source), *loaded.doubts(source.instrument.wavelength)]
        provenance = {
            "program": "invert classify",
            "command": command_line(),
            "weights": str(loaded.path),
            "weights_sha256": loaded.digest,
        }
        labelling.write_labelling(target, found, provenance)
        labelling.write_table(table, found)
        result = {
            "files": [str(target), str(table)],
            "frames": len(found),
            "labels": dict(zip(found.names, found.labels.sum(axis=0).tolist(), strict=True)),
            "broken_rules": found.broken_rules(),
        }
        lines = [
            *print_warnings(notes),
            f"weights {loaded.path} ({loaded.digest})",
            *found.lines(),
            f"wrote {target}, {table}",
        ]
        report(result, lines, quiet, as_json)


def explain(
    frames: FramesArgument,
    label: Annotated[list[str], typer.Option("--label", help="Of the classifier; may be given repeatedly.")],
    model: ClassifierFolder = ModelFolder,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="PNG to write [NAME.LABEL.png].")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Frames for each label.")] = 5,
    dataset: Dataset = None,
    mask: Mask = None,
    mask_good: MaskGood = 0,
    scale: Scale = "auto",
    rows: Rows = ":",
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw where the frames that most probably have a label show it: GradCAM++ as PNG."""
    with one_line_errors():
        from msft.output import beside, check_own, check_writable

        from .own import is_figure

        # a label may hold what a file's name may not, as spherical/oblate
        target = out or beside(frames, "." + "_".join(label).replace("/", "_") + ".png", "frames")
        check_writable(target, inputs=[frames, *([mask] if mask else [])], suffixes=[".png"])
        check_own(target, is_figure)
        from invert.frames import parse_rows, read_frames
        from invert.labelling import label_figures
        from invert.labelling.classifier import load
        from invert.labelling.explain import explanations
        from invert.model import pick_device

        loaded = load(model)
        loaded.classifier.to(pick_device(device))
        measured = read_frames(frames, dataset, mask, scale, parse_rows(rows), mask_good=mask_good)
        found = explanations(loaded.classifier, measured, label, count)
        label_figures.save(label_figures.explanations(found), target)
        shown = {
            name: dict(
                zip(map(str, found.frames[row].tolist()), found.probabilities[row].tolist(), strict=True)
            )
            for row, name in enumerate(label)
        }
        report({"file": str(target), "shown": shown}, [str(target)], quiet, as_json)


class Options(NamedTuple):
    """What every command has."""

    device: str
    force: bool
    quiet: bool
    as_json: bool


def one_process(**given: object) -> None:
    """Refuse options of `invert train` that classifiers do not have."""
    from msft.errors import ParameterError

    defaults = {"online": False, "start": None, "devices": 1, "nodes": 1, "logger": "none"}
    for name, value in given.items():
        if value != defaults[name]:
            default = "none" if defaults[name] is None else defaults[name]
            raise ParameterError(name, value, f"{default}, for a classifier")


def train_classifier(
    dataset: Path,
    out: Path,
    preset: str,
    images: int | None,
    seed: int | None,
    config: Path | None,
    options: Options,
) -> None:
    """`invert train` on a file with labels."""
    from dataclasses import replace

    from invert.labelling.classification_presets import (
        ClassificationPreset,
        classification_preset,
        network_table,
    )
    from msft.configuration import from_mapping, to_mapping

    file = read_configuration(config, (*SIMULATION_TABLES, *SEARCH_TABLES))
    named = classification_preset(preset)
    network = network_table(named, file.pop("network", {}))
    tables = merged(to_mapping(named), file, {"training": {"seed": seed}})
    chosen = from_mapping(ClassificationPreset, {**tables, "network": network})
    from invert.labelling.classification import train
    from invert.labelling.labels import read_labelled
    from invert.model import pick_device
    from msft.errors import ParameterError
    from msft.output import check_writable

    check_writable(out, options.force, folder=True)
    target = pick_device(options.device)
    labelled = read_labelled(dataset, chosen.input.pixels)
    taught = len(labelled.labels) - round(chosen.training.held_out * len(labelled.labels))
    if images is not None:
        if images < 1:
            raise ParameterError("images", images, "1 or more")
        epochs = max(1, round(images / max(1, taught)))
        chosen = replace(chosen, training=replace(chosen.training, epochs=epochs))
    warnings = _unseen(labelled) + [
        f"warning: no frame has the label {name}; its scores are undefined"
        for name, column in zip(labelled.names, labelled.labels.T, strict=True)
        if not column.any()
    ]
    with progress_bar(
        "training", chosen.training.epochs * taught, options.quiet or options.as_json
    ) as advance:

        def progress(done: int) -> None:
            while warnings:  # once everything else is found good
                print(warnings.pop(0), file=sys.stderr)
            advance(done)

        trained = train(
            labelled, out, chosen, target, force=options.force, command=command_line(), progress=progress
        )
    scores = trained.scores
    lines = [
        f"{out}: classifier, preset {preset}, trained on {target.type}; held-out images:",
        *scores.lines(),
    ]
    report({"model": out, "scores": scores.as_dict()}, lines, options.quiet, options.as_json)


def evaluate_classifier(model: Path, dataset: Path, target: Path, options: Options) -> None:
    """`invert evaluate` on a file with labels: scores as JSON, and as PNG beside it."""
    import json

    from invert.labelling import label_figures
    from invert.labelling.classification import judged
    from invert.labelling.classifier import check_labels, check_size, load
    from invert.labelling.labels import read_labelled
    from invert.model import pick_device
    from invert.overlap import shared
    from msft.output import whole

    loaded = load(model)
    configuration = loaded.classifier.configuration
    loaded.classifier.to(pick_device(options.device))
    labelled = read_labelled(dataset, configuration.input.pixels)
    check_labels(labelled.names, configuration)
    check_size(min(labelled.frames.images.shape[1:]), configuration.network, "frames")
    scores = judged(loaded.classifier, labelled.examples(configuration.input))
    picture = target.with_suffix(".png")
    with whole(target) as temporary:
        written = {**scores.as_dict(), "weights_sha256": loaded.digest}
        temporary.write_text(json.dumps(written, indent=2) + "\n")
    label_figures.save(label_figures.measures(scores), picture)
    lines = [*scores.lines(), str(target), str(picture)]
    report(scores.as_dict(), lines, options.quiet, options.as_json)
    warnings = _unseen(labelled)
    known = shared(loaded.provenance.get("dataset", {}), labelled.source)
    if known:
        which = f"{known} of these images" if known < len(labelled.labels) else "these very images"
        warnings.append(f"warning: the network was trained on {which}; on others it errs more")
    for warning in warnings:
        print(warning, file=sys.stderr)


def _unseen(labelled: LabelledFrames) -> list[str]:
    """What is warned of frames that teach nothing and judge nobody."""
    count = labelled.unseen
    return [f"warning: {count} frames without a valid pixel are left out"] if count else []
