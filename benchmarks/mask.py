"""How to tell a network which pixels are invalid: by the value 0, by the value -1, or by a second channel.

    python benchmarks/mask.py dataset.h5 test.h5 [--images 60000] [--seeds 0 1]

Trains the network of the preset `quick` each way, on the same images in the same order, and prints the
medians on a second dataset: clean images, and those of the preset `experiment`. Nothing chooses the best
weights: the last ones are judged.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import record
import torch
from torch import nn

from augment import stretch
from augment.presets import one_of, recording_named
from invert.data import PatternDataset, read_dataset
from invert.metrics import errors, summarise
from invert.model import Model, ModelConfiguration
from invert.presets import preset
from msft.particle import Particles

WAYS = ("zero", "minus_one", "channel")
CASES = ("identity", "experiment")


class Masked(nn.Module):
    """A model that is told about invalid pixels in one of the three ways."""

    def __init__(self, model: Model, way: str) -> None:
        super().__init__()
        self.model, self.way = model, way
        if way == "channel":
            one: Any = model.backbone.stem[0]
            two = nn.Conv2d(2, one.out_channels, one.kernel_size, one.stride, one.padding, bias=False)
            two.weight.data[:, :1] = one.weight.data  # all ways begin alike
            two.weight.data[:, 1:] = 0.0
            model.backbone.stem[0] = two

    def forward(self, grey: torch.Tensor, valid: torch.Tensor) -> torch.Tensor:
        """Numbers (B, size) of grey images (B, H, W) and which of their pixels are valid."""
        images = stretch(grey, self.model.configuration.floor_decades)
        if self.way == "minus_one":
            images = images.where(valid, -1.0)
        channels = [images, valid.float()] if self.way == "channel" else [images]
        numbers: torch.Tensor = self.model.head(self.model.backbone(torch.stack(channels, dim=1)))
        return numbers


def train(dataset: PatternDataset, way: str, seed: int, images: int) -> Any:
    """One-cycle AdamW as `invert train` does it, without validation."""
    chosen = preset("quick")
    training = chosen.training
    radius = dataset.particles.radius
    torch.manual_seed(seed)
    model = Model(
        ModelConfiguration(
            chosen.network,
            chosen.target,
            radius_range=(float(radius.min()), float(radius.max())),
            simulation=dataset.simulation,
        )
    )
    network: Any = Masked(model, way)
    network.to(memory_format=torch.channels_last)
    targets = torch.from_numpy(model.target.encode(radius, dataset.particles.orientation).astype(np.float32))
    filters = one_of(training.filters)
    steps = images // training.batch
    optimizer = torch.optim.AdamW(network.parameters(), training.learning_rate, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, training.learning_rate, total_steps=steps, pct_start=0.15
    )
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = torch.randperm(len(dataset), generator=generator)[: training.batch]
        grey, drawn = filters(dataset.intensity[rows], generator)
        valid = drawn.measured((grey.shape[1], grey.shape[2]))
        loss: Any = nn.functional.mse_loss(network(grey, valid), targets[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return network.eval()


@torch.inference_mode()
def judge(network: Masked, dataset: PatternDataset) -> dict[str, Any]:
    """Medians of the errors in each case."""
    result: dict[str, Any] = {}
    configuration = network.model.configuration
    for name in CASES:
        generator, numbers = torch.Generator().manual_seed(0), []
        for start in range(0, len(dataset), 100):
            intensity = dataset.intensity[start : start + 100]
            grey, drawn = recording_named(name)(intensity, generator)
            numbers.append(network(grey, drawn.measured((grey.shape[1], grey.shape[2]))))
        estimate = Particles(*network.model.target.decode(torch.cat(numbers).double().numpy()))
        result[name] = summarise(errors(estimate, dataset.particles, configuration.radius_range)).as_dict()
    return result


def main() -> None:
    """Train and judge each way, print the table, write the record."""
    parser = argparse.ArgumentParser(description="Masked value or mask channel.")
    parser.add_argument("dataset", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--ways", nargs="+", default=WAYS, choices=WAYS)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records" / "mask.json")
    options = parser.parse_args()
    dataset, test = read_dataset(options.dataset), read_dataset(options.test)
    rows = []
    print(f"{'way':10} {'seed':>4} {'case':12} {'orientation':>12} {'radius':>9}", flush=True)
    for seed in options.seeds:
        for way in options.ways:
            judged = judge(train(dataset, way, seed, options.images), test)
            rows.append({"way": way, "seed": seed, **judged})
            for case, summary in judged.items():
                print(
                    f"{way:10} {seed:4} {case:12} {summary['orientation_median_degrees']:8.2f} deg "
                    f"{summary['radius_median_nm']:6.2f} nm",
                    flush=True,
                )
    result = {"images": options.images, "trained_on": len(dataset), "tested_on": len(test), "rows": rows}
    record.write(options.out, result)
    print(options.out)


if __name__ == "__main__":
    main()
