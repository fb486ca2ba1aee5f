"""What every body can do: say which chords the beam cuts out of it, and be stretched."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from msft.bodies.chords import chords_of
from msft.bodies.shape import FloatArray, Shape
from msft.errors import ParameterError

LARGEST_STRETCH = 100.0
"""Beyond it, or below its inverse, a body is a needle or a sheet that no grid of the solvers resolves."""


class Body(ABC):
    """A body in its own frame, scaled so that its farthest point lies at distance 1 of the origin.

    Attributes
    ----------
    name
        What the body is called; see `msft.bodies.named`.
    """

    name: str

    @property
    @abstractmethod
    def volume(self) -> float:
        """Volume at unit circumsphere radius; of voxels, the integral of the density."""

    @abstractmethod
    def contains(self, points: FloatArray, rotation: FloatArray, radius: float) -> NDArray[np.bool_]:
        """Whether points in the lab frame lie inside.

        Parameters
        ----------
        points
            x, y, z in nm from the body's origin, shape (..., 3).
        rotation
            R(q), shape (3, 3).
        radius
            Circumsphere radius in nm.

        Returns
        -------
        Shape (...).
        """

    @abstractmethod
    def density(
        self, x: FloatArray, y: FloatArray, z: FloatArray, rotation: FloatArray, radius: float
    ) -> NDArray[np.floating]:
        """The density on a grid of the lab frame.

        Parameters
        ----------
        x, y, z
            Evenly spaced coordinates in nm, shapes (X,), (Y,), (Z,).
        rotation
            R(q), shape (3, 3).
        radius
            Circumsphere radius in nm.

        Returns
        -------
        Shape (Z, Y, X); 1 is the full material.
        """

    def stretched(self, factor: float) -> Body:
        """The body stretched along its z axis, scaled back to circumsphere radius 1.

        Parameters
        ----------
        factor
            0.01 to 100; below 1 the body is flattened.

        Raises
        ------
        ParameterError
            If the factor is outside its range.
        """
        if not (math.isfinite(factor) and 1 / LARGEST_STRETCH <= factor <= LARGEST_STRETCH):
            raise ParameterError(
                "stretch",
                factor,
                f"{1 / LARGEST_STRETCH:g} to {LARGEST_STRETCH:g}; 1 leaves the body as it is",
            )
        return self if factor == 1 else self._stretched(factor)

    @abstractmethod
    def _stretched(self, factor: float) -> Body:
        """`stretched` for a factor that is in its range."""


class ChordedBody(Body):
    """A body that a line parallel to the beam crosses in chords, each of one density."""

    @property
    @abstractmethod
    def densities(self) -> tuple[float, ...]:
        """Of the C chords, in their order, or one for all; 1 is the full material."""

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """What the body is made of, and where its chords are not smooth."""

    @cached_property
    def numbers(self) -> FloatArray:
        """The shape in one array: what compiled code reads."""
        return self.shape.packed()

    def chords(
        self, x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float
    ) -> tuple[FloatArray, FloatArray]:
        """Where the beam at (x, y) enters and leaves the body, in the order in which it does so.

        Parameters
        ----------
        x, y
            Lateral positions in nm, shapes that broadcast.
        rotation
            R(q), shape (3, 3).
        radius
            Circumsphere radius in nm.

        Returns
        -------
        z_in, z_out in nm, shape (C, ...) with C the most chords that a column can have; z_in >= z_out where
        there is no chord. Chords of one column do not overlap.
        """
        across = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
        lines = (np.ravel(one) for one in across)
        z_in, z_out = chords_of(self.numbers, *lines, np.ascontiguousarray(rotation), float(radius))
        shape = -1, *across[0].shape
        return z_in.reshape(shape), z_out.reshape(shape)


def grid_points(x: FloatArray, y: FloatArray, z: FloatArray) -> FloatArray:
    """Points of a grid with these coordinates, (Z, Y, X, 3)."""
    depth, row, column = np.meshgrid(z, y, x, indexing="ij")
    return np.stack([column, row, depth], axis=-1)


class HomogeneousBody(ChordedBody):
    """A body of one density."""

    @property
    def densities(self) -> tuple[float, ...]:
        """See `ChordedBody.densities`; one 1, which stands for all chords."""
        return (1.0,)

    def density(
        self, x: FloatArray, y: FloatArray, z: FloatArray, rotation: FloatArray, radius: float
    ) -> NDArray[np.floating]:
        """1 inside and 0 outside; see `Body.density`."""
        return self.contains(grid_points(x, y, z), rotation, radius).astype(np.float64)


class ConvexBody(HomogeneousBody):
    """A body with at most one chord per column."""

    def columns(
        self, x: FloatArray, y: FloatArray, rotation: FloatArray, radius: float
    ) -> tuple[FloatArray, FloatArray]:
        """Where the beam at (x, y) enters and leaves the body: `chords` without the leading axis."""
        z_in, z_out = self.chords(x, y, rotation, radius)
        return z_in[0], z_out[0]
