"""Uniform background, and the levels of Zimmermann et al. 2019."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from augment.background import LEVELS, Background, levels
from augment.filter import replay
from msft.errors import ParameterError


def generator(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_noise_is_uniform_up_to_the_bound() -> None:
    images = torch.full((3, 80, 80), 5.0)
    noisy, record = Background((2.0, 2.0))(images, generator())
    added = (noisy - images).flatten().numpy()
    assert stats.kstest(added, stats.uniform(0, 2).cdf).pvalue > 1e-3
    assert torch.equal(replay(images, record), noisy)
    assert torch.equal(replay(images[1:2], record[1:2])[0], noisy[1])
    assert not torch.equal(noisy[0], noisy[1])


def test_no_noise_leaves_the_images() -> None:
    images = torch.rand((2, 9, 9), generator=generator())
    noisy, _ = Background((0.0, 0.0))(images, generator())
    assert torch.equal(noisy, images)


def test_levels_are_medians_over_the_images() -> None:
    rng = np.random.default_rng(4)
    images = (rng.random((9, 6, 6)) * rng.lognormal(0, 2, 9)[:, None, None]).astype(np.float32)
    found = levels(torch.from_numpy(images[rows]) for rows in (slice(4), slice(4, 9)))
    flat = images.astype(np.float64).reshape(9, -1)
    mean = np.median(flat.mean(axis=1))
    std = np.median(flat.std(axis=1))
    expected = [0.0, mean, mean + std, np.median(flat.max(axis=1))]
    assert list(found) == list(LEVELS)
    np.testing.assert_allclose(list(found.values()), expected, rtol=1e-9)
    # one bright shot changes no level
    images[flat.max(axis=1).argmax()] *= 1e6
    np.testing.assert_allclose(list(levels([torch.from_numpy(images)]).values()), expected, rtol=1e-9)


def test_hidden_pixels_do_not_count() -> None:
    images = torch.rand((3, 8, 8), generator=generator())
    hidden = images.clone()
    hidden[:, :2] = torch.nan
    assert levels([hidden]) == pytest.approx(levels([images[:, 2:]]))
    with pytest.raises(ParameterError, match="finite"):
        levels([torch.full((1, 3, 3), torch.nan)])
    with pytest.raises(ParameterError, match="bound"):
        Background((-1.0, 2.0))
