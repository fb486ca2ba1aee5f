"""`msft generate` and `msft merge`: datasets of random particles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    SEARCH_TABLES,
    TRAINING_TABLES,
    Absorption,
    AbsorptionLength,
    Beta,
    Config,
    Delta,
    Force,
    Json,
    Pixels,
    Quiet,
    Seed,
    Wavelength,
    command_line,
    merged,
    one_line_errors,
    read_configuration,
    report,
    require_used,
    warn_undersampled,
)
from .progress import progress_bar

if TYPE_CHECKING:
    from msft.shots import Recipe

Resume = Annotated[
    bool, typer.Option("--resume", help="Finish what an earlier run left; a finished file is left as it is.")
]
Workers = Annotated[
    int, typer.Option("--workers", help="Processes that simulate, one thread each; 1 uses all threads.")
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        "--shard", help="Write only this part, such as 3/16, into the folder --out; for job arrays."
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option("--scheduler", help="dask scheduler, such as tcp://node17:8786, whose workers simulate."),
]
Shards = Annotated[
    int | None, typer.Option("--shards", help="Parts for the scheduler [one per 8192 patterns].")
]


def generate(
    n: Annotated[int, typer.Option("--n", help="Number of patterns.")] = 25000,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="HDF5 file to write [dataset.h5]; with --shard a folder [shards]."),
    ] = None,
    radius_min: Annotated[float | None, typer.Option(help="Smallest circumsphere radius in nm [30].")] = None,
    radius_max: Annotated[float | None, typer.Option(help="Largest circumsphere radius in nm [160].")] = None,
    body: Annotated[str | None, typer.Option(help="Name of the body [icosahedron].")] = None,
    wavelength: Wavelength = None,
    absorption: Absorption = None,
    absorption_length: AbsorptionLength = None,
    delta: Delta = None,
    beta: Beta = None,
    pixels: Pixels = None,
    q_step: Annotated[float | None, typer.Option(help="Width of a pixel in nm^-1 [2 pi / 850].")] = None,
    solver: Annotated[
        str | None, typer.Option(help="exact, chebyshev, slices or propagation [exact].")
    ] = None,
    backend: Annotated[str | None, typer.Option(help="auto, numba, numpy or cupy [auto].")] = None,
    resume: Resume = False,
    workers: Workers = 1,
    shard: ShardOption = None,
    scheduler: Scheduler = None,
    shards: Shards = None,
    preset: Annotated[
        str | None, typer.Option("--preset", help="helium: labelled images of helium droplets.")
    ] = None,
    config: Config = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Simulate particles of random size and orientation into a dataset.

    Killed at any moment, the same command goes on where it stopped.
    """
    with one_line_errors():
        from msft.bodies import files_among
        from msft.errors import ParameterError
        from msft.generate import generate as simulate
        from msft.generate import generate_shard
        from msft.output import check_apart
        from msft.shards import Shard

        recipe = _recipe(
            config,
            preset,
            seed,
            {"radius_min": radius_min, "radius_max": radius_max, "body": body},
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
        )
        given = {"shard": shard, "workers": workers if workers != 1 else None}
        for name, value in given.items():
            if scheduler is not None and value is not None:
                raise ParameterError(name, value, "no such option beside --scheduler")
        if shards is not None and scheduler is None:
            raise ParameterError("shards", shards, "a number of parts beside --scheduler")
        part = Shard.parse(shard) if shard is not None else None
        place = out or Path("shards" if part else "dataset.h5")
        bodies = files_among(set(recipe.distribution.corners().bodies.tolist()))
        check_apart(place, bodies if config is None else [config, *bodies])
        rows = part.rows(n) if part else range(n)
        with progress_bar("simulating", len(rows), quiet or as_json) as progress:
            common: dict[str, Any] = {
                "force": force,
                "resume": resume,
                "command": command_line(),
                "progress": progress,
            }
            if scheduler is not None:
                from msft.cluster import generate_on_cluster

                generate_on_cluster(scheduler, place, n, recipe, shards=shards, **common)
            elif part is not None:
                place = generate_shard(place, part, n, recipe, workers=workers, **common)
            else:
                parts = (recipe.seed, recipe.distribution, recipe.simulation, recipe.uncertainty)
                simulate(place, n, *parts, workers=workers, **common)
        what = recipe.distribution.title
        report(
            {"file": place, "patterns": len(rows), "seed": seed},
            [f"{place}: {len(rows)} patterns of {what}, solver {recipe.simulation.solver}, seed {seed}"],
            quiet,
            as_json,
        )
        warn_undersampled(recipe.undersampled)


def _recipe(
    config: Path | None,
    preset: str | None,
    seed: int,
    particles: dict[str, Any],
    simulation: dict[str, Any],
) -> Recipe:
    """What a preset, a configuration file that wins over it, and the options that win over both describe."""
    from msft.errors import ParameterError
    from msft.helium import PRESET
    from msft.helium.light import HeliumLight
    from msft.particle import ParticleDistribution
    from msft.shots import recipe_of

    if preset not in (None, "helium"):
        raise ParameterError("preset", preset, "helium")
    file = read_configuration(config, (*TRAINING_TABLES, *SEARCH_TABLES))
    if preset is not None:
        file = merged(read_configuration(PRESET, ()), file)
    recipe = recipe_of(merged(file, simulation), seed)
    require_used(simulation["optics"], recipe.simulation.optics)
    for name in recipe.uncertainty.varying if isinstance(recipe.uncertainty, HeliumLight) else ():
        if simulation["optics"][name] is not None:
            allowed = "no such option: every pattern has light of its own"
            raise ParameterError(name, simulation["optics"][name], allowed)
    distribution = recipe.distribution
    low, high = distribution.radius_range
    low = low if particles["radius_min"] is None else particles["radius_min"]
    high = high if particles["radius_max"] is None else particles["radius_max"]
    distribution = replace(distribution, radius_range=(low, high))
    if particles["body"] is not None:
        if not isinstance(distribution, ParticleDistribution):
            raise ParameterError("body", particles["body"], f"no body for {distribution.title}")
        distribution = replace(distribution, body=particles["body"])
    return replace(recipe, distribution=distribution)


def merge(
    shards: Annotated[list[Path], typer.Argument(help="Shards, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The HDF5 file to write.")] = Path("dataset.h5"),
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Show shards as one dataset; they stay where they are, and the file refers to them."""
    with one_line_errors():
        from msft.shards import merge as merge_shards

        count = merge_shards(shards, out, force=force, command=command_line())
        report({"file": out, "patterns": count}, [f"{out}: {count} patterns"], quiet, as_json)
