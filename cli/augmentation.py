"""The command `invert augment`: patterns as a detector might have recorded them, as a file or a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import (
    Force,
    Json,
    Quiet,
    Seed,
    command_line,
    one_line_errors,
    report,
)
from .progress import progress_bar


def augment(
    dataset: Annotated[Path, typer.Argument(help="A dataset of `msft generate`.")] = Path("dataset.h5"),
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="The file to write [NAME.augmented.h5, or NAME.preview.png]."),
    ] = None,
    preset: Annotated[
        str,
        typer.Option("--preset", help="paper: eleven images of each pattern; experiment or any_window: one."),
    ] = "experiment",
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Draw one pattern under all filters and recordings, as PNG."),
    ] = False,
    pattern: Annotated[int, typer.Option("--pattern", help="The pattern that --preview draws.")] = 0,
    seed: Seed = 0,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Write a dataset's patterns as a detector might have recorded them."""
    with one_line_errors():
        from augment.files import preset_names
        from msft.output import beside

        if preview:
            preset_names(preset)  # all filters are drawn, whichever it is
            target = out or beside(dataset, ".preview.png")
            _draw(dataset, target, pattern, seed, force or out is None)
            report({"file": target, "pattern": pattern}, [str(target)], quiet, as_json)
            return
        target = out or beside(dataset, ".augmented.h5")
        from augment.files import augment_file
        from msft.dataset import open_patterns

        with open_patterns(dataset) as patterns:
            count = len(patterns)
        with progress_bar("filtering", count, quiet or as_json) as progress:
            images = augment_file(
                dataset, target, preset, seed, force=force, command=command_line(), progress=progress
            )
        lines = [f"{target}: {images} images of {count} patterns, preset {preset}"]
        report({"file": target, "patterns": count, "images": images}, lines, quiet, as_json)


def _draw(dataset: Path, target: Path, pattern: int, seed: int, force: bool) -> None:
    from msft.output import check_writable

    check_writable(target, force, inputs=[dataset], suffixes=[".png"])
    from augment.figures import preview
    from msft.plot import save

    save(preview(dataset, pattern, seed), target)
