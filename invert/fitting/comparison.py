"""What counts as a difference between two images: weights, and fields that they may differ by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """How images are compared: weighted, freed of smooth fields, and of norm 1.

    Attributes
    ----------
    root_weight
        Of each compared pixel, shape (P,).
    fields
        What the images may differ by, in terms of the weighted pixels: orthonormal columns, shape (P, K).
    """

    root_weight: FloatArray
    fields: FloatArray

    @classmethod
    def of(cls, root_weight: FloatArray, fields: FloatArray) -> Comparison:
        """For fields (P, K) as they are before weighting."""
        return cls(root_weight, np.linalg.qr(fields * root_weight[:, None])[0])

    @classmethod
    def plain(cls, pixels: int) -> Comparison:
        """The correlation: equal weights, and an offset."""
        return cls.of(np.ones(pixels), np.ones((pixels, 1)))

    def __call__(self, images: NDArray[np.floating[Any]]) -> FloatArray:
        """Images (..., P) as they are compared; one that the fields explain becomes 0."""
        images = images * self.root_weight
        images = images - (images @ self.fields) @ self.fields.T
        norm = np.linalg.norm(images, axis=-1, keepdims=True)
        return np.asarray(images / np.where(norm > 0, norm, 1), dtype=np.float64)
