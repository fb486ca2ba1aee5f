"""Particles: a body with a size, a stretch and an orientation; and how random ones are drawn."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from msft.bodies import Body, named
from msft.bodies.body import LARGEST_STRETCH
from msft.distribution import Distribution, Uniform, check_within
from msft.errors import ParameterError
from msft.rotation import as_quaternions, canonical, from_rotation_vector, multiply
from msft.seeding import generator_of
from msft.symmetry import to_fundamental_domain

SMALLEST_RADIUS, LARGEST_RADIUS = 0.1, 1e4
"""In nm; what lies outside was given in another unit."""

_WITHIN_RADII = f"{SMALLEST_RADIUS:g} <= low <= high <= {LARGEST_RADIUS:g}, in nm"
_WITHIN_STRETCHES = f"{1 / LARGEST_STRETCH:g} <= low <= high <= {LARGEST_STRETCH:g}"


@dataclass(frozen=True, eq=False)
class Particles:
    """N particles.

    Parameters
    ----------
    radius
        Circumsphere radii in nm, shape (N,) or a number.
    orientation
        Quaternions w, x, y, z, shape (N, 4) or (4,), of any norm above 0; or numpy-quaternion objects. Kept
        as unit quaternions with w >= 0.
    bodies
        Names of the bodies: one for all, or N. Kept as an array (N,).
    stretch
        Factors along the body's z axis, the circumsphere staying as it is: one for all, or N. Kept as
        float64, shape (N,).

    Raises
    ------
    ParameterError
        If a radius, an orientation, a body or a stretch is not usable, or their numbers differ.
    """

    radius: Any
    orientation: Any
    bodies: Any = "icosahedron"
    stretch: Any = 1.0

    def __post_init__(self) -> None:
        radius = np.atleast_1d(np.asarray(self.radius, dtype=np.float64))
        orientation = np.atleast_2d(as_quaternions(self.orientation))
        wrong = radius[~((radius > 0) & (radius <= LARGEST_RADIUS))]
        if wrong.size:
            raise ParameterError("radius", wrong[0], f"above 0 and at most {LARGEST_RADIUS:g}, in nm")
        if radius.ndim != 1 or orientation.shape != (radius.size, 4):
            raise ParameterError(
                "orientation", f"shape {orientation.shape}", f"one quaternion per radius: ({radius.size}, 4)"
            )
        given = np.atleast_1d(np.asarray(self.bodies, dtype=np.str_))
        for name in set(given.tolist()):
            named(name)
        stretch = np.atleast_1d(np.asarray(self.stretch, dtype=np.float64))
        wrong = stretch[~((stretch >= 1 / LARGEST_STRETCH) & (stretch <= LARGEST_STRETCH))]
        if wrong.size:
            raise ParameterError("stretch", wrong[0], f"{1 / LARGEST_STRETCH:g} to {LARGEST_STRETCH:g}")
        object.__setattr__(self, "radius", radius)
        object.__setattr__(self, "orientation", orientation)
        object.__setattr__(self, "bodies", _one_each("body", given, radius.size))
        object.__setattr__(self, "stretch", _one_each("stretch", stretch, radius.size))

    def __len__(self) -> int:
        """The number of particles."""
        return len(self.radius)

    def __getitem__(self, rows: slice | NDArray[Any]) -> Particles:
        """Some of the particles."""
        return Particles(self.radius[rows], self.orientation[rows], self.bodies[rows], self.stretch[rows])

    @property
    def body(self) -> str:
        """Name of the body that all of them have, for those who know nothing of stretches.

        Raises
        ------
        ParameterError
            If they have several, or are stretched.
        """
        names = sorted(set(self.bodies.tolist())) or ["icosahedron"]
        if len(names) != 1:
            raise ParameterError("body", " and ".join(names), "particles of one body")
        if (self.stretch != 1.0).any():
            raise ParameterError("stretch", f"a stretched {names[0]}", "particles that are not stretched")
        return str(names[0])

    def groups(self) -> Iterator[tuple[Body, Particles, NDArray[np.int64]]]:
        """The particles of each stretched body: the body, its particles, and their rows among these."""
        if len(self) and (self.bodies == self.bodies[0]).all() and (self.stretch == self.stretch[0]).all():
            # most often, and at a hundredth of the time
            yield named(str(self.bodies[0])).stretched(float(self.stretch[0])), self, np.arange(len(self))
            return
        kinds: dict[tuple[str, float], list[int]] = {}
        for row, kind in enumerate(zip(self.bodies.tolist(), self.stretch.tolist(), strict=True)):
            kinds.setdefault(kind, []).append(row)
        for (name, stretch), members in kinds.items() or ((("icosahedron", 1.0), []),):
            rows = np.array(members, dtype=np.int64)
            yield named(name).stretched(stretch), self if len(rows) == len(self) else self[rows], rows


def _one_each(field: str, values: NDArray[Any], count: int) -> NDArray[Any]:
    if values.shape not in ((1,), (count,)):
        raise ParameterError(field, f"shape {values.shape}", f"one for all, or one per radius: ({count},)")
    return np.broadcast_to(values, (count,)).copy() if values.shape != (count,) else values


@dataclass(frozen=True)
class AnyOrientation:
    """Every orientation alike: uniform on SO(3)."""

    kind = "uniform"

    def of(self, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit quaternions (N, 4) from independent standard normal numbers (N, 4)."""
        return canonical(normal / np.linalg.norm(normal, axis=-1, keepdims=True))


