"""Trains slowly in a process that a test kills: dataset, model's folder."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import torch

from invert.training.train import train
from tests.invert.conftest import RESUMED_PRESET

if __name__ == "__main__":
    torch.set_num_threads(1)

    def progress(done: int) -> None:
        print(done, flush=True)
        time.sleep(0.01)

    train(Path(sys.argv[1]), Path(sys.argv[2]), RESUMED_PRESET, torch.device("cpu"), progress=progress)
