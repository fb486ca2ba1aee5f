"""Memory that is kept between steps: the system is not asked for the same pages again."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from invert.data import read_dataset
from invert.training import trainer
from invert.training.kept_memory import keep_freed_memory
from invert.training.train import fit

from .conftest import SMALL_PRESET

STEPS = """
import resource
import numpy as np
from invert.training.kept_memory import keep_freed_memory

assert keep_freed_memory()

def faults() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def step() -> None:
    pieces = [np.ones(size * 2**17) for size in (6, 6, 6, 48, 48, 6)]  # MiB
    del pieces

step()
before = faults()
for _ in range(10):
    step()
print(faults() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library than glibc")
def test_what_a_step_freed_is_not_taken_from_the_system_again() -> None:
    found = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, check=True)
    pages = 10 * 120 * 2**20 // 4096
    assert int(found.stdout) < 0.01 * pages


@pytest.mark.parametrize("library", [None, "without mallopt"])
def test_other_libraries_are_left_alone(library: object, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(name: None) -> object:
        if library is None:
            raise OSError("no library without a name here")
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    assert keep_freed_memory() is False


def test_training_on_a_processor_keeps_memory(small_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(trainer, "keep_freed_memory", lambda: asked.append(True))
    short = replace(SMALL_PRESET, training=replace(SMALL_PRESET.training, images=96))
    fit(read_dataset(small_dataset), short, torch.device("cpu"))
    assert asked == [True]
