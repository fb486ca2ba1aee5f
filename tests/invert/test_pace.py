"""The benchmark of a training step: in the time that it takes, as much is prepared as is learned from."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest
import torch

from invert.data import read_dataset
from invert.training import plan
from invert.training.prepared import Batch, Prepared
from invert.training.train import Regression
from invert.training.trainer import Draw

from .conftest import SMALL_PRESET


@pytest.mark.parametrize("group", [1, 4])
def test_what_is_timed_is_prepared_meanwhile(
    group: int, small_dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    pace = import_module("pace")
    done: list[int] = []
    moments: list[int] = []
    prepare = Regression.prepared

    def prepared(self: Regression, batches: Sequence[Batch], draws: Sequence[Draw]) -> Sequence[Batch]:
        done.extend(draw.number for draw in draws if draw.training)
        return prepare(self, batches, draws)

    def clock(device: torch.device) -> float:
        moments.append(len(done))
        return 0.0

    monkeypatch.setattr(Regression, "prepared", prepared)
    monkeypatch.setattr(pace, "clock", clock)
    monkeypatch.setattr(plan, "TOGETHER", group * SMALL_PRESET.training.batch)
    monkeypatch.setattr(Prepared, "_together", lambda self, numbered: (numbered[0].group, 0))
    steps = 2 * group
    pace.seconds_per_step(SMALL_PRESET, read_dataset(small_dataset), torch.device("cpu"), steps)
    before, after = moments
    assert after - before == steps
