"""Sets of filters by name."""

from __future__ import annotations

from augment.blur import GaussianBlur, Jitter
from augment.crop import CenterCrop
from augment.filter import Filter, Identity
from augment.mask import CentralHole
from augment.noise import SaltAndPepper, ShotNoise, UniformNoise
from augment.pipeline import InOrder, RandomCombination
from augment.response import Saturation, UnevenSensitivity
from augment.scaling import FLOOR_DECADES
from augment.shift import Shift


def paper(floor_decades: float = FLOOR_DECADES) -> dict[str, Filter]:
    """Return the eleven filters of the paper, in its order.

    Each gives one more image per pattern; `OneOf(list(paper().values()))` draws one of them per
    image instead.

    Parameters
    ----------
    floor_decades
        Floor of the logarithmic grey scale of the images, in decades below the maximum; see `log_scale`.

    Returns
    -------
    dict of str to Filter
        identity, uniform_noise, salt_and_pepper, gaussian_blur, jitter, center_crop, central_hole, shift,
        uneven_sensitivity, random_combination, experiment.

    Raises
    ------
    ParameterError
        The decades are outside (0, 30].

    Notes
    -----
    Source: Stielow et al. 2020, appendix D. The paper gives the amplitude of the noise and the radius of the
    blur; the other ranges, and the order of the experiment, are those of the classes and of this function.
    """
    single: tuple[Filter, ...] = (
        UniformNoise(),
        SaltAndPepper(),
        GaussianBlur(),
        Jitter(),
        CenterCrop(),
        CentralHole(),
        Shift(),
        UnevenSensitivity(),
    )
    # Photons arrive, off the axis; the detector answers; its shape cuts; its centre is known only roughly.
    experiment = InOrder(
        (
            ShotNoise(floor_decades=floor_decades),
            Shift(),
            UnevenSensitivity(),
            Saturation(),
            CentralHole(),
            CenterCrop(),
            Shift(),
        ),
        name="experiment",
    )
    filters = (Identity(), *single, RandomCombination(single), experiment)
    return {part.name: part for part in filters}
