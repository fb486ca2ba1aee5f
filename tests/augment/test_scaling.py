"""Logarithmic grey values: end points, the way back, and pixels that do not count."""

from __future__ import annotations

import math

import pytest
import torch

from augment import linear_scale, log_scale, stretch
from msft.errors import ParameterError

torch.set_num_threads(1)


def patterns(count: int = 5, height: int = 17, width: int = 19) -> torch.Tensor:
    """Intensities over ten decades."""
    return 10.0 ** (10.0 * torch.rand((count, height, width), generator=torch.Generator().manual_seed(3)))


@pytest.mark.parametrize("decades", [0.5, 3.0, 6.0, 30.0])
@pytest.mark.parametrize("unit", [1e-20, 1.0, 1e20])
def test_zero_is_zero_and_the_maximum_one_in_each_pattern(decades: float, unit: float) -> None:
    intensity = patterns() * unit
    intensity[:, 3, 4] = 0.0
    grey = log_scale(intensity, decades)
    assert grey.dtype == torch.float32
    assert bool((grey[:, 3, 4] == 0.0).all())
    assert bool((grey.amax(dim=(1, 2)) == 1.0).all())
    assert torch.equal(grey.flatten(1).argmax(1), intensity.flatten(1).argmax(1))


def test_values_are_those_of_the_logarithm() -> None:
    grey = log_scale(torch.tensor([[[1.0, 1e-6, 1e-3]]]), 6.0)
    assert float(grey[0, 0, 1]) == pytest.approx(math.log10(2.0) / 6.0, rel=1e-5)
    assert float(grey[0, 0, 2]) == pytest.approx(math.log10(1001.0) / 6.0, rel=1e-5)


@pytest.mark.parametrize("decades", [1.0, 6.0, 12.0])
def test_linear_scale_is_the_way_back(decades: float) -> None:
    intensity = patterns()
    intensity /= intensity.amax(dim=(1, 2), keepdim=True)
    back = linear_scale(log_scale(intensity, decades), decades)
    # Two units in the last place of the grey value, as a relative error in I + c.
    tolerance = 4 * 2.0**-24 * math.log(10.0) * (decades + 1.0)
    assert bool(((back - intensity).abs() <= tolerance * (intensity + 10.0**-decades)).all())
    assert linear_scale(torch.tensor([0.0, 1.0]), decades).tolist() == [0.0, 1.0]


def test_pixels_that_are_not_valid_are_zero_and_do_not_set_the_scale() -> None:
    intensity = patterns()
    reference = log_scale(intensity)
    disturbed = intensity.clone()
    disturbed[:, 0, 0] = 1e30
    disturbed[:, 0, 1] = torch.nan
    disturbed[:, 0, 2] = torch.inf
    disturbed[:, 0, 3] = -5.0
    valid = torch.ones_like(intensity, dtype=torch.bool)
    valid[:, 0, 0] = False
    for mask in (valid, valid[0]):
        grey = log_scale(disturbed, valid=mask)
        assert torch.equal(grey[:, 1:], reference[:, 1:])
        assert bool((grey[:, 0, :4] == 0.0).all())


@pytest.mark.parametrize("value", [0.0, -1.0, torch.nan, torch.inf])
def test_patterns_without_light_are_zero(value: float) -> None:
    assert bool((log_scale(torch.full((2, 3, 4), value)) == 0.0).all())


def test_bad_arguments_are_named() -> None:
    for decades in (0.0, -1.0, 31.0, math.nan):
        with pytest.raises(ParameterError, match="floor_decades"):
            log_scale(patterns(), decades)
        with pytest.raises(ParameterError, match="floor_decades"):
            linear_scale(torch.zeros(2), decades)
    with pytest.raises(ParameterError, match="intensity"):
        log_scale(torch.zeros(3, 3))
    for valid in (torch.ones(2, 2, dtype=torch.bool), torch.ones(5, 17, 19)):
        with pytest.raises(ParameterError, match="valid"):
            log_scale(patterns(), valid=valid)


def test_a_hole_cut_after_the_log_scale_is_a_mask_before_it() -> None:
    generator = torch.Generator().manual_seed(3)
    intensity = 10 ** (6 * torch.rand((4, 32, 32), generator=generator))
    intensity[:, 14:19, 14:19] = 1e7
    valid = torch.ones((4, 32, 32), dtype=torch.bool)
    valid[:, 12:21, 12:21] = False
    for decades in (4.0, 5.0, 6.0):
        cut_after = log_scale(intensity, decades) * valid
        masked_before = log_scale(intensity, decades, valid)
        assert (cut_after - masked_before).abs().max() > 0.05
        assert torch.allclose(stretch(cut_after, decades), masked_before, atol=2e-5)
        assert torch.allclose(stretch(masked_before, decades), masked_before, atol=2e-5)


def test_an_image_without_light_stays_dark() -> None:
    assert (stretch(torch.zeros(2, 5, 5)) == 0).all()
