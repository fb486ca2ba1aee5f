"""Cosine and sine that LLVM vectorises, which numba's scalar functions keep it from in single precision."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

# Fits of cos(2 pi t) and sin(2 pi t) / t in t^2 for |t| <= 1/2, by Chebyshev interpolation when the module is
# loaded; 7 terms leave 1e-8, below the rounding of single precision.
_TERMS = 7


def _fit(function: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> NDArray[np.float64]:
    polynomial = np.polynomial.Chebyshev.interpolate(function, _TERMS - 1, domain=[0.0, 0.25])
    return np.asarray(polynomial.convert(kind=np.polynomial.Polynomial, domain=[-1, 1]).coef)


_COSINE = tuple(_fit(lambda u: np.cos(2 * np.pi * np.sqrt(u))).astype(np.float32))
_SINE = tuple(_fit(lambda u: 2 * np.pi * np.sinc(2 * np.sqrt(u))).astype(np.float32))
(_C0, _C1, _C2, _C3, _C4, _C5, _C6) = _COSINE
(_S0, _S1, _S2, _S3, _S4, _S5, _S6) = _SINE
_TURN = np.float32(1 / (2 * np.pi))
_HALF = np.float32(0.5)


def cosine_sine(phase: Any) -> Any:
    """Cosine and sine of a phase in radians, in its own precision; for compiled functions."""


def _single(phase):  # type: ignore[no-untyped-def]
    # fold to half a turn, then polynomials
    t = phase * _TURN
    t -= np.floor(t + _HALF)
    u = t * t
    cosine = _C0 + u * (_C1 + u * (_C2 + u * (_C3 + u * (_C4 + u * (_C5 + u * _C6)))))
    sine = _S0 + u * (_S1 + u * (_S2 + u * (_S3 + u * (_S4 + u * (_S5 + u * _S6)))))
    return cosine, t * sine


def _double(phase):  # type: ignore[no-untyped-def]
    return math.cos(phase), math.sin(phase)


@overload(cosine_sine, jit_options={"fastmath": True, "forceinline": True})
def _of_type(phase):  # type: ignore[no-untyped-def]
    return _single if phase == numba.float32 else _double
