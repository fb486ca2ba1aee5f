"""What a classifier sees: one size, one scale, whatever the frames are."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from augment.correlation import correlation_images
from augment.scaling import log_scale
from invert.labelling.inputs import InputConfiguration, inputs, rescaled
from msft.errors import ParameterError
from msft.helium.images import rescaled as released
from tests.invert.conftest import frames_of


def test_linear_images_have_mean_0_and_deviation_1_whatever_their_unit() -> None:
    images = np.random.default_rng(0).random((3, 32, 32)).astype(np.float32)
    images[2, 16, 16] = 1e4  # as the forward peak: nearly all of the deviation
    for unit in (1.0, 1e20, 1e-12):
        seen = inputs(frames_of(unit * images), InputConfiguration(32))
        assert torch.allclose(seen.mean(dim=(1, 2)), torch.zeros(3), atol=1e-5)
        assert torch.allclose(seen.std(dim=(1, 2)), torch.ones(3), atol=1e-4)
        expected = (images - images.mean(axis=(1, 2), keepdims=True)) / images.std(
            axis=(1, 2), keepdims=True, ddof=1
        )
        assert np.allclose(seen.numpy(), expected, atol=1e-4)


def test_dark_frames_and_invalid_pixels_stay_finite() -> None:
    images = np.ones((2, 16, 16), dtype=np.float32)
    images[0] = 0
    images[1, 3, 3] = np.nan
    for configuration in (InputConfiguration(16), InputConfiguration(16, "log")):
        seen = inputs(frames_of(images), configuration)
        assert seen.isfinite().all()
        assert (seen[0] == 0).all()


def test_pixels_that_were_not_measured_are_dark() -> None:
    images = np.random.default_rng(0).random((2, 16, 16)).astype(np.float32)
    valid = np.random.default_rng(1).random((2, 16, 16)) < 0.8
    hidden, dark = images.copy(), np.where(valid, images, 0)
    hidden[~valid] = 1e6
    for configuration in (InputConfiguration(16), InputConfiguration(16, "log")):
        seen = inputs(frames_of(hidden, valid=valid), configuration)
        assert torch.equal(seen, inputs(frames_of(dark), configuration))


def test_log_images_are_grey_values_of_the_rescaled_intensity() -> None:
    images = np.random.default_rng(0).random((2, 64, 64)).astype(np.float32) ** 4
    seen = inputs(frames_of(images), InputConfiguration(32, "log", 3.0))
    assert torch.allclose(seen, log_scale(rescaled(torch.from_numpy(images), 32), 3.0))
    assert seen.amax() == 1


def test_frames_in_logarithms_become_what_their_intensities_become() -> None:
    intensity = torch.from_numpy(np.random.default_rng(0).random((2, 32, 32)).astype(np.float32))
    grey = log_scale(intensity).numpy()
    for configuration in (InputConfiguration(32), InputConfiguration(16, "log")):
        from_log = inputs(frames_of(grey, "log"), configuration)
        assert torch.allclose(from_log, inputs(frames_of(intensity.numpy()), configuration), atol=1e-3)


def test_rescaling_is_by_areas_as_of_the_released_images() -> None:
    images = torch.rand(2, 64, 64)
    blocks = images.reshape(2, 32, 2, 32, 2).mean(dim=(2, 4))
    assert torch.allclose(rescaled(images, 32), blocks, atol=1e-6)
    odd = np.random.default_rng(0).random((1035, 1035)).astype(np.float32)
    assert np.allclose(rescaled(torch.from_numpy(odd)[None], 224)[0], released(odd, 224), atol=1e-5)
    wide = torch.rand(1, 40, 100)
    assert rescaled(wide, 32).shape == (1, 32, 32)
    assert float(rescaled(wide, 32).mean()) == pytest.approx(float(wide.mean()), rel=1e-5)


def test_correlation_maps_take_the_place_of_images_on_either_scale() -> None:
    intensity = torch.from_numpy(np.random.default_rng(0).random((2, 32, 32)).astype(np.float32))
    frames = frames_of(intensity.numpy())
    log = inputs(frames, InputConfiguration(32, "log", representation="correlation"))
    assert torch.equal(log, correlation_images(intensity))
    linear = inputs(frames, InputConfiguration(32, representation="correlation"))
    expected = correlation_images(intensity, decades=None)
    expected = expected - expected.mean(dim=(1, 2), keepdim=True)
    assert torch.allclose(linear, expected / expected.std(dim=(1, 2), keepdim=True), atol=1e-4)


@pytest.mark.parametrize(
    "values", [{"pixels": 4}, {"representation": "map"}, {"scale": "root"}, {"floor_decades": 0.0}]
)
def test_bad_inputs_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ParameterError):
        InputConfiguration(**values)  # type: ignore[arg-type]
