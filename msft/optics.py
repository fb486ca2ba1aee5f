"""How the light travels: wavelength and what the particle does to the wave on its way in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from msft.errors import ParameterError

AbsorptionModel = Literal["amplitude", "intensity", "none", "refractive"]
ABSORPTION_MODELS: tuple[str, ...] = get_args(AbsorptionModel)

SHORTEST_WAVELENGTH, LONGEST_WAVELENGTH = 0.01, 1000.0

SHORTEST_ABSORPTION = 1e-3
"""In nm; what is shorter was given in another unit."""

LARGEST_INDEX = 100.0
"""Of delta and beta in modulus: beyond those of any material, and far below where numbers overflow."""


@dataclass(frozen=True)
class Optics:
    """Wavelength and absorption of the multi-slice Fourier transform.

    The wave that reaches depth l below the entry surface is exp(-s l) times the vacuum wave; `attenuation`
    is s. The models are

    - ``amplitude``: s = 1 / a, the amplitude decays with the absorption length a (Stielow et al. 2020,
      appendix B; the published code of the Rostock group);
    - ``intensity``: s = 1 / (2 a), Beer-Lambert for the intensity;
    - ``none``: s = 0, the Born approximation;
    - ``refractive``: s = k beta + i k delta for the index n = 1 - delta + i beta.

    Parameters
    ----------
    wavelength
        Vacuum wavelength in nm, 0.01 to 1000.
    absorption
        Name of the model.
    absorption_length
        a in nm, 0.001 or more; silver at 13.5 nm has 12.5 nm (Stielow et al. 2020). Used by ``amplitude`` and
        ``intensity``.
    delta, beta
        Index decrement and extinction; the defaults are silver at 13.5 nm (Henke tables). Used by
        ``refractive``.

    Raises
    ------
    ParameterError
        If a value is outside its range.
    """

    wavelength: float = 13.5
    absorption: AbsorptionModel = "amplitude"
    absorption_length: float = 12.5
    delta: float = 0.1096
    beta: float = 0.0793

    def __post_init__(self) -> None:
        if not SHORTEST_WAVELENGTH <= self.wavelength <= LONGEST_WAVELENGTH:
            raise ParameterError(
                "wavelength", self.wavelength, f"{SHORTEST_WAVELENGTH} to {LONGEST_WAVELENGTH:g}, in nm"
            )
        if self.absorption not in ABSORPTION_MODELS:
            raise ParameterError("absorption", self.absorption, "one of " + ", ".join(ABSORPTION_MODELS))
        if not SHORTEST_ABSORPTION <= self.absorption_length < math.inf:
            allowed = f"a length of {SHORTEST_ABSORPTION:g} nm or more"
            raise ParameterError("absorption_length", self.absorption_length, allowed)
        if not 0 <= self.beta <= LARGEST_INDEX:
            allowed = f"0 to {LARGEST_INDEX:g} (n = 1 - delta + i beta; below 0 is gain)"
            raise ParameterError("beta", self.beta, allowed)
        if not -LARGEST_INDEX <= self.delta < 1:
            allowed = f"{-LARGEST_INDEX:g} to below 1 (n = 1 - delta + i beta)"
            raise ParameterError("delta", self.delta, allowed)

    @property
    def wavenumber(self) -> float:
        """The wavenumber k = 2 pi / wavelength in nm^-1."""
        return 2 * math.pi / self.wavelength

    @property
    def used(self) -> frozenset[str]:
        """Names of the numbers that the model of absorption depends on."""
        index, length = ("delta", "beta"), ("absorption_length",)
        of_model = {"amplitude": length, "intensity": length, "refractive": index}
        return frozenset(("wavelength", *of_model.get(self.absorption, ())))

    @property
    def attenuation(self) -> complex:
        """The attenuation s in nm^-1, the rate of exp(-s l) along the path l through material."""
        if self.absorption == "amplitude":
            return complex(1 / self.absorption_length)
        if self.absorption == "intensity":
            return complex(0.5 / self.absorption_length)
        if self.absorption == "refractive":
            return self.index_attenuation
        return 0j

    @property
    def index_attenuation(self) -> complex:
        """The attenuation k beta + i k delta of the complex index in nm^-1: that of ``refractive``."""
        return self.wavenumber * complex(self.beta, self.delta)