@dataclass(frozen=True)
class Aligned:
    """Orientations around one, as for particles that a field aligns.

    Parameters
    ----------
    quaternion
        w, x, y, z of the orientation in the middle, of any norm above 0.
    spread
        Standard deviation of the angle about each axis in degrees; 0 gives one orientation.

    Raises
    ------
    ParameterError
        If the quaternion is zero or the spread outside 0 to 180 degrees.
    """

    quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    spread: float = 0.0

    kind = "around"

    def __post_init__(self) -> None:
        as_quaternions(self.quaternion)
        if not 0 <= self.spread <= 180:
            raise ParameterError("spread", self.spread, "0 to 180 degrees")

    def of(self, normal: NDArray[np.float64]) -> NDArray[np.float64]:
        """Unit quaternions (N, 4) from independent standard normal numbers (N, 4)."""
        turn = from_rotation_vector(math.radians(self.spread) * normal[..., :3])
        return canonical(multiply(turn, as_quaternions(self.quaternion)))


@dataclass(frozen=True)
class ParticleDistribution:
    """Random particles: by default radius uniform in a range, orientation in the fundamental domain.

    The defaults are those of Stielow et al. 2020, appendix B.

    Parameters
    ----------
    radius_range
        Smallest and largest circumsphere radius in nm.
    body
        Name of the body, or names and weights that sum to 1.
    radius
        How radii are distributed within their range.
    orientation
        Which orientations there are. Those of an icosahedron that is not stretched are kept as the
        equivalent in the fundamental domain.
    stretch_range, stretch
        Smallest and largest factor along the body's z axis, and how it is distributed between them.

    Raises
    ------
    ParameterError
        If a range is reversed or leaves [0.1, 10000] nm or [0.01, 100], no body has a name, or the weights
        are not above 0 or do not sum to 1.
    """

    radius_range: tuple[float, float] = (30.0, 160.0)
    body: str | dict[str, float] = "icosahedron"
    radius: Distribution = field(default_factory=Uniform)
    orientation: AnyOrientation | Aligned = field(default_factory=AnyOrientation)
    stretch_range: tuple[float, float] = (1.0, 1.0)
    stretch: Distribution = field(default_factory=Uniform)

    kind = "bodies"
    labels: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        low, high = self.radius_range
        if not SMALLEST_RADIUS <= low <= high <= LARGEST_RADIUS:
            raise ParameterError("radius_range", f"{low:g} to {high:g}", _WITHIN_RADII)
        check_within("radius", self.radius, low, high)
        low, high = self.stretch_range
        if not 1 / LARGEST_STRETCH <= low <= high <= LARGEST_STRETCH:
            raise ParameterError("stretch_range", f"{low:g} to {high:g}", _WITHIN_STRETCHES)
        check_within("stretch", self.stretch, low, high)
        for name, weight in self.weights.items():
            named(name)
            if not (math.isfinite(weight) and weight > 0):
                raise ParameterError(f"body.{name}", weight, "a weight above 0")
        if abs(sum(self.weights.values()) - 1) > 1e-6:
            total = f"weights that sum to {sum(self.weights.values()):g}"
            raise ParameterError("body", total, "weights that sum to 1")

    @property
    def weights(self) -> Mapping[str, float]:
        """Names of the bodies and how often each is drawn."""
        return {self.body: 1.0} if isinstance(self.body, str) else self.body

    @property
    def longest_name(self) -> int:
        """Bytes of the longest name of a body."""
        return max(len(name.encode()) for name in self.weights)

    @property
    def title(self) -> str:
        """What is drawn, in a word or two."""
        return " and ".join(self.weights)

    def corners(self) -> Particles:
        """Particles at the ends of all ranges: who can simulate them can simulate any."""
        rows = list(product(self.weights, self.radius_range, self.stretch_range))
        names, radii, stretches = zip(*rows, strict=True)
        return Particles(radii, [[1.0, 0, 0, 0]] * len(rows), names, stretches)

    def draw(self, seed: int, indices: NDArray[np.int64] | range) -> Particles:
        """Particles number `indices` of the sequence of a seed: each depends on (seed, index) alone."""
        count = len(indices)
        radius, normal = np.empty(count), np.empty((count, 4))
        # where there is nothing to choose, nothing is drawn
        choices = np.zeros((count, 2))
        constant = len(self.weights) == 1 and len(set(self.stretch_range)) == 1
        for row, index in enumerate(indices):
            generator = generator_of(seed, int(index))
            radius[row] = self.radius.quantile(generator.random(), *self.radius_range)
            normal[row] = generator.standard_normal(4)
            if not constant:
                choices[row] = generator.random(2)
        orientation = self.orientation.of(normal)
        names = np.array(list(self.weights))
        edges = np.cumsum(list(self.weights.values()))[:-1]
        bodies = names[np.searchsorted(edges, choices[:, 0], side="right")]
        low, high = self.stretch_range
        stretch = np.full(count, low)
        if low < high:
            stretch[:] = [self.stretch.quantile(share, low, high) for share in choices[:, 1]]
        icosahedral = (bodies == "icosahedron") & (stretch == 1.0)
        if icosahedral.any():
            orientation[icosahedral] = to_fundamental_domain(orientation[icosahedral])
        return Particles(radius, orientation, bodies, stretch)
