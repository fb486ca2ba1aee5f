"""The command `msft simulate`: one particle, as a dataset of one pattern and as a picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import (
    POPULATION_TABLES,
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
    Wavelength,
    command_line,
    merged,
    one_line_errors,
    read_configuration,
    report,
    require_used,
    warn_undersampled,
)
from .progress import compilation_told

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from msft.detector import Detector
    from msft.particle import Particles
    from msft.pattern import Simulation


def simulate(
    body: Annotated[
        str | None,
        typer.Option(help="Name, as ellipsoid(1,0.8,0.6), capsule(2); or a file .npy or .txt [icosahedron]."),
    ] = None,
    radius: Annotated[float | None, typer.Option(help="Circumsphere radius in nm [80].")] = None,
    orientation: Annotated[str, typer.Option(help="Quaternion w,x,y,z.")] = "1,0,0,0",
    stretch: Annotated[
        float, typer.Option(help="Stretch along the body's z axis; the circumsphere radius stays.")
    ] = 1.0,
    voxels: Annotated[
        Path | None, typer.Option(help="Densities [x, y, z] of cubic voxels as .npy, instead of a body.")
    ] = None,
    box: Annotated[float | None, typer.Option(help="Width of the voxels' box along x in nm.")] = None,
    half_spaces: Annotated[
        Path | None, typer.Option(help="Text file of rows n_x n_y n_z offset, instead of a body.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="HDF5 file to write.")] = None,
    png: Annotated[Path | None, typer.Option("--png", help="Picture to write.")] = None,
    wavelength: Wavelength = None,
    energy: Annotated[
        float | None, typer.Option(help="Photon energy in eV, instead of a wavelength.")
    ] = None,
    absorption: Absorption = None,
    absorption_length: AbsorptionLength = None,
    delta: Delta = None,
    beta: Beta = None,
    detector: Annotated[str | None, typer.Option(help="ewald or flat [ewald].")] = None,
    pixels: Pixels = None,
    q_step: Annotated[
        float | None, typer.Option(help="Width of an ewald pixel in nm^-1 [2 pi / 850].")
    ] = None,
    pixel_size: Annotated[float | None, typer.Option(help="Width of a flat pixel in mm [0.6].")] = None,
    distance: Annotated[float | None, typer.Option(help="To a flat detector in mm [37].")] = None,
    polarisation: Annotated[str | None, typer.Option(help="none, x, y or unpolarised [none].")] = None,
    solver: Annotated[
        str | None,
        typer.Option(help="exact, chebyshev, slices or propagation [exact; chebyshev for smooth bodies]."),
    ] = None,
    backend: Annotated[str | None, typer.Option(help="auto, numba, numpy or cupy [numpy].")] = None,
    config: Config = None,
    force: Force = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Simulate one particle."""
    with one_line_errors():
        from msft.bodies import ConvexPolyhedron, Voxels, files_among, named
        from msft.configuration import from_mapping
        from msft.detector import undersampled
        from msft.errors import ParameterError
        from msft.output import check_writable
        from msft.particle import SMALLEST_RADIUS, Particles
        from msft.pattern import Simulation

        if out is None and png is None:
            raise ParameterError("out", "no output", "--out FILE.h5, --png FILE.png or both")
        if out is not None and png is not None and out.resolve() == png.resolve():
            raise ParameterError("png", png, "another file than --out")
        for path, suffixes in ((out, ()), (png, (".png",))):
            if path is not None:
                given = voxels, half_spaces, config
                inputs = [
                    *files_among([body] if body else []),
                    *(source for source in given if source is not None),
                ]
                check_writable(path, force, inputs=inputs, suffixes=suffixes)

        name = _only_one(body, voxels, half_spaces)
        shape = named(name).stretched(stretch)
        if voxels is not None and radius is not None:
            raise ParameterError("radius", radius, "no radius beside --voxels; their size is --box")
        if voxels is None and box is not None:
            raise ParameterError("box", box, "a box only beside --voxels")
        if voxels is not None:
            if box is None:
                raise ParameterError("box", "none", "the width of the voxels' box in nm beside --voxels")
            assert isinstance(shape, Voxels)
            # a stretch lengthens the box along z and leaves its width
            radius = shape.radius_in_box(box)
        particle = Particles(80.0 if radius is None else radius, _numbers(orientation), name, stretch)
        if particle.radius[0] < SMALLEST_RADIUS:
            raise ParameterError("radius", radius, f"{SMALLEST_RADIUS:g} or more, in nm")

        # compiling the kernel takes longer than one pattern does without it
        file = read_configuration(config, (*TRAINING_TABLES, *SEARCH_TABLES, *POPULATION_TABLES))
        asked = solver or file.get("solver")
        closed = isinstance(shape, ConvexPolyhedron) and asked in (None, "exact")
        optics = {
            "wavelength": _wavelength(wavelength, energy),
            "absorption": absorption,
            "absorption_length": absorption_length,
            "delta": delta,
            "beta": beta,
        }
        simulation = from_mapping(
            Simulation,
            merged(
                {"solver": "exact", "backend": "numpy"} if closed else {"solver": "chebyshev"},
                file,
                {
                    "optics": optics,
                    "detector": {
                        "geometry": detector,
                        "pixels": pixels,
                        "q_step": q_step,
                        "pixel_size": pixel_size,
                        "distance": distance,
                        "polarisation": polarisation,
                    },
                    "solver": solver,
                    "backend": backend,
                },
            ),
        )
        require_used(optics, simulation.optics)
        with compilation_told(quiet):
            pattern = simulation.intensity(particle)
        size = float(particle.radius[0])
        written = [path for path in (out, png) if path is not None]
        if out is not None:
            _write(out, pattern, simulation, particle)
        if png is not None:
            _draw(png, pattern[0], simulation.detector, f"{name}, R = {size:.1f} nm, {simulation.solver}")
        report(
            {
                "files": [str(path) for path in written],
                "body": name,
                "radius_nm": size,
                "stretch": stretch,
                "orientation": particle.orientation[0].tolist(),
                "solver": simulation.solver,
                "largest": float(pattern.max()),
            },
            [f"{path}: {name}, R = {size:.4g} nm, solver {simulation.solver}" for path in written],
            quiet,
            as_json,
        )
        warn_undersampled(undersampled(simulation.detector, simulation.optics.wavenumber, size))


