"""The tables of docs/physics.md are those of the record that its command wrote."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]


def test_the_page_says_what_was_measured() -> None:
    page = (ROOT / "docs/physics.md").read_text()
    record = json.loads((ROOT / "benchmarks/records/physics.json").read_text())
    rows = [
        f"| {model} | " + " | ".join(f"{error:.3f}" for error in errors) + " |"
        for model, errors in record["table"]["errors"].items()
    ]
    for model, errors in record["by_index"]["errors"].items():
        rows.append(f"| {model} | {np.median(errors):.3f} | {np.max(errors):.3f} |")
    rows += [f"| {name} | {a:.1f} | {b:.1f} |" for name, (a, b) in record["speeds"].items()]
    rows += [
        f"| {row['delta']:g} | {row['radius_nm']:g} | {row['lost']:.4f} |" for row in record["evanescent"]
    ]
    rows += [
        f"| {row['accuracy']:g} | " + " | ".join(f"{error:.4f}" for error in row["errors"]) + " |"
        for row in record["weak"]["rows"]
    ]
    assert [row for row in rows if row not in page] == []
    assert not record["environment"]["changed_since"]


def test_the_propagation_is_the_one_to_recommend() -> None:
    record = json.loads((ROOT / "benchmarks/records/physics.json").read_text())
    errors = record["table"]["errors"]
    assert max(errors["propagation"]) <= 0.07
    for model in ("saxs", "born", "amplitude", "intensity", "refractive"):
        assert all(a > 2 * b for a, b in zip(errors[model], errors["propagation"], strict=True))
