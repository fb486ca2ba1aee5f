"""Unit quaternions (w, x, y, z): v_lab = R(q) v_body; q and -q are the same rotation and w >= 0 is kept.

Functions take and give float64 arrays of shape (..., 4) and broadcast like NumPy. Objects of the package
numpy-quaternion are accepted wherever a user hands in an orientation (`as_quaternions`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from msft.errors import ParameterError

FloatArray = NDArray[np.float64]


def as_quaternions(orientation: Any) -> FloatArray:
    """Unit quaternions with w >= 0 from any notation of them.

    Parameters
    ----------
    orientation
        Array-like of shape (..., 4) in the order w, x, y, z, or a numpy-quaternion scalar or array. The norm
        need not be 1.

    Returns
    -------
    Float64 array of shape (..., 4).

    Raises
    ------
    ParameterError
        If the last axis is not 4 long, or a norm is 0 or not finite.
    """
    if type(orientation).__module__.partition(".")[0] == "quaternion":
        orientation = orientation.components  # a numpy-quaternion scalar
    elif getattr(getattr(orientation, "dtype", None), "name", "") == "quaternion":
        orientation = np.ascontiguousarray(orientation).view(np.float64).reshape((*orientation.shape, 4))
    q = np.asarray(orientation, dtype=np.float64)
    if q.ndim == 0 or q.shape[-1] != 4:
        raise ParameterError("orientation", f"shape {q.shape}", "four numbers w, x, y, z")
    norm: FloatArray = np.linalg.norm(q, axis=-1, keepdims=True)
    wrong = q[~(np.isfinite(norm[..., 0]) & (norm[..., 0] > 0))]
    if wrong.size:
        raise ParameterError("orientation", wrong[0].tolist(), "quaternions of norm above 0")
    return canonical(np.asarray(q / norm))


def canonical(q: FloatArray) -> FloatArray:
    """The representative with w >= 0."""
    return np.where(q[..., :1] < 0, -q, q)


def multiply(p: ArrayLike, q: ArrayLike) -> FloatArray:
    """Hamilton product p q: the rotation q followed by p."""
    pw, px, py, pz = np.moveaxis(np.asarray(p, dtype=np.float64), -1, 0)
    qw, qx, qy, qz = np.moveaxis(np.asarray(q, dtype=np.float64), -1, 0)
    return np.stack(
        [
            pw * qw - px * qx - py * qy - pz * qz,
            pw * qx + px * qw + py * qz - pz * qy,
            pw * qy - px * qz + py * qw + pz * qx,
            pw * qz + px * qy - py * qx + pz * qw,
        ],
        axis=-1,
    )


def conjugate(q: ArrayLike) -> FloatArray:
    """The inverse rotation of a unit quaternion."""
    return np.asarray(np.asarray(q) * np.array([1.0, -1.0, -1.0, -1.0]), dtype=np.float64)


def from_axis_angle(axis: ArrayLike, angle: ArrayLike) -> FloatArray:
    """Rotation by `angle` (radians) about `axis` (shape (..., 3), any length above 0)."""
    axis = np.asarray(axis, dtype=np.float64)
    axis = axis / np.linalg.norm(axis, axis=-1, keepdims=True)
    half = np.asarray(angle, dtype=np.float64)[..., None] / 2
    return canonical(np.concatenate([np.cos(half), np.sin(half) * axis], axis=-1))


def from_rotation_vector(vector: ArrayLike) -> FloatArray:
    """Rotation about a vector (..., 3) by its length in radians; none for the zero vector."""
    vector = np.asarray(vector, dtype=np.float64)
    half = np.linalg.norm(vector, axis=-1, keepdims=True) / 2
    return canonical(np.concatenate([np.cos(half), np.sinc(half / np.pi) / 2 * vector], axis=-1))


def rotation_matrix(q: ArrayLike) -> FloatArray:
    """R(q), shape (..., 3, 3), of unit quaternions: v_lab = R v_body."""
    w, x, y, z = np.moveaxis(np.asarray(q, dtype=np.float64), -1, 0)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
        [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
        [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def rotation_angle(q: ArrayLike) -> FloatArray:
    """Angle of rotation in radians, 0 to pi, shape (...); accurate for small angles too."""
    q = np.asarray(q, dtype=np.float64)
    return np.asarray(2 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), np.abs(q[..., 0])))


def random_rotations(generator: np.random.Generator, count: int) -> FloatArray:
    """Rotations uniform on SO(3), shape (count, 4): normalised four-dimensional Gaussians."""
    q = generator.standard_normal((count, 4))
    return canonical(q / np.linalg.norm(q, axis=-1, keepdims=True))
