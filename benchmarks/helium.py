"""The classifier's benchmarks on synthetic helium images: tables 3 to 6, 9 and 10 of Zimmermann et al. 2019.

    python benchmarks/helium.py architectures | activation | size | noise | all
        [--folder FOLDER] [--train 2400] [--seeds 3] [--epochs 12] [--width 8] [--pixels 64] [--full]

- ``architectures``: ResNet 18, 50, 101 and VGG 16, 19, and PCA with support-vector machines on correlation
  maps, the state of the art before (Bobkov et al., J. Synchrotron Rad. 22, 1345 (2015)); per label, too;
- ``activation``: the logarithmic first activation with alpha 0.2, 0.5, 1 against the same network without;
- ``size``: all of the training images, 75, 50 and 25 %;
- ``noise``: images and correlation maps under the four levels of section 5.3.

Images are those of `msft generate --preset helium`, made once in FOLDER, as a detector records them: photons
and stray light counted, readout noise, a hole. Every training begins with other weights and another order;
its own images choose the weights that are kept, and others judge them. `--full` takes the paper's sizes,
widths and epochs, for a GPU. Writes a JSON and a PNG each, and says whether the paper's orderings hold: a
difference counts if it is twice its standard error.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import helium_report as report
import helium_samples
import numpy as np
import record
import torch

from augment.background import LEVELS, Background, levels
from augment.correlation import correlation_images
from invert.backbone import NETWORKS, NetworkConfiguration, ResidualConfiguration
from invert.labelling.classification import fit_examples, judged
from invert.labelling.classification_presets import ClassificationTraining
from invert.labelling.classifier import ClassifierConfiguration
from invert.labelling.inputs import InputConfiguration, scaled
from invert.labelling.labels import Examples
from invert.labelling.scores import Scores, score
from invert.model import pick_device
from msft.helium.labels import NAMES
from msft.plot import save

COMPONENTS = 50
"""Principal components that the support-vector machines see."""


def narrowed(name: str, sizes: helium_samples.Sizes) -> NetworkConfiguration:
    """A network of the paper with fewer filters, for images of another size."""
    network = replace(NETWORKS[name], width=sizes.width)
    if isinstance(network, ResidualConfiguration):
        return network
    return replace(network, kernel=max(1, sizes.pixels // 32), features=64 * sizes.width)


def settings(sizes: helium_samples.Sizes, full: bool, seed: int, taught: int) -> ClassificationTraining:
    """The paper's training, or a short one that shows as many images however many there are."""
    if full:
        return ClassificationTraining(epochs=sizes.epochs, decay_epochs=max(1, sizes.epochs // 4), seed=seed)
    epochs = round(sizes.epochs * sizes.train / taught)
    decay = max(1, round(0.4 * epochs))
    return ClassificationTraining(epochs, learning_rate=0.05, decay_epochs=decay, momentum=0.9, seed=seed)


class Bench:
    """Data, sizes and device of one call, and what has been measured so far."""

    def __init__(
        self, everything: helium_samples.Data, sizes: helium_samples.Sizes, full: bool, device: torch.device
    ) -> None:
        self.data, self.sizes, self.full, self.device = everything, sizes, full, device
        self.rows: list[report.Row] = []

    def train(
        self,
        name: str,
        network: NetworkConfiguration,
        images: helium_samples.Data | None = None,
        representation: Any = "image",
    ) -> None:
        """Train a network with every seed, and keep how the test images judge it."""
        seen = InputConfiguration(self.sizes.pixels, representation=representation)
        parts = [Examples(scaled(part.photons, seen), part.labels) for part in images or self.data]
        configuration = ClassifierConfiguration(network, NAMES, seen)
        for seed in range(self.sizes.seeds):
            started = time.perf_counter()
            training = settings(self.sizes, self.full, seed, len(parts[0]))
            trained = fit_examples(parts[0], parts[1], configuration, training, self.device)
            seconds = time.perf_counter() - started
            parameters = sum(p.numel() for p in trained.classifier.parameters())
            self.keep(name, seed, judged(trained.classifier, parts[2]), seconds, parameters)

    def machines(self, name: str) -> None:
        """PCA and a support-vector machine per label on correlation maps; each seed leaves out a tenth."""
        from sklearn.decomposition import PCA
        from sklearn.svm import SVC

        maps = [correlation_images(part.photons).flatten(1).numpy() for part in self.data]
        labels, truth = self.data.train.labels.numpy(), self.data.test.labels.numpy()
        for seed in range(self.sizes.seeds):
            started = time.perf_counter()
            count = len(labels)
            rows = np.random.default_rng(seed).permutation(count)[: count - count // 10]
            reduction = PCA(min(COMPONENTS, len(rows)), whiten=True, random_state=seed).fit(maps[0][rows])
            known, asked = reduction.transform(maps[0][rows]), reduction.transform(maps[2])
            margins = np.full(truth.shape, -10.0)
            for column, flags in enumerate(labels[rows].T):
                if flags.any() and not flags.all():
                    margins[:, column] = SVC().fit(known, flags).decision_function(asked)
            # a positive margin is a probability above one half, in the same order
            scores = score(truth, 1 / (1 + np.exp(-margins)), NAMES)
            self.keep(name, seed, scores, time.perf_counter() - started, 0)

    def keep(self, name: str, seed: int, scores: Scores, seconds: float, parameters: int) -> None:
        """One row of the record, and one line for people."""
        broken = sum(scores.broken_rules.values())
        result = scores.as_dict()
        self.rows.append(
            {"name": name, "seed": seed, "seconds": seconds, "parameters": parameters, "broken": broken}
            | {"overall": result["overall"], "labels": result["labels"]}
        )
        numbers = "  ".join(f"{key} {value:.3f}" for key, value in scores.overall.items())
        print(f"{name:24} seed {seed}  {numbers}  broken {broken:3d}  {seconds:5.0f} s", flush=True)


def architectures(bench: Bench) -> dict[str, Any]:
    """Tables 3, 9 and 10."""
    bench.machines("PCA + SVM")
    for name in ("resnet18", "resnet50", "resnet101", "vgg16", "vgg19"):
        bench.train(name, narrowed(name, bench.sizes))
    paper = {"resnet18": 0.955, "resnet50": 0.958, "resnet101": 0.964, "vgg16": 0.958, "vgg19": 0.959}
    claims = [
        ("resnet18", "PCA + SVM"),
        ("resnet101", "resnet18"),
        ("resnet101", "vgg16"),
        ("resnet101", "vgg19"),
    ]
    return {"paper_accuracy": paper, "claims": claims}


def activation(bench: Bench) -> dict[str, Any]:
    """Table 4."""
    plain = narrowed("resnet18", bench.sizes)
    assert isinstance(plain, ResidualConfiguration)
    bench.train("unmodified", plain)
    for alpha in (0.2, 0.5, 1.0):
        bench.train(f"alpha = {alpha:g}", replace(plain, first_activation="logarithmic", alpha=alpha))
    paper = {"unmodified": 0.955, "alpha = 0.2": 0.965, "alpha = 0.5": 0.96, "alpha = 1": 0.959}
    claims = [(name, "unmodified") for name in list(paper)[1:]] + [("alpha = 0.2", "alpha = 1")]
    return {"paper_accuracy": paper, "claims": claims}


def size(bench: Bench) -> dict[str, Any]:
    """Table 5."""
    network = replace(narrowed("resnet18", bench.sizes), first_activation="logarithmic")
    for percent in (100, 75, 50, 25):
        few = bench.data.train.part(slice(max(48, percent * bench.sizes.train // 100)))
        bench.train(f"{percent} %", network, bench.data._replace(train=few))
    paper = {"100 %": 0.965, "75 %": 0.915, "50 %": 0.829, "25 %": 0.797}
    return {"paper_accuracy": paper, "claims": [("100 %", "75 %"), ("75 %", "50 %"), ("50 %", "25 %")]}


def noise(bench: Bench) -> dict[str, Any]:
    """Table 6."""
    network = replace(narrowed("resnet18", bench.sizes), first_activation="logarithmic")
    bounds = levels([bench.data.train.photons])
    for number, level in enumerate(LEVELS):
        background = Background((bounds[level], bounds[level]))
        generators = (torch.Generator().manual_seed(10 * number + part) for part in range(3))
        noisy = helium_samples.Data(
            *(
                helium_samples.Images(background(part.photons, generator)[0], part.labels)
                for part, generator in zip(bench.data, generators, strict=True)
            )
        )
        for what, representation in (("images", "image"), ("maps", "correlation")):
            bench.train(f"{level}: {what}", network, noisy, representation)
    measured = zip((0.965, 0.954, 0.944, 0.926), (0.95, 0.948, 0.946, 0.944), LEVELS, strict=True)
    paper: dict[str, float] = {}
    for images, maps, level in measured:
        paper |= {f"{level}: images": images, f"{level}: maps": maps}
    claims = [
        ("none: images", "none: maps"),
        ("mean: images", "mean: maps"),
        ("mean + std: maps", "mean + std: images"),
        ("maximum: maps", "maximum: images"),
    ]
    return {"paper_accuracy": paper, "claims": claims, "bounds_photons": bounds}


BENCHMARKS: dict[str, Callable[[Bench], dict[str, Any]]] = {
    "architectures": architectures,
    "activation": activation,
    "size": size,
    "noise": noise,
}


def main() -> None:
    """Measure, print, write records and figures."""
    parser = argparse.ArgumentParser(description="The classifier's benchmarks on synthetic helium images.")
    parser.add_argument("which", choices=[*BENCHMARKS, "all"])
    parser.add_argument("--folder", type=Path, default=Path("helium-benchmark"), help="of simulated images")
    parser.add_argument("--train", type=int, help="training images [2400]")
    parser.add_argument("--pixels", type=int, help="per side [64]")
    parser.add_argument("--width", type=int, help="filters of the first stack [8]")
    parser.add_argument("--epochs", type=int, help="passes over the training images [12]")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--full", action="store_true", help="the paper's sizes: 6174, 224, 64, 200")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "records")
    options = parser.parse_args()
    if options.seeds < 2:
        parser.error("--seeds: 2 or more, or there is no error bar")
    torch.set_num_threads(options.threads)
    defaults = (
        helium_samples.Sizes(6174, 224, 64, 200, options.seeds)
        if options.full
        else helium_samples.Sizes(2400, 64, 8, 12, options.seeds)
    )
    given = {name: getattr(options, name) for name in ("train", "pixels", "width", "epochs")}
    sizes = replace(defaults, **{name: value for name, value in given.items() if value is not None})
    options.folder.mkdir(exist_ok=True)
    everything = helium_samples.data(options.folder, sizes)
    for name in BENCHMARKS if options.which == "all" else [options.which]:
        started = time.perf_counter()
        bench = Bench(everything, sizes, options.full, pick_device(options.device))
        found = BENCHMARKS[name](bench)
        lines = report.verdicts(bench.rows, found["claims"])
        lines += report.per_label(bench.rows, "resnet101") if name == "architectures" else []
        print("\n".join(lines), flush=True)
        result = {
            "sizes": vars(sizes) | {"chosen": sizes.chosen, "test": sizes.test},
            "seconds": time.perf_counter() - started,
            "verdicts": lines,
            **found,
            "rows": bench.rows,
        }
        record.write(options.out / f"helium_{name}.json", result)
        setting = f"{sizes.train} training and {sizes.test} test images of {sizes.pixels} x {sizes.pixels}"
        drawn = report.figure(name, bench.rows, found["paper_accuracy"], setting)
        save(drawn, options.out / f"helium_{name}.png")
        print(options.out / f"helium_{name}.json", flush=True)


if __name__ == "__main__":
    main()
