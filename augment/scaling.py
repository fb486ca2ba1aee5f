"""Linear intensity to logarithmic grey values in [0, 1], and back."""

from __future__ import annotations

import math

import torch

from msft.errors import ParameterError

FLOOR_DECADES = 5.0
"""Decades between black and white where nothing else is said; the paper leaves them open."""


def log_scale(
    intensity: torch.Tensor, floor_decades: float = FLOOR_DECADES, valid: torch.Tensor | None = None
) -> torch.Tensor:
    """Scale each pattern to grey values: log(I + c), shifted and stretched so that 0 is 0 and the maximum 1.

    The floor c lies `floor_decades` below the maximum of the pattern; intensities well below it are dark.

    Parameters
    ----------
    intensity
        Linear intensity in any unit, shape (B, H, W). Negative values count as 0; NaN and infinities are
        invalid.
    floor_decades
        Decades between the maximum and c, in (0, 30].
    valid
        bool, shape (B, H, W) or (H, W). The maximum is over valid pixels, and the others become 0.

    Returns
    -------
    torch.Tensor
        float32, same shape and device. Patterns without any valid light are 0.

    Raises
    ------
    ParameterError
        `intensity`, `valid` or `floor_decades` is not as described.

    Notes
    -----
    Source: the "logarithmic intensity profile [...] stored as a grayscale image" of Stielow et al. 2020,
    appendix B, which leaves the floor open.
    """
    check_decades(floor_decades)
    if intensity.ndim != 3 or intensity.is_complex():
        raise ParameterError(
            "intensity", f"shape {tuple(intensity.shape)}", "a real tensor of shape (B, H, W)"
        )
    usable = intensity.isfinite()
    if valid is not None:
        if valid.dtype != torch.bool or valid.shape not in (intensity.shape, intensity.shape[1:]):
            raise ParameterError(
                "valid", f"a {valid.dtype} tensor of shape {tuple(valid.shape)}", "bool, (B, H, W) or (H, W)"
            )
        usable = usable & valid
    # In float64 the end points and the way back through linear_scale are exact to float32.
    light = intensity.double().where(usable, 0.0).clamp_min_(0.0)
    peak = light.amax(dim=(1, 2), keepdim=True)
    ratio = light.div_(peak.where(peak > 0.0, 1.0))
    return ratio.mul_(10.0**floor_decades).log1p_().div_(_span(floor_decades)).float()


def linear_scale(grey: torch.Tensor, floor_decades: float = FLOOR_DECADES) -> torch.Tensor:
    """Take grey values back to linear intensity: the inverse of `log_scale`, with maximum 1.

    Parameters
    ----------
    grey
        Grey values in [0, 1], any shape.
    floor_decades
        What `log_scale` was given, in (0, 30].

    Returns
    -------
    torch.Tensor
        Intensity in [0, 1], float32, same shape and device.

    Raises
    ------
    ParameterError
        The decades are outside (0, 30].
    """
    check_decades(floor_decades)
    return grey.double().mul_(_span(floor_decades)).expm1_().div_(10.0**floor_decades).float()


def check_decades(floor_decades: float) -> None:
    """Raise ParameterError unless a floor so many decades below 1 is one that float32 can hold."""
    if not 0.0 < floor_decades <= 30.0:
        raise ParameterError("floor_decades", floor_decades, "decades in (0, 30]")


def _span(floor_decades: float) -> float:
    return math.log1p(10.0**floor_decades)


def stretch(grey: torch.Tensor) -> torch.Tensor:
    """Grey images divided by their own maximum: what every network sees.

    A hole or a saturated centre takes the brightest pixels away, and the contrast of a measured frame is
    unknown: dividing by the maximum that is left makes training and prediction agree on both.

    Parameters
    ----------
    grey
        Images (B, H, W), float32, 0 where there is no signal or no valid pixel.

    Returns
    -------
    Float32 tensor of the same shape in [0, 1]; an image without signal stays zero.
    """
    peak = grey.amax(dim=(-2, -1), keepdim=True)
    return torch.where(peak > 0, grey / peak.clamp_min(torch.finfo(grey.dtype).tiny), 0.0).clamp(0.0, 1.0)
