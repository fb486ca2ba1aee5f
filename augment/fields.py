"""Random pixels, one seed per image.

A field of random pixels is as large as the image, so a record keeps the seed instead. Each image has its own
generator, always on the CPU: neither the rest of the batch nor the device changes an image's field.
"""

from __future__ import annotations

import torch


def draw_seeds(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return one seed per image: int64, shape (count,)."""
    # The CPU generator uses 32 bits of its seed; more would only look like more randomness.
    return torch.randint(2**32, (count,), generator=generator)


def uniform_pixels(seeds: torch.Tensor, shape: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return float32 values uniform in [0, 1), shape (len(seeds), *shape)."""
    pixels = torch.empty((len(seeds), *shape))
    generator = torch.Generator()
    for image, seed in zip(pixels, seeds.tolist(), strict=True):
        torch.rand(shape, generator=generator.manual_seed(seed), out=image)
    return pixels.to(device)


def poisson_pixels(seeds: torch.Tensor, rates: torch.Tensor) -> torch.Tensor:
    """Return Poisson counts of the given expectations: float32, shape (B, H, W), same device."""
    generator = torch.Generator()
    counts = [
        torch.poisson(image, generator=generator.manual_seed(seed))
        for image, seed in zip(rates.cpu(), seeds.tolist(), strict=True)
    ]
    return torch.stack(counts).to(rates.device) if counts else rates
