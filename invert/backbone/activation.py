"""What follows a convolution: activations of the hidden layers, and the logarithmic one of the first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import torch
from torch import nn

from msft.errors import ParameterError

Activation = Literal["tanh", "relu", "leaky_relu"]
FirstActivation = Literal["same", "logarithmic"]

LEAKAGE = 0.2
"""Slope of leaky ReLUs below 0 (Zimmermann et al. 2019, section 5.1)."""

_HIDDEN: dict[str, Callable[[], nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "leaky_relu": lambda: nn.LeakyReLU(LEAKAGE),
}


class Logarithmic(nn.Module):
    """h(x) = sign(x) alpha (log(|x| + 1/e) + 1), so that h(0) = 0 (Zimmermann et al. 2019, equation 11).

    Parameters
    ----------
    alpha
        Scale, above 0; the slope at 0 is e alpha.
    """

    def __init__(self, alpha: float) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Of values of any shape."""
        # log(|x| + 1/e) + 1 = log1p(e |x|), which keeps its digits near 0
        return self.alpha * values.sign() * torch.log1p(torch.e * values.abs())

    def extra_repr(self) -> str:
        """Shown when the module is printed."""
        return f"alpha={self.alpha}"


def hidden_activation(name: Activation) -> nn.Module:
    """A new module for a hidden layer."""
    return _HIDDEN[name]()


def first_activation(name: FirstActivation, alpha: float, hidden: Activation) -> nn.Module:
    """A new module for the first layer: logarithmic, or the same as in the hidden layers."""
    return Logarithmic(alpha) if name == "logarithmic" else hidden_activation(hidden)


def check_activations(hidden: str, first: str, alpha: float) -> None:
    """Refuse names that are unknown and a scale of the logarithm that is not positive.

    Raises
    ------
    ParameterError
        If there are any.
    """
    for field, value, names in (
        ("activation", hidden, get_args(Activation)),
        ("first_activation", first, get_args(FirstActivation)),
    ):
        if value not in names:
            raise ParameterError(f"network.{field}", value, "one of " + ", ".join(names))
    if not 0 < alpha <= 100:
        raise ParameterError("network.alpha", alpha, "above 0, at most 100")
