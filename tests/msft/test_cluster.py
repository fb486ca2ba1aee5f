"""A real cluster: a scheduler and two workers as processes, one of which is killed in the middle."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from msft.cluster import generate_on_cluster
from msft.detector import EwaldDetector
from msft.errors import ParameterError
from msft.generate import generate
from msft.pattern import Simulation
from msft.shots import Recipe

RECIPE = Recipe(5, simulation=Simulation(detector=EwaldDetector(pixels=64, q_step=0.0148)))
ROOT = Path(__file__).parents[2]


def test_a_scheduler_that_does_not_answer_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
    monkeypatch.setattr("msft.cluster.TIMEOUT", 0.5)
    for address in ("tcp://127.0.0.1:9", "nonsense://x"):
        with pytest.raises(ParameterError) as caught:
            generate_on_cluster(address, tmp_path / "d.h5", 4, RECIPE)
        assert caught.value.field == "scheduler"
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[str, list[subprocess.Popen[str]]]]:
    """The address of a scheduler, and its two workers."""
    pytest.importorskip("distributed", reason="the extra `distributed` is not installed")
    environment = {**os.environ, "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    options: dict[str, Any] = {"stderr": subprocess.PIPE, "text": True, "env": environment, "cwd": tmp_path}

    def launch(*arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "distributed.cli." + arguments[0], *arguments[1:]], **options
        )

    common = ("--host", "127.0.0.1", "--no-dashboard")
    scheduler = launch("dask_scheduler", *common, "--port", "0")
    assert scheduler.stderr is not None
    found = None
    while found is None and (line := scheduler.stderr.readline()):
        found = re.search(r"tcp://127\.0\.0\.1:\d+", line)
    assert found
    workers = [
        launch(
            "dask_worker",
            found[0],
            *common,
            "--nthreads",
            "1",
            "--no-nanny",
            "--local-directory",
            str(tmp_path),
        )
        for _ in range(2)
    ]
    yield found[0], workers
    for process in (*workers, scheduler):
        process.kill()
        process.communicate()


@pytest.mark.slow
def test_a_killed_worker_costs_nothing_but_time(
    tmp_path: Path, cluster: tuple[str, list[subprocess.Popen[str]]]
) -> None:
    scheduler, workers = cluster
    count, path = 3000, tmp_path / "d.h5"
    shards = path.with_suffix(".shards")
    killed: list[int] = []

    def kill_one(done: int) -> None:
        # one shard is done, the others are under way
        if done and not killed:
            deadline = time.monotonic() + 60
            while not list(shards.glob("*.partial")) and time.monotonic() < deadline:
                time.sleep(0.01)
            workers[0].send_signal(signal.SIGKILL)
            killed.append(workers[0].wait())

    generate_on_cluster(scheduler, path, count, RECIPE, shards=6, progress=kill_one)
    assert killed == [-signal.SIGKILL]
    assert len(list(shards.glob("*.h5"))) == 6
    generate(tmp_path / "whole.h5", count, RECIPE.seed, simulation=RECIPE.simulation)
    with h5py.File(path) as one, h5py.File(tmp_path / "whole.h5") as other:
        for name in ("data_1/data", "sample_1/radius", "sample_1/orientation"):
            np.testing.assert_array_equal(one["entry_1"][name][:], other["entry_1"][name][:])
    # the same call again finds everything done
    merged = path.stat().st_mtime_ns
    generate_on_cluster(scheduler, path, count, RECIPE, shards=6, resume=True)
    assert path.stat().st_mtime_ns == merged
    path.unlink()
    before = {shard: shard.stat().st_mtime_ns for shard in shards.iterdir()}
    generate_on_cluster(scheduler, path, count, RECIPE, shards=6)
    assert {shard: shard.stat().st_mtime_ns for shard in shards.iterdir()} == before