def _only_one(body: str | None, voxels: Path | None, half_spaces: Path | None) -> str:
    """The name of the body, or the absolute path of the file that holds it."""
    from msft.errors import ParameterError

    if voxels is not None and half_spaces is not None:
        raise ParameterError("voxels", voxels, "--voxels or --half-spaces, not both")
    for option, path, suffix in (("voxels", voxels, ".npy"), ("half_spaces", half_spaces, ".txt")):
        if path is not None:
            if body is not None:
                raise ParameterError("body", body, f"no body beside --{option.replace('_', '-')}")
            if path.suffix != suffix or not path.is_file():
                raise ParameterError(option, path, f"a file that exists, with a name in {suffix}")
            return str(path.absolute())
    return body or "icosahedron"


def _numbers(orientation: str) -> list[float]:
    from msft.errors import ParameterError

    try:
        numbers = [float(number) for number in orientation.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 4:
        raise ParameterError("orientation", orientation, "four numbers w,x,y,z")
    return numbers


def _wavelength(wavelength: float | None, energy: float | None) -> float | None:
    from msft.errors import ParameterError
    from msft.units import wavelength_of_electronvolts

    if energy is None:
        return wavelength
    if wavelength is not None:
        raise ParameterError("energy", energy, "an energy or a wavelength, not both")
    if not (math.isfinite(energy) and energy > 0):
        raise ParameterError("energy", energy, "a photon energy above 0 eV")
    return wavelength_of_electronvolts(energy)


def _write(path: Path, pattern: NDArray[np.float32], simulation: Simulation, particle: Particles) -> None:
    import msft
    from msft.dataset import create

    provenance: dict[str, Any] = {
        "program": "msft simulate",
        "version": msft.__version__,
        "command": command_line(),
        "seed": 0,
    }
    with create(path, 1, simulation, provenance) as writer:
        writer.append(pattern, particle)


def _draw(path: Path, pattern: NDArray[np.float32], detector: Detector, title: str) -> None:
    from msft import plot

    plot.save(plot.one_pattern(pattern, detector, title), path)
