"""Images over radius and angle around the beam."""

from __future__ import annotations

import math

import torch

from msft.errors import ParameterError


def polar_map(images: torch.Tensor, radii: int | None = None, angles: int | None = None) -> torch.Tensor:
    """Sample images on circles around the beam, bilinearly.

    Parameters
    ----------
    images
        Floating point, shape (B, n, n), on any device; the beam goes through pixel [n // 2, n // 2].
    radii
        Number of circles; n if None. They lie evenly, in the middles of as many rings, out to the last one
        that is whole.
    angles
        Number of points on each; n if None. The first lies along the rows, the next ones towards larger y.

    Returns
    -------
    Shape (B, radii, angles), dtype and device of the images.

    Raises
    ------
    ParameterError
        If the images are not such, or there is no circle, or no point on it.
    """
    if images.ndim != 3 or not images.is_floating_point() or images.shape[1] != images.shape[2]:
        found = f"a {images.dtype} tensor of shape {tuple(images.shape)}"
        raise ParameterError("images", found, "a floating-point tensor of shape (B, n, n)")
    size = images.shape[1]
    radii, angles = size if radii is None else radii, size if angles is None else angles
    if size < 3:
        raise ParameterError("images", f"{size} pixels per side", "3 or more")
    for name, count in (("radii", radii), ("angles", angles)):
        if count < 1:
            raise ParameterError(name, count, "1 or more")
    circle = torch.arange(radii, dtype=images.dtype, device=images.device)
    radius = (circle + 0.5) * ((size - 1) // 2 / radii)
    angle = torch.arange(angles, dtype=images.dtype, device=images.device) * (2 * math.pi / angles)
    # grid_sample counts from -1 in the first pixel's centre to 1 in the last one's
    around = torch.stack([angle.cos(), angle.sin()], dim=-1)
    place = (radius[:, None, None] * around + size // 2) * (2 / (size - 1)) - 1
    grid = place.expand(len(images), radii, angles, 2)
    sampled = torch.nn.functional.grid_sample(images[:, None], grid, mode="bilinear", align_corners=True)
    return sampled[:, 0]
