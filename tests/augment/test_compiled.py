"""What a processor does in compiled loops, against the operations that a GPU does, and other libraries."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from scipy import ndimage

from augment import (
    Filter,
    GaussianBlur,
    Shift,
    blur,
    experiment,
    fields,
    filter,
    hidden,
    photons,
    replay,
    response,
    scaling,
    shift,
)
from augment.compiled import parts
from augment.compiled.fields import poisson_pixels
from tests.augment.test_contract import FILTERS, generator, odd_images

torch.set_num_threads(1)

CPU = torch.device("cpu")
SEEDS = torch.tensor([0, 1, 2, 2**31, 2**32 - 1])


@pytest.fixture
def by_operations(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Has everything computed as on a GPU, but here."""
    for module in (filter, fields, blur, response, shift, hidden, scaling, photons):
        monkeypatch.setattr(module, "on_processor", lambda images: False)
    return monkeypatch


@pytest.mark.parametrize("part", FILTERS.values(), ids=FILTERS.keys())
@pytest.mark.parametrize("size", [(64, 61), (5, 4), (1, 7)])
def test_loops_give_what_operations_give(
    part: Filter, size: tuple[int, int], by_operations: pytest.MonkeyPatch
) -> None:
    images = torch.cat([torch.rand((40, *size), generator=generator(5)) ** 8, odd_images(*size)])
    parameters = part.sample(len(images), size, generator())
    expected = part.apply(images, parameters)
    by_operations.undo()
    found = part.apply(images, parameters)
    # sums and products are rounded in another way: a count, or a step of 8 bits, may be the next one
    differ = (found - expected).abs() > 1e-5
    assert differ.float().mean() < 1e-4
    assert found.isfinite().all()


def test_random_pixels_are_bit_for_bit_the_same(by_operations: pytest.MonkeyPatch) -> None:
    rates = torch.rand((5, 90, 70), generator=generator()).mul_(40).sub_(10).clamp_(min=0.0).square_()

    def drawn() -> list[torch.Tensor]:
        return [
            fields.random_words(SEEDS, (90, 70), CPU),
            fields.normal_pixels(SEEDS, (90, 70), CPU),
            fields.poisson_pixels(SEEDS, rates),
        ]

    expected = drawn()
    by_operations.undo()
    assert all(torch.equal(*pair) for pair in zip(drawn(), expected, strict=True))


def test_rates_that_are_none_do_not_leave_the_tables() -> None:
    below_ten = torch.tensor(10.0).nextafter(torch.tensor(0.0))
    rates = torch.tensor([torch.nan, -1.0, -torch.inf, 0.0, below_ten]).repeat_interleave(100_000)[None]
    counts = poisson_pixels(SEEDS[:1], rates, *fields.poisson_tables(CPU)).reshape(5, -1)
    assert counts[:3].isnan().all()
    assert (counts[3] == 0.0).all()
    assert float(counts[4].mean()) == pytest.approx(10.0, abs=4 * (10 / 100_000) ** 0.5)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.5])
def test_blur_is_that_of_scipy(sigma: float) -> None:
    images = torch.rand((3, 31, 37), generator=generator())
    blurred, _ = GaussianBlur((sigma, sigma))(images, generator())
    for image, found in zip(images.numpy(), blurred.numpy(), strict=True):
        expected = ndimage.gaussian_filter(image.astype(float), sigma, mode="nearest", truncate=4.0)
        np.testing.assert_allclose(found, expected, atol=3e-7)


@pytest.mark.parametrize("hides", [True, False])
@pytest.mark.parametrize("moves", [(0, 0), (2, -3), (-2, 3), (4, 0), (0, -5), (-9, 9)])
def test_shifts_are_those_of_scipy_even_beyond_the_image(moves: tuple[int, int], hides: bool) -> None:
    image = torch.rand((1, 4, 5), generator=generator()).add_(0.1).clamp_(max=1.0)
    part = Shift(9, hides=hides)
    moved = part.apply(image, {"dy": torch.tensor([moves[0]]), "dx": torch.tensor([moves[1]])})
    mode = "constant" if hides else "nearest"
    assert np.array_equal(moved[0].numpy(), ndimage.shift(image[0].numpy(), moves, order=0, mode=mode))


@pytest.mark.parametrize("decades", [0.5, 5.0, 30.0])
def test_logarithms_are_those_of_double_precision(decades: float) -> None:
    values = torch.logspace(-decades - 6.0, 0.0, 4096).reshape(1, 64, 64).mul_(0.37)
    found = scaling.log_scale(values, decades).double()
    exact = torch.log1p(values.double() / values.double().max() * 10.0**decades)
    exact /= exact.max()
    assert (found / exact - 1.0).abs().max() < 5e-7
    assert found.max() == 1.0


def test_images_that_do_not_lie_one_after_another_are_read_as_they_are() -> None:
    intensity = torch.rand((20, 31, 6), generator=generator()).permute(2, 0, 1)
    changed, record = experiment()(intensity, generator())
    assert torch.equal(changed, replay(intensity.contiguous(), record))


def test_images_with_gradients_are_taken() -> None:
    images = torch.rand((2, 5, 6), generator=generator())
    grey = scaling.log_scale(images.clone().requires_grad_()).detach()
    assert torch.allclose(grey, scaling.log_scale(images), atol=1e-6)


def test_results_are_in_single_precision_whatever_the_default_is() -> None:
    intensity = torch.rand((4, 33, 35), generator=generator(3))
    expected, record = experiment()(intensity, generator())
    torch.set_default_dtype(torch.float64)
    try:
        assert torch.equal(replay(intensity, record), expected)
    finally:
        torch.set_default_dtype(torch.float32)


def test_threads_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    intensity = torch.rand((7, 33, 35), generator=generator(3))
    alone, record = experiment()(intensity, generator())
    monkeypatch.setattr(parts, "PIXELS_OF_A_THREAD", 1000)
    used: list[int] = []
    pool = parts._pool

    def pool_of(threads: int) -> ThreadPoolExecutor:
        used.append(threads)
        return pool(threads)

    monkeypatch.setattr(parts, "_pool", pool_of)
    torch.set_num_threads(3)
    try:
        assert torch.equal(replay(intensity, record), alone)
    finally:
        torch.set_num_threads(1)
    assert set(used) == {3}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are not forked here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_was_forked_has_threads_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "PIXELS_OF_A_THREAD", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    list(parts._pool(2).map(time.sleep, [0.05, 0.05]))  # threads that the child will not have
    words = fields.random_words(SEEDS, (8, 8), CPU)
    child = os.fork()
    if not child:
        signal.alarm(20)  # ends it, should it wait for them
        os._exit(0 if torch.equal(fields.random_words(SEEDS, (8, 8), CPU), words) else 1)
    assert os.waitpid(child, 0)[1] == 0
