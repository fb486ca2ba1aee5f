"""The command `msft`: simulate and look at patterns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from . import generation
from .common import Json, Quiet, one_line_errors, report, run

app = typer.Typer(
    help="Simulate wide-angle diffraction patterns of nanoparticles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

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
        from msft.output import check_writable

        target = out or dataset.with_suffix(".png")
        check_writable(target, inputs=[dataset], suffixes=[".png"])
        with open_patterns(dataset) as patterns:
            plot.save(plot.gallery(patterns, count), target)
        report({"file": target}, [str(target)], quiet, as_json)


@app.command()
def info(dataset: DatasetArgument, as_json: Json = False) -> None:
    """Print what is in a dataset."""
    with one_line_errors():
        from msft.configuration import to_mapping
        from msft.dataset import open_patterns

        with open_patterns(dataset) as patterns:
            radius = patterns.particles.radius
            content: dict[str, Any] = {
                "file": str(dataset),
                "patterns": len(patterns),
                "pixels": f"{patterns.pixels} x {patterns.pixels}",
                "body": patterns.particles.body,
                "radius_nm": [float(radius.min()), float(radius.max())],
                "simulation": to_mapping(patterns.simulation),
                "provenance": {name: str(value) for name, value in patterns.provenance.items()},
            }
        shown = {name: value for name, value in content.items() if name != "provenance"}
        shown |= {
            name: content["provenance"].get(name, "") for name in ("program", "version", "command", "seed")
        }
        lines = [
            f"{name:12} {json.dumps(value) if isinstance(value, dict | list) else value}"
            for name, value in shown.items()
        ]
        report(content, lines, quiet=False, as_json=as_json)


def main() -> None:
    """The installed command."""
    run(app)
