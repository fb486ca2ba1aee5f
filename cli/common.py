"""What both commands share: messages, exit codes, options."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from msft.errors import ParameterError, one_line

if TYPE_CHECKING:
    from msft.optics import Optics

BAD_INPUT, INTERRUPTED = 2, 130

HDF5 = (".h5", ".hdf5", ".cxi")
"""Endings of the files that commands about frames write."""

ModelFolder = Path("model")
"""Where `invert train` writes."""

Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file with any of the parameters; options win over it.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar and no report, only errors.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as one line of JSON.")]
Seed = Annotated[int, typer.Option("--seed", help="Seed of every random number.")]
Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Wavelength = Annotated[float | None, typer.Option(help="Wavelength in nm [13.5].")]
Absorption = Annotated[str | None, typer.Option(help="amplitude, intensity, none or refractive [amplitude].")]
AbsorptionLength = Annotated[float | None, typer.Option(help="Absorption length in nm [12.5].")]
Delta = Annotated[float | None, typer.Option(help="Index n = 1 - delta + i beta [0.1096].")]
Beta = Annotated[float | None, typer.Option(help="Index n = 1 - delta + i beta [0.0793].")]
Pixels = Annotated[int | None, typer.Option(help="Pixels per side [128].")]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]


def _tell_version(wanted: bool) -> None:
    if wanted:
        import msft

        typer.echo(f"msft-invert {msft.__version__}")
        raise typer.Exit


def _versioned(
    version: Annotated[
        bool,
        typer.Option("--version", help="Say the version and end.", callback=_tell_version, is_eager=True),
    ] = False,
) -> None:
    """Options of the commands themselves."""


def application(help: str) -> typer.Typer:
    """A command that has further ones; help and errors without decoration."""
    app = typer.Typer(
        help=help,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # or [words in brackets] are taken for markup
    )
    app.callback()(_versioned)
    return app


def run(app: typer.Typer) -> None:
    """Run a command line; a word or value that it does not know is one line, as any other bad input.

    SIGTERM, which batch systems send, ends the work as an interrupt does: with nothing half-written. What a
    terminal has no letters for is printed escaped: finished work does not end with an error because of it.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
    except typer.TyperException as error:
        words = error.format_message()
        print(words if len(sys.argv) < 2 else "error: " + " ".join(words.split()), file=sys.stderr)
        code = BAD_INPUT
    except typer.Abort:
        code = INTERRUPTED
    sys.exit(code)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Bad input ends with one line on stderr and exit code 2, an interrupt with 130."""
    try:
        yield
    except ParameterError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt as error:
        print(": ".join(["interrupted", *map(str, error.args)]), file=sys.stderr)
        raise typer.Exit(INTERRUPTED) from None
    except UnicodeEncodeError as error:  # of the record of the command, before anything is written
        print(f"error: name: got {error.object!a}; allowed: names in UTF-8", file=sys.stderr)
        raise typer.Exit(BAD_INPUT) from None
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(1) from None
    except OSError as error:
        place = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print("error: " + " ".join(place.split()), file=sys.stderr)
        raise typer.Exit(1) from None
    except (MemoryError, RuntimeError) as error:
        if "cannot cache function" in str(error):  # numba's words for an installation and a home to read only
            given = os.environ.get("NUMBA_CACHE_DIR")
            allowed = "a folder that can be written, for what is compiled"
            print(f"error: NUMBA_CACHE_DIR: got {given}; allowed: {allowed}", file=sys.stderr)
            raise typer.Exit(BAD_INPUT) from None
        if not _lacks_memory(error):
            raise
        print(f"error: not enough memory: {one_line(error)}", file=sys.stderr)
        raise typer.Exit(1) from None


def _lacks_memory(error: MemoryError | RuntimeError) -> bool:
    """Whether memory is short, that of the machine or, as PyTorch and CuPy say it, of a GPU."""
    torch = sys.modules.get("torch")
    return isinstance(error, MemoryError) or (torch is not None and isinstance(error, torch.OutOfMemoryError))


def require_used(given: Mapping[str, Any], optics: Optics) -> None:
    """Refuse options of the optics for which the model of absorption has no use."""
    if given["absorption"] not in (None, optics.absorption):
        raise ParameterError("absorption", given["absorption"], f"{optics.absorption} for this solver")
    for name in ("absorption_length", "delta", "beta"):
        if given[name] is not None and name not in optics.used:
            allowed = f"no such option where absorption is {optics.absorption}"
            raise ParameterError(name, given[name], allowed)


def warn_undersampled(found: tuple[float, float] | None) -> None:
    """Say that fringes are too fine for the pixels, if a radius and the largest that is not are given."""
    if found is not None:
        radius, largest = found
        print(
            f"warning: R = {radius:.4g} nm, but pixels this wide resolve the fringes of particles up to "
            f"R = {largest:.4g} nm; finer ones show as a false pattern",
            file=sys.stderr,
        )


def report(result: dict[str, Any], lines: list[str], quiet: bool, as_json: bool) -> None:
    """Print a result: one line of JSON, or lines for people, or nothing."""
    if as_json:
        print(json.dumps(result, default=str))
    elif not quiet:
        print("\n".join(lines))


def command_line() -> str:
    """What the user typed, for the record."""
    return " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])


def merged(*layers: dict[str, Any]) -> dict[str, Any]:
    """Nested mappings merged, later ones winning; None means not given."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key, {})
            if not isinstance(value, dict):
                result[key] = below if value is None else value
            elif given := merged(value):
                # what is no table stays, for the configuration to refuse by name
                result[key] = merged(below, given) if isinstance(below, dict) else below
    return {key: value for key, value in result.items() if value != {}}


POPULATION_TABLES = ("particles", "uncertainty")
SIMULATION_TABLES = (
    *POPULATION_TABLES,
    "optics",
    "detector",
    "solver",
    "backend",
    "precision",
    "accuracy",
    "propagation_accuracy",
)
TRAINING_TABLES = ("network", "target", "training", "input")
SEARCH_TABLES = ("search",)


def read_configuration(path: Path | None, others: tuple[str, ...]) -> dict[str, Any]:
    """The tables of one experiment's file without those that are for other commands."""
    from msft.configuration import read_toml

    return {key: value for key, value in (read_toml(path) if path else {}).items() if key not in others}
