"""The logarithmic grey scale: `augment.scaling` on a processor."""

from __future__ import annotations

import math

import numba
import numpy as np
import torch
from numba import float32

from augment.compiled.parts import COMPILED, INLINED, over_images

# log(1 + f) / f of a mantissa between 1 / sqrt(2) and sqrt(2), by Chebyshev interpolation when the module is
# loaded; 10 terms leave 1e-8, below the rounding of single precision
_ENDS = math.sqrt(0.5) - 1.0, math.sqrt(2.0) - 1.0
_FIT = np.polynomial.Chebyshev.interpolate(lambda f: np.log1p(f) / f, 9, domain=_ENDS).convert(
    kind=np.polynomial.Polynomial, domain=[-1, 1]
)
(_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7, _L8, _L9) = _FIT.coef.astype(np.float32)

# log(2) as a number with few digits, whose products with exponents are exact, and the rest
_LOG_2 = np.float32(0.693359375)
_LOG_2_REST = np.float32(math.log(2.0) - 0.693359375)

_ROOT_HALF = np.int32(0x3F3504F3)
"""The bit pattern of 1 / sqrt(2)."""

_ZERO, _ONE, _TWO, _INFINITY = np.float32(0.0), np.float32(1.0), np.float32(2.0), np.float32(np.inf)


def log_scaled(images: torch.Tensor, decades: torch.Tensor) -> torch.Tensor:
    """Return grey values of images, whose NaN, infinities and negative values count as 0.

    Parameters
    ----------
    images
        Float32, shape (B, H, W).
    decades
        Between the maximum and the floor: float32, shape (B,).
    """
    pixels = images.flatten(1)
    # in double precision, whose rounding does not depend on the neighbours that are computed beside
    factors = torch.pow(10.0, decades.double()).float()
    return over_images(_log_scaled, (pixels, factors), pixels.shape).view(images.shape)


def cleaned(images: torch.Tensor, most: float) -> torch.Tensor:
    """Return images clipped to [0, most]; NaN and infinities become 0.

    Parameters
    ----------
    images
        Float32, shape (B, H, W).
    most
        The largest value that is left.
    """
    return over_images(_cleaned, (images,), images.shape, (most,))


@numba.njit(**INLINED)
def _light(value):  # type: ignore[no-untyped-def]
    return value if (value > _ZERO) & (value < _INFINITY) else _ZERO


@numba.njit(**INLINED)
def _peak(image):  # type: ignore[no-untyped-def]
    """The largest value of an image that is finite and > 0; 0 if there is none."""
    # bit patterns of numbers >= 0 are in their order, and LLVM vectorises the largest of integers alone
    bits = np.int32(0)
    for pixel in range(len(image)):
        bits = max(bits, np.float32(_light(image[pixel])).view(np.int32))
    return np.int32(bits).view(np.float32)


@numba.njit(**INLINED)
def _log1p(x):  # type: ignore[no-untyped-def]
    """log(1 + x) for x >= 0, to 3e-7 of its value."""
    u = x + _ONE
    # what the sum lost, times the slope 1 / u: beyond u = 2 it is below the rounding
    lost = (x - (u - _ONE)) * max(_TWO - u, _ZERO)
    bits = np.float32(u).view(np.int32)
    exponent = np.int32(np.int32(bits - _ROOT_HALF) >> np.int32(23))
    f = np.int32(bits - np.int32(exponent << np.int32(23))).view(np.float32) - _ONE
    high = _L5 + f * (_L6 + f * (_L7 + f * (_L8 + f * _L9)))
    series = _L0 + f * (_L1 + f * (_L2 + f * (_L3 + f * (_L4 + f * high))))
    power = float32(exponent)
    return power * _LOG_2 + (f * series + (power * _LOG_2_REST + lost))


@numba.njit(**COMPILED)
def _cleaned(images, result, most):  # type: ignore[no-untyped-def]
    count, height, width = images.shape
    limit = float32(most)
    for number in range(count):
        for row in range(height):
            own, clean = images[number, row], result[number, row]
            for column in range(width):
                light = _light(own[column])
                clean[column] = light if light < limit else limit


@numba.njit(**COMPILED)
def _log_scaled(images, factors, result):  # type: ignore[no-untyped-def]
    for number in range(len(images)):
        own, grey, factor = images[number], result[number], factors[number]
        peak = _peak(own)
        if peak == _ZERO:
            grey[:] = _ZERO
            continue
        top = _log1p(peak / peak * factor)
        for pixel in range(len(own)):
            grey[pixel] = _log1p(_light(own[pixel]) / peak * factor) / top
