"""What a GPU's threads read of a mesh: everything that is the same for all pixels, computed before them.

These are the lines that `msft.backends.with_numba` has before its loops over pixels, for all meshes and
attenuations at once and on the arrays of any namespace, so that they are tested where there is no GPU. They
are computed in double and rounded once. The structures are those of ``face_sums.cu``, which has one row of
each for each attenuation of each mesh.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from msft.solvers.overlay import Meshes

WIDTH = 8
"""Numbers of a structure, which a thread then reads in two loads of 16 bytes in single precision."""


class Packed(NamedTuple):
    """Meshes of N particles with S attenuations each, in a kernel's layout.

    Attributes
    ----------
    vertices
        Of each vertex x, y, z, |e^{-s l}|, Im s l, shape (N, S, V, `WIDTH`), as `steps` and `cells` in the
        kernel's precision.
    steps
        Of each edge the differences of x, y, z and of -Re s l, Im s l between its vertices,
        shape (N, S, E, `WIDTH`).
    cells
        dz/dx, dz/dy, the real and minus the imaginary part of the gradient of -s l, the sign, and |kappa|^2
        below which the cell is flat, shape (N, S, C, `WIDTH`).
    edges, loops, counts
        As in `Meshes`, int32.
    points
        As in `Meshes`.
    s
        Attenuations, complex128, shape (N, S).
    """

    vertices: Any
    steps: Any
    cells: Any
    edges: Any
    loops: Any
    counts: Any
    points: Any
    s: Any


def packed(meshes: Meshes, s: Any, dtype: str, near: float, xp: Any) -> Packed:
    """Meshes in a kernel's layout.

    Parameters
    ----------
    meshes
        Of N particles, in arrays of `xp`.
    s
        Attenuations in nm^-1, complex128 array of `xp`, shape (N, S).
    dtype
        Of the kernel: float32 or float64.
    near
        `msft.backends.with_numpy.NEAR` for that precision.
    xp
        Namespace of the arrays: `numpy` or `cupy`.
    """
    points, edges, cells = meshes.points, meshes.edges, meshes.cells
    count, attenuations = s.shape
    s_re, s_im = s.real[:, :, None], s.imag[:, :, None]

    def rows(length: int) -> Any:
        return xp.zeros((count, attenuations, length, WIDTH), dtype=dtype)

    vertices = rows(points.shape[1])
    path = points[:, None, :, 3]
    vertices[..., :3] = points[:, None, :, :3]
    vertices[..., 3] = xp.exp(-s_re * path)
    vertices[..., 4] = s_im * path

    mesh = xp.arange(count)[:, None]
    difference = points[mesh, edges[:, :, 1]] - points[mesh, edges[:, :, 0]]
    steps = rows(edges.shape[1])
    steps[..., :3] = difference[:, None, :, :3]
    steps[..., 3] = -s_re * difference[:, None, :, 3]
    steps[..., 4] = s_im * difference[:, None, :, 3]

    packed_cells = rows(cells.shape[1])
    extent = cells[:, None, :, 5]
    packed_cells[..., :2] = cells[:, None, :, :2]
    packed_cells[..., 2:4] = -s_re[..., None] * cells[:, None, :, 2:4]
    packed_cells[..., 4:6] = s_im[..., None] * cells[:, None, :, 2:4]
    packed_cells[..., 6] = cells[:, None, :, 4]
    packed_cells[..., 7] = (near / xp.where(extent > 0, extent, 1)) ** 2  # 0 where there is no cell

    return Packed(
        vertices,
        steps,
        packed_cells,
        edges.astype(xp.int32),
        meshes.loops.astype(xp.int32),
        meshes.counts.astype(xp.int32),
        xp.ascontiguousarray(points),
        s,
    )
