"""Runs a slow generation that commits often, in a process that a test kills: path, count, workers."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msft.resumable
from msft.detector import EwaldDetector
from msft.generate import generate
from msft.pattern import Simulation

SIMULATION = Simulation(detector=EwaldDetector(pixels=24, q_step=0.035))
SEED = 11

if __name__ == "__main__":
    msft.resumable.COMMIT_SECONDS = 0.02

    def progress(done: int) -> None:
        print(done, flush=True)
        time.sleep(0.01)

    generate(
        Path(sys.argv[1]),
        int(sys.argv[2]),
        SEED,
        simulation=SIMULATION,
        workers=int(sys.argv[3]),
        resume=True,
        progress=progress,
    )
