"""The bodies that have a name."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from msft.bodies.archimedean import VERTICES, truncated_twinned_tetrahedron
from msft.bodies.body import Body
from msft.bodies.dumbbell import Dumbbell, capsule
from msft.bodies.ellipsoid import Ellipsoid
from msft.bodies.layered import Layered
from msft.bodies.nothing import Nothing
from msft.bodies.polyhedron import ConvexPolyhedron
from msft.bodies.sphere import Sphere
from msft.bodies.twins import Twins
from msft.bodies.voxels import Voxels
from msft.errors import ParameterError, one_line


def _polyhedron(name: str) -> ConvexPolyhedron:
    return ConvexPolyhedron.from_vertices(name, VERTICES[name]())


def _truncated_twinned_tetrahedron(name: str, height: float = 2 / 3, corner: float = 0.5) -> ConvexPolyhedron:
    return ConvexPolyhedron.from_half_spaces(name, *truncated_twinned_tetrahedron(height, corner))


def _ellipsoid(name: str, x: float = 1.0, y: float = 0.8, z: float = 0.6) -> Ellipsoid:
    return Ellipsoid((x, y, z), name)


def _capsule(name: str, length: float = 2.0) -> Dumbbell:
    return capsule(length, name)


def _dumbbell(name: str, half_distance: float = 1.0, neck_radius: float = 0.5) -> Dumbbell:
    return Dumbbell(half_distance, 1.0, neck_radius, name=name)


def _twins(name: str, distance: float = 3.0, second: float = 0.8, width: float = 1.0) -> Twins:
    return Twins(distance, second, (width, 1.0, 1.0), name)


def _layered(
    name: str, inner_radius: float = 0.5, inner_density: float = 0.0, offset: float = 0.0
) -> Layered:
    return Layered(inner_radius, inner_density, offset, name=name)


PROPORTIONED: dict[str, Callable[..., Body]] = {
    "truncated twinned tetrahedron": _truncated_twinned_tetrahedron,
    "sphere": Sphere,
    "ellipsoid": _ellipsoid,
    "capsule": _capsule,
    "dumbbell": _dumbbell,
    "twins": _twins,
    "layered": _layered,
    "nothing": Nothing,
}
"""Bodies that are built from their full name and the numbers in its brackets."""

BODIES: dict[str, Callable[[], Body]] = {
    **{name: partial(_polyhedron, name) for name in VERTICES},
    **{name: partial(make, name) for name, make in PROPORTIONED.items()},
}


def half_spaces_of(path: Path, name: str | None = None) -> ConvexPolyhedron:
    """A polyhedron from a text file of half-spaces n . r <= offset, one per row: n_x n_y n_z offset.

    Raises
    ------
    ParameterError
        If it is no such file, or see `ConvexPolyhedron.from_half_spaces`.
    """
    try:
        rows = np.array([line.split() for line in path.read_text().splitlines() if line.strip()], dtype=float)
    except (OSError, ValueError) as error:
        raise ParameterError("half_spaces", path, f"a text file of numbers ({one_line(error)})") from None
    if rows.ndim != 2 or rows.shape[1] != 4:
        raise ParameterError("half_spaces", f"{path} of shape {rows.shape}", "rows of n_x n_y n_z offset")
    return ConvexPolyhedron.from_half_spaces(name or str(path), rows[:, :3], rows[:, 3])


FILES: dict[str, Callable[[Path, str], Body]] = {".npy": Voxels.load, ".txt": half_spaces_of}
"""Bodies from files, by suffix."""


def files_among(names: Iterable[str]) -> list[Path]:
    """The files that bodies of these names are read from."""
    return [Path(name) for name in names if name not in BODIES and Path(name).suffix in FILES]


_WITH_NUMBERS = re.compile(r"(?P<kind>[a-z]+(?: [a-z]+)*)\((?P<numbers>[^()]*)\)")


@lru_cache(maxsize=1024)  # of a set with proportions of its own for every particle, not all
def named(name: str) -> Body:
    """The body of that name.

    Parameters
    ----------
    name
        One of `BODIES`, or one of these with its proportions: ``truncated twinned tetrahedron(height,
        corner)``, see `msft.bodies.archimedean`; ``ellipsoid(x, y, z)`` semi-axes;
        ``capsule(length)`` in diameters; ``dumbbell(half distance of the lobes' centres, neck radius)`` in
        lobe radii; ``twins(distance, second, width along x)`` in radii of the first droplet;
        ``layered(inner radius, inner density, offset)`` in those of the outer layer. Or the path of a file:
        ``.npy`` with the densities of voxels, ``.txt`` with half-spaces, of which the radius then gives the
        size.

    Raises
    ------
    ParameterError
        If no body has it, or its numbers make none.
    """
    if name in BODIES:
        return BODIES[name]()
    for path in files_among([name]):
        return FILES[path.suffix](path, name)
    found = _WITH_NUMBERS.fullmatch(name)
    if found and found["kind"] in PROPORTIONED:
        try:
            return PROPORTIONED[found["kind"]](name, *map(float, found["numbers"].split(",")))
        except (TypeError, ValueError) as error:
            if isinstance(error, ParameterError):
                raise
            allowed = (
                "truncated twinned tetrahedron(height,corner), ellipsoid(x,y,z), capsule(length), "
                "dumbbell(half distance,neck radius), twins(distance,second,width) or "
                "layered(inner radius,inner density,offset)"
            )
            raise ParameterError("body", name, allowed) from None
    allowed = "one of " + ", ".join(BODIES) + "; or a file, " + " or ".join(FILES)
    raise ParameterError("body", name, allowed)
