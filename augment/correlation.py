"""Two-point cross-correlation maps (Zimmermann et al. 2019, section 5.3), robust to noise."""

from __future__ import annotations

import math

import torch

from augment.polar import polar_map
from augment.ranges import check_number
from msft.errors import ParameterError

ORDER = 8
"""Of the upper triangle, as in the paper."""

DECADES = 10.0
"""Below the largest correlation, twice those of intensity: a correlation is a product of two."""


def correlation_map(polar: torch.Tensor, order: int = ORDER) -> torch.Tensor:
    """Correlate the circles of a pattern with each other.

    The lower triangle, with the diagonal, holds the full correlation without angular separation,
    C_ij = integral of I(q_i, phi) I(q_j, phi) over phi from 0 to 2 pi (equation 13, Delta = 0). The upper one
    holds the real part of that of one order, I_i^n* I_j^n (equations 14 and 15): what the orders n and -n
    contribute to the former is 4 pi times it. It is the real part that is symmetric, as the paper wants it.

    Parameters
    ----------
    polar
        Intensity over radius and angle as `polar_map` gives it, floating point, shape (B, Q, A).
    order
        n, 0 to A // 2.

    Returns
    -------
    Shape (B, Q, Q), dtype and device of the input: row i, column j for (q_i, q_j).

    Raises
    ------
    ParameterError
        If the tensor has another shape or type, or the order is not one that A angles have.
    """
    if polar.ndim != 3 or not polar.is_floating_point() or 0 in polar.shape[1:]:
        found = f"a {polar.dtype} tensor of shape {tuple(polar.shape)}"
        raise ParameterError("polar", found, "a floating-point tensor of shape (B, radii, angles)")
    angles = polar.shape[2]
    if not 0 <= order <= angles // 2:
        raise ParameterError("order", order, f"0 to {angles // 2}, half the number of angles")
    full = polar @ polar.mT * (2 * math.pi / angles)
    # one Fourier component of each circle, as real and imaginary part: cheaper than the whole FFT
    turns = torch.arange(angles, dtype=torch.float64) * order % angles * (2 * math.pi / angles)
    wave = torch.stack([turns.cos(), -turns.sin()], dim=1).to(polar) / angles
    parts = polar @ wave
    # the real part of conj(a) b, for all pairs
    return full.tril() + (parts @ parts.mT).triu(1)


def correlation_images(
    images: torch.Tensor, order: int = ORDER, decades: float | None = DECADES
) -> torch.Tensor:
    """Correlation maps in place of images: what a network takes.

    Parameters
    ----------
    images
        Linear intensity, float32, shape (B, n, n). Negative values count; NaN and infinities become 0.
    order
        Of the upper triangle; see `correlation_map`.
    decades
        Each triangle is divided by its largest magnitude, and scaled to sign(C) log(1 + 10^decades |C|) over
        its largest value; None leaves it linear. Within (0, 30].

    Returns
    -------
    Float32, shape (B, n, n), in [-1, 1]; where there is no light, 0.

    Raises
    ------
    ParameterError
        See `polar_map` and `correlation_map`; or if the decades are outside (0, 30].
    """
    if decades is not None:
        check_number("decades", decades, 1e-6, 30.0)
    clean = images.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    # to the maximum first, so that no product is too large for float32
    peak = clean.abs().amax(dim=(1, 2), keepdim=True)
    maps = correlation_map(polar_map(clean / peak.where(peak > 0, 1.0)), order)
    magnitude = maps.abs()
    lower = torch.ones(maps.shape[1:], dtype=torch.bool, device=maps.device).tril()
    below, above = ((magnitude * part).amax(dim=(1, 2), keepdim=True) for part in (lower, ~lower))
    largest = torch.where(lower, below, above)
    magnitude /= largest.where(largest > 0, 1.0)
    if decades is not None:
        magnitude.mul_(10.0**decades).log1p_().div_(math.log1p(10.0**decades))
    return magnitude.clamp_(max=1.0).copysign_(maps)
