"""The weights that ship with the package, from a trained model: half precision, judged, with a card.

    msft generate --n 25000 --seed 1 --out dataset.h5
    invert train dataset.h5 --preset best --config benchmarks/shipped.toml --out first
    invert train dataset.h5 --start first --preset best --config benchmarks/shipped_further.toml --out model
    msft generate --n 5000 --seed 2 --out test.h5
    python benchmarks/ship_weights.py model test.h5

The errors on the card are those of the weights as they ship, on every recording of the test patterns.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import record

from augment.presets import RECORDINGS
from invert import checkpoint, figures, shipped
from invert.data import read_dataset
from invert.evaluate import evaluate
from msft.errors import ParameterError


def main() -> None:
    """Judge the model in half precision, write weights and card."""
    parser = argparse.ArgumentParser(description="Ship a model's weights.")
    parser.add_argument("model", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--out", type=Path, default=shipped.FOLDER)
    options = parser.parse_args()
    trained, test = checkpoint.load(options.model), read_dataset(options.test)
    if test.recipe is None:
        raise ParameterError("test", options.test, "a dataset of `msft generate`")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), trained.model, trained.training, trained.errors, half=True)
        judged = evaluate(checkpoint.load(Path(folder)).model, test, 1, RECORDINGS)
    print("\n".join(judged.lines()))
    source = {"patterns": len(test), "seed": test.recipe.seed, "commit": record.environment()["commit"]}
    card = shipped.ship(trained, judged.as_dict(), source, options.out)
    figures.save(figures.evaluation(judged), Path(__file__).parent / "records" / "shipped_weights.png")
    print(f"{options.out}: {card['bytes'] / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
