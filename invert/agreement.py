"""How well a particle's pattern agrees with each of many frames: one simulation for each.

It is the agreement that forward fitting maximises (`invert.fitting.forward`), for particles that are given:
for whole batches, on the device where the frames are, which is not waited for.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch.utils.dlpack import from_dlpack

from invert.contrast import Compared, above_zero, centred, lit, with_contrast_of
from invert.fitting.forward import COUNTS, FEWEST_PIXELS, FLOORS, SATURATED_PIXELS, saturated
from msft.particle import Particles
from msft.pattern import Simulation


class Comparable(NamedTuple):
    """Which pixels of N frames are compared.

    Attributes
    ----------
    pixels
        bool (N, H, W): valid, neither dark nor saturated.
    worth
        Frames with enough of them, and with differences between them, bool (N,).
    """

    pixels: torch.Tensor
    worth: torch.Tensor


def comparable(grey: torch.Tensor, valid: torch.Tensor, simulation: Simulation) -> Comparable:
    """Which pixels of frames are compared.

    Parameters
    ----------
    grey, valid
        Frames (N, H, W) in grey values, and their pixels that count, bool; on any device, and none but the
        processor is waited for.
    simulation
        Of which some pixels may see no light.
    """
    pixels = valid & lit(simulation, grey.device)
    seen = grey * pixels.view(torch.uint8)  # no grey value is below 0
    brightest = (seen >= seen.amax(dim=(1, 2), keepdim=True)) & pixels
    many, all_of_them = (mask.sum(dim=(1, 2), dtype=torch.int32) for mask in (brightest, pixels))
    # where all have one value, nothing tells them from noise, however many they are
    worth, full = many < all_of_them, many >= SATURATED_PIXELS
    full &= saturating(grey, pixels, full) if grey.device.type == "cpu" else various(grey, pixels)
    # as bytes, since torch takes ten times as long to combine truth values of different shapes
    pixels ^= (brightest.view(torch.uint8) & full.view(torch.uint8)[:, None, None]).view(torch.bool)
    return Comparable(pixels, worth & (pixels.sum(dim=(1, 2), dtype=torch.int32) >= FEWEST_PIXELS))


def saturating(grey: torch.Tensor, pixels: torch.Tensor, full: torch.Tensor) -> torch.Tensor:
    """Which of the frames (N,) that seem full are saturated; a processor looks at these alone."""
    result = torch.zeros_like(full)
    for row in torch.nonzero(full)[:, 0].tolist():
        result[row] = bool(saturated(grey[row].numpy(), pixels[row].numpy()).any())
    return result


def various(grey: torch.Tensor, pixels: torch.Tensor) -> torch.Tensor:
    """Frames with more than `COUNTS` different values in some pixels, bool (N,), on any device.

    Counted from the largest value down: where values are gathered a device is waited for.
    """
    seen = grey.masked_fill(~pixels, -math.inf)
    value = seen.amax(dim=(1, 2), keepdim=True)
    for _ in range(COUNTS):
        value = seen.masked_fill(seen >= value, -math.inf).amax(dim=(1, 2), keepdim=True)
    return (value > -math.inf).flatten()


def simulated(
    particles: Particles, worth: torch.Tensor, simulation: Simulation, device: torch.device
) -> torch.Tensor:
    """Patterns (N, n, n) of N particles on a device, 0 for those that are not worth it.

    Parameters
    ----------
    particles, worth
        N of them, and which are simulated: bool (N,), on the CPU.
    simulation
        How; the beam is in the centre.
    device
        Where the patterns are wanted, in single precision and nm^6.
    """
    rows, pixels = torch.nonzero(worth)[:, 0], simulation.detector.pixels
    if not len(rows):
        return torch.zeros((len(particles), pixels, pixels), device=device)
    light = from_dlpack(simulation.intensity_on_device(particles[rows.numpy()])).to(device)
    if len(rows) == len(particles):
        return light
    all_of_them = torch.zeros((len(particles), pixels, pixels), device=device)
    return all_of_them.index_copy_(0, rows.to(device, non_blocking=True), light)


def compare(
    grey: torch.Tensor,
    weight: torch.Tensor,
    worth: torch.Tensor,
    intensity: torch.Tensor,
    simulation: Simulation,
) -> Compared:
    """Compare frames with their re-simulated patterns.

    Parameters
    ----------
    grey, weight
        Frames (N, H, W) in grey values, and 1 where they are compared, 0 elsewhere, float32.
    worth
        1 for frames with something to compare, 0 for others, float32 (N,).
    intensity
        Of the patterns, float32 (N, H, W).
    simulation
        That they are of.
    """
    floors = best_floors(grey, weight, intensity)
    found = with_contrast_of(grey, weight, intensity, lit(simulation, grey.device), floors)
    return Compared(found.agreement * worth, found.resimulated * worth[:, None, None])


def best_floors(grey: torch.Tensor, weight: torch.Tensor, intensity: torch.Tensor) -> torch.Tensor:
    """The floors in decades, shape (N,), of `FLOORS` under which patterns correlate best with frames.

    Parameters
    ----------
    grey, weight
        Frames (N, H, W), and 1 where they are compared, 0 elsewhere.
    intensity
        The patterns, shape (N, H, W).
    """
    measured, _, _ = centred(grey.flatten(1), weight.flatten(1))
    pixels = weight.sum(dim=(1, 2)).clamp_min(1.0)
    light = (intensity * weight).flatten(1)
    light /= above_zero(light.amax(dim=1, keepdim=True))
    correlations = []
    for decades in FLOORS:
        log = (light * 10.0**decades).log1p_()  # 0 where nothing is compared
        variance = torch.linalg.vecdot(log, log) - log.sum(dim=1) ** 2 / pixels
        # that of the measured image is the same for all floors
        correlations.append(torch.linalg.vecdot(measured, log) / above_zero(variance.clamp_min(0.0)).sqrt())
    index = torch.stack(correlations).argmax(dim=0)
    result = torch.full_like(pixels, FLOORS[0])
    for number, decades in enumerate(FLOORS[1:], 1):
        result = result.masked_fill(index == number, decades)
    return result
