"""The weights that ship with the package, from a trained model: half precision, judged, with a card.

    python benchmarks/full_size.py best
    python benchmarks/ship_weights.py full_size/best --judged benchmarks/records/full_size_best.json

or, of any model,

    msft generate --n 5000 --seed 2 --out test.h5
    python benchmarks/ship_weights.py model --test test.h5

The errors on the card are those of the weights as they ship, on every recording of the test patterns.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import record

from augment.presets import RECORDINGS
from invert import checkpoint, figures, shipped
from invert.data import read_dataset
from invert.evaluate import evaluate
from msft.errors import ParameterError

RECORDS = Path(__file__).parent / "records"


def judged_here(trained: checkpoint.Checkpoint, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Errors of a model's weights in half precision on a test set, and what the test set is."""
    test = read_dataset(path)
    if test.recipe is None:
        raise ParameterError("test", path, "a dataset of `msft generate`")
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(Path(folder), trained.model, trained.training, trained.errors, half=True)
        judged = evaluate(checkpoint.load(Path(folder)).model, test, 1, RECORDINGS)
    print("\n".join(judged.lines()))
    figures.save(figures.evaluation(judged), RECORDS / "shipped_weights.png")
    source = {"patterns": len(test), "seed": test.recipe.seed, "commit": record.environment()["commit"]}
    return judged.as_dict(), source


def judged_before(trained: checkpoint.Checkpoint, path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a record of `full_size.py` says of these very weights, and its test set."""
    found = json.loads(path.read_text())
    if found["weights_sha256"] != trained.digest:
        raise ParameterError("judged", f"weights {found['weights_sha256']}", f"{trained.digest}, the model's")
    shutil.copyfile(path.with_suffix(".png"), RECORDS / "shipped_weights.png")
    commit = found["environment"]["commit"]
    return found["errors"], {"patterns": found["test"], "seed": found["test_seed"], "commit": commit}


def main() -> None:
    """Judge the model in half precision, or look up how it was judged; write weights and card."""
    parser = argparse.ArgumentParser(description="Ship a model's weights.")
    parser.add_argument("model", type=Path)
    of = parser.add_mutually_exclusive_group(required=True)
    of.add_argument("--test", type=Path, help="patterns to judge it on")
    of.add_argument("--judged", type=Path, help="record of full_size.py on these weights")
    parser.add_argument("--out", type=Path, default=shipped.FOLDER)
    options = parser.parse_args()
    trained = checkpoint.load(options.model)
    judge, path = (judged_here, options.test) if options.test else (judged_before, options.judged)
    card = shipped.ship(trained, *judge(trained, path), options.out)
    print(f"{options.out}: {card['bytes'] / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
