"""Bodies given as densities on a grid of voxels."""

from __future__ import annotations

import math
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import scipy.ndimage
from numpy.typing import ArrayLike, NDArray

from msft.bodies.body import Body
from msft.bodies.shape import FloatArray
from msft.errors import ParameterError, one_line

MOST_VOXELS = 1024
"""Per side: 4 GB in single precision."""

DENSEST = 1e6
"""In units of the full material: beyond it the intensity of a large particle is no number of its file."""

EDGE = 1e-6
"""Of the largest density: what is less counts as nothing when the farthest voxel is looked for."""


@dataclass(frozen=True, eq=False)
class Voxels(Body):
    """A density on a grid, in its own frame, its middle at the origin.

    Build it with `from_density` or `load`. The values are those at the voxels' centres; between them the
    density is a cubic spline, outside the box 0. It multiplies n - 1 of the material: 1 is the full material.

    Attributes
    ----------
    name
        Name of the body.
    values
        Float32, shape (n_x, n_y, n_z): index [i, j, k] lies at (x_i, y_j, z_k).
    edges
        Lengths of a voxel along x, y, z; the farthest corner of a voxel that is not empty is at distance 1.
    """

    name: str
    values: NDArray[np.float32]
    edges: tuple[float, float, float]

    @classmethod
    def from_density(
        cls, name: str, density: ArrayLike, edges: tuple[float, float, float] = (1.0, 1.0, 1.0)
    ) -> Voxels:
        """Voxels of any edge lengths, scaled to circumsphere radius 1.

        Parameters
        ----------
        name
            Name of the body.
        density
            Real numbers, shape (n_x, n_y, n_z), 2 to 1024 along each axis: 1 is the full material.
        edges
            Lengths of a voxel along x, y, z above 0, in any unit.

        Raises
        ------
        ParameterError
            If an edge is not above 0, or the density has another shape, is not real, not finite, negative,
            above `DENSEST`, or 0 everywhere.
        """
        for edge in edges:
            if not (math.isfinite(edge) and edge > 0):
                raise ParameterError("edges", edge, "lengths above 0")
        given = np.asarray(density)
        if given.ndim != 3 or min(given.shape) < 2 or max(given.shape) > MOST_VOXELS:
            raise ParameterError("voxels", f"shape {given.shape}", f"three axes of 2 to {MOST_VOXELS} voxels")
        if given.dtype.kind not in "fiub":
            raise ParameterError("voxels", f"values of type {given.dtype}", "real numbers")
        with np.errstate(over="ignore"):  # what is no number in single precision is refused below
            values = given.astype(np.float32)
        for unusable, what in (
            (~np.isfinite(values), "values that are not finite"),
            (values < 0, "negative values"),
            (values > DENSEST, f"values above {DENSEST:g}"),
        ):
            if unusable.any():
                where = tuple(int(index) for index in np.argwhere(unusable)[0])
                allowed = (
                    f"finite densities of 0 or more, 1 the full material; the first other one is at {where}"
                )
                raise ParameterError("voxels", f"{np.count_nonzero(unusable)} {what}", allowed)
        if not values.any():
            raise ParameterError("voxels", "densities that are all 0", "a density above 0 somewhere")
        scale = 1 / _farthest(values, edges)
        return cls(name, values, (edges[0] * scale, edges[1] * scale, edges[2] * scale))

    @classmethod
    def load(cls, path: Path, name: str | None = None) -> Voxels:
        """Cubic voxels from a NumPy file, named after it.

        Raises
        ------
        ParameterError
            If it is no such file, or see `from_density`.
        """
        try:
            density = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError, MemoryError, zipfile.BadZipFile) as error:
            raise ParameterError("voxels", path, f"a NumPy file of one array ({one_line(error)})") from None
        if not isinstance(density, np.ndarray):
            raise ParameterError("voxels", path, "a NumPy file of one array, .npy")
        return cls.from_density(name or str(path), density)

    def radius_in_box(self, width: float) -> float:
        """Circumsphere radius in nm when the box is `width` nm wide along x.

        Raises
        ------
        ParameterError
            If the width is not above 0.
        """
        if not (math.isfinite(width) and width > 0):
            raise ParameterError("box", width, "a width above 0 nm")
        return float(width / (self.values.shape[0] * self.edges[0]))

    @property
    def volume(self) -> float:
        """Integral of the density at unit circumsphere radius."""
        return float(self.values.sum(dtype=np.float64)) * math.prod(self.edges)

    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points (..., 3) in nm in the lab frame lie in a voxel that is not empty."""
        shape = np.array(self.values.shape)
        index = np.floor(points @ rotation / (radius * np.array(self.edges)) + shape / 2).astype(np.int64)
        within = ((index >= 0) & (index < shape)).all(axis=-1)
        i, j, k = np.moveaxis(np.where(np.expand_dims(within, -1), index, 0), -1, 0)
        return np.asarray(within & (self.values[i, j, k] > 0))

    def density(
        self, x: FloatArray, y: FloatArray, z: FloatArray, rotation: FloatArray, radius: float
    ) -> NDArray[np.float32]:
        """The density on a grid of the lab frame; see `Body.density`."""
        # from indices of the wanted grid to the lab, to the body's frame, to the voxels' indices
        steps = np.array([_step(z), _step(y), _step(x)])
        to_voxels = (rotation / (radius * np.array(self.edges))).T  # (body axis, lab axis)
        matrix = to_voxels[:, ::-1] * steps
        start = to_voxels @ [x[0], y[0], z[0]] + (np.array(self.values.shape) - 1) / 2
        from msft.backends.spline import sample

        return sample(*self._spline, matrix, start, (len(z), len(y), len(x)))

    @cached_property
    def _spline(self) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Coefficients of the cubic spline through the values, with a border of zeros, and where any are."""
        from msft.backends.spline import BORDER, filled_blocks

        inside = scipy.ndimage.spline_filter(self.values, order=3, output=np.float32, mode="grid-constant")
        coefficients = np.pad(inside, BORDER)
        return coefficients, filled_blocks(coefficients)

    def _stretched(self, factor: float) -> Voxels:
        x, y, z = self.edges
        return Voxels.from_density(self.name, self.values, (x, y, z * factor))


def _farthest(values: NDArray[np.float32], edges: tuple[float, float, float]) -> float:
    """The largest distance of a corner of a voxel that is not empty from the middle of the box."""
    filled = values > EDGE * values.max()
    squared = np.zeros((1, 1, 1))
    for axis, edge in enumerate(edges):
        outer = np.abs(np.arange(values.shape[axis]) - (values.shape[axis] - 1) / 2) + 0.5
        shape = [1, 1, 1]
        shape[axis] = -1
        squared = squared + ((edge * outer) ** 2).reshape(shape)
    return math.sqrt(float(squared[filled].max()))


def _step(axis: FloatArray) -> float:
    return float(axis[1] - axis[0]) if len(axis) > 1 else 1.0
