"""Linear intensity to logarithmic grey values in [0, 1], and back."""

from __future__ import annotations

import math

import torch

from augment.compiled import on_processor
from msft.errors import ParameterError

FLOOR_DECADES = 5.0
"""Decades between black and white where nothing else is said; the paper leaves them open."""


def log_scale(
    intensity: torch.Tensor,
    floor_decades: float | torch.Tensor = FLOOR_DECADES,
    valid: torch.Tensor | None = None,
) -> torch.Tensor:
    """Scale each pattern to grey values: log(I + c), shifted and stretched so that 0 is 0 and the maximum 1.

    The floor c lies `floor_decades` below the maximum of the pattern; intensities well below it are dark.

    Parameters
    ----------
    intensity
        Linear intensity in any unit that float32 holds, shape (B, H, W). Negative values count as 0; NaN and
        infinities are invalid.
    floor_decades
        Decades between the maximum and c, in (0, 30]; one number, or a float tensor (B,) for each pattern.
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
    Source: the logarithmic grey images of Stielow et al. 2020, appendix B, which leaves the floor open.
    """
    check_decades(floor_decades)
    if intensity.ndim != 3 or intensity.is_complex():
        raise ParameterError(
            "intensity", f"shape {tuple(intensity.shape)}", "a real tensor of shape (B, H, W)"
        )
    light = intensity if intensity.dtype == torch.float32 else intensity.double()
    if valid is not None:
        if valid.dtype != torch.bool or valid.shape not in (intensity.shape, intensity.shape[1:]):
            raise ParameterError(
                "valid", f"a {valid.dtype} tensor of shape {tuple(valid.shape)}", "bool, (B, H, W) or (H, W)"
            )
        light = light.where(valid, 0.0)
    decades = torch.as_tensor(floor_decades, dtype=light.dtype).reshape(-1, 1, 1)
    if on_processor(light) and light.dtype == torch.float32:
        from augment.compiled import scaling as compiled

        return compiled.log_scaled(light, decades.flatten().expand(len(light)))
    decades = decades.to(light.device, non_blocking=True)
    light = light.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0).clamp_(min=0.0)
    peak = light.amax(dim=(1, 2), keepdim=True)
    light.div_(peak.where(peak > 0.0, 1.0)).mul_(torch.pow(10.0, decades)).log1p_()
    # the logarithm of the maximum, as it was rounded there: the end points are exactly 0 and 1
    top = light.amax(dim=(1, 2), keepdim=True)
    return light.div_(top.where(top > 0.0, 1.0)).float()


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
    return grey.mul(_span(floor_decades)).expm1_().mul_(10.0**-floor_decades).clamp_(max=1.0)


def check_decades(floor_decades: float | torch.Tensor) -> None:
    """Raise ParameterError unless a floor so many decades below 1 is one that float32 can hold."""
    values = torch.as_tensor(floor_decades)
    if not bool(((values > 0.0) & (values <= 30.0)).all()):
        raise ParameterError("floor_decades", floor_decades, "decades in (0, 30]")


def _span(floor_decades: float) -> float:
    return math.log1p(10.0**floor_decades)


def stretch(grey: torch.Tensor, floor_decades: float = FLOOR_DECADES) -> torch.Tensor:
    """Scale grey images anew to the maximum that is left in them: what every network sees.

    A hole takes the brightest pixels away. The linear intensity behind the grey values is divided by the
    maximum that remains and log-scaled again, so that a simulated image whose hole was cut after the log
    scale is the same as a measured one whose hole was masked before it.

    Parameters
    ----------
    grey
        Images (B, H, W), float32 in [0, 1], as `log_scale` gives them; 0 where no pixel is valid.
    floor_decades
        What `log_scale` was given.

    Returns
    -------
    Float32 tensor of the same shape in [0, 1]; an image without signal stays zero.
    """
    span = _span(floor_decades)
    floors = grey.mul(span).expm1_()  # intensity in units of the floor
    # a millionth of the floor is no light: an image below it stays dark
    peak = floors.amax(dim=(-2, -1), keepdim=True).clamp_min_(1e-6)
    return floors.mul_(10.0**floor_decades / peak).log1p_().div_(span).clamp_(0.0, 1.0)
