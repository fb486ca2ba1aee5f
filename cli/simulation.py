"""The command `msft`: simulate and look at patterns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from .common import (
    TRAINING_TABLES,
    Config,
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
from .simulate import simulate

app = typer.Typer(
    help="Simulate wide-angle diffraction patterns of nanoparticles.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(simulate)

DatasetArgument = Annotated[Path, typer.Argument(help="An HDF5 file of patterns.")]


@app.command()
def generate(
    n: Annotated[int, typer.Option("--n", help="Number of patterns.")] = 25000,
    seed: Seed = 0,
    out: Annotated[Path, typer.Option("--out", "-o", help="The HDF5 file to write.")] = Path("dataset.h5"),
    radius_min: Annotated[float | None, typer.Option(help="Smallest circumsphere radius in nm [30].")] = None,
    radius_max: Annotated[float | None, typer.Option(help="Largest circumsphere radius in nm [160].")] = None,
    body: Annotated[str | None, typer.Option(help="Name of the body [icosahedron].")] = None,
    wavelength: Annotated[float | None, typer.Option(help="Wavelength in nm [13.5].")] = None,
    absorption: Annotated[
        str | None, typer.Option(help="amplitude, intensity, none or refractive [amplitude].")
    ] = None,
    absorption_length: Annotated[float | None, typer.Option(help="Absorption length in nm [12.5].")] = None,
    delta: Annotated[float | None, typer.Option(help="Index n = 1 - delta + i beta [0.1096].")] = None,
    beta: Annotated[float | None, typer.Option(help="Index n = 1 - delta + i beta [0.0793].")] = None,
    pixels: Annotated[int | None, typer.Option(help="Pixels per side [128].")] = None,
    q_step: Annotated[float | None, typer.Option(help="Width of a pixel in nm^-1 [2 pi / 850].")] = None,
    solver: Annotated[str | None, typer.Option(help="exact, chebyshev or slices [exact].")] = None,
    backend: Annotated[str | None, typer.Option(help="auto, numba or numpy [auto].")] = None,
    config: Config = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Simulate particles of random size and orientation into a dataset."""
    with one_line_errors():
        from msft.configuration import from_mapping
        from msft.generate import generate as simulate
        from msft.particle import ParticleDistribution
        from msft.pattern import Simulation

        file = read_configuration(config, TRAINING_TABLES)
        distribution = from_mapping(ParticleDistribution, file.pop("particles", {}), "particles")
        low, high = distribution.radius_range
        distribution = ParticleDistribution(
            (low if radius_min is None else radius_min, high if radius_max is None else radius_max),
            body or distribution.body,
        )
        simulation = from_mapping(
            Simulation,
            merged(
                file,
                {
                    "optics": {
                        "wavelength": wavelength,
                        "absorption": absorption,
                        "absorption_length": absorption_length,
                        "delta": delta,
                        "beta": beta,
                    },
                    "detector": {"pixels": pixels, "q_step": q_step},
                    "solver": solver,
                    "backend": backend,
                },
            ),
        )
        with progress_bar("simulating", n, quiet or as_json) as progress:
            simulate(
                out,
                n,
                seed,
                distribution,
                simulation,
                force=force,
                command=command_line(),
                progress=progress,
            )
        report(
            {"file": out, "patterns": n, "seed": seed},
            [f"{out}: {n} patterns of {distribution.body}, solver {simulation.solver}, seed {seed}"],
            quiet,
            as_json,
        )


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
