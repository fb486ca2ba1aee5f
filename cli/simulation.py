"""The command `msft`: simulate and look at patterns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from . import generation
from .common import Json, Quiet, Seed, application, one_line_errors, report, run
from .progress import progress_bar
from .simulate import simulate

app = application("Simulate wide-angle diffraction patterns of nanoparticles.")

app.command()(simulate)

DatasetArgument = Annotated[Path, typer.Argument(help="An HDF5 file of patterns.")]


app.command()(generation.generate)
app.command()(generation.merge)


@app.command()
def show(
    dataset: DatasetArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="PNG to write [FILE.png].")] = None,
    count: Annotated[int, typer.Option("--count", min=1, help="Patterns to show.")] = 16,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Draw a gallery of a dataset as PNG."""
    with one_line_errors():
        from msft import plot
        from msft.dataset import open_patterns
        from msft.output import beside, check_own, check_writable

        from .own import is_figure

        target = out or beside(dataset, ".png")
        check_writable(target, inputs=[dataset], suffixes=[".png"])
        check_own(target, is_figure)
        with open_patterns(dataset) as patterns:
            plot.save(plot.gallery(patterns, count), target)
        report({"file": target}, [str(target)], quiet, as_json)


@app.command()
def info(dataset: DatasetArgument, quiet: Quiet = False, as_json: Json = False) -> None:
    """Print what is in a dataset, or in any other HDF5 file, on one screen."""
    with one_line_errors():
        from msft.contents import contents, lines

        found = contents(dataset)
        report(found, lines(found), quiet, as_json)


@app.command()
def validate(
    dataset: DatasetArgument,
    sample: Annotated[int, typer.Option("--sample", help="Patterns to simulate again.")] = 16,
    seed: Seed = 0,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Check a dataset's layout, and simulate a random sample of its patterns again."""
    with one_line_errors():
        from msft.validate import validate as check

        with progress_bar("checking", sample, quiet or as_json) as progress:
            findings = check(dataset, sample, seed, progress=progress)
        faults = {finding.check: finding.fault for finding in findings if finding.fault}
        lines = [
            f"FAULT {finding.check}: {finding.fault}" if finding.fault else f"ok    {finding.check}"
            for finding in findings
        ]
        report({"file": dataset, "checks": len(findings), "faults": faults}, lines, quiet, as_json)
        if faults:
            raise typer.Exit(1)


def main() -> None:
    """The installed command."""
    run(app)
