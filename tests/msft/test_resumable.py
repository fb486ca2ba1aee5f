"""Generation that is killed, runs out of disk, or meets another writer."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
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

from msft.dataset import open_patterns
from msft.errors import ParameterError
from msft.generate import generate
from msft.journal import journal_of
from msft.particle import ParticleDistribution
from msft.pattern import Simulation
from msft.resumable import unfinished
from msft.uncertainty import Uncertainty
from msft.workers import BATCH
from tests.full_disk import FullDisk, mounted
from tests.msft.killed import SEED, SIMULATION

ROOT = Path(__file__).parents[2]
COUNT = 3 * BATCH + 5


class Killed(BaseException):
    """Stops a generation midway."""


def begun(path: Path, after: int = 1) -> int:
    """Begin a generation and stop it after some batches; returns the patterns that were done."""
    done: list[int] = []

    def stop(count: int) -> None:
        done.append(count)
        if count and len([c for c in done if c]) == after:
            raise Killed

    with pytest.raises(Killed):
        generate(path, COUNT, SEED, simulation=SIMULATION, progress=stop)
    return sum(done)


def assert_same(path: Path, reference: Path) -> None:
    with h5py.File(path) as one, h5py.File(reference) as other:
        assert one["entry_1/process_1"].attrs["complete"]
        for name in ("data_1/data", "sample_1/radius", "sample_1/orientation", "sample_1/body"):
            np.testing.assert_array_equal(one["entry_1"][name][:], other["entry_1"][name][:])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("reference") / "whole.h5"
    generate(path, COUNT, SEED, simulation=SIMULATION)
    return path


def test_a_resumed_file_equals_an_uninterrupted_one(tmp_path: Path, reference: Path) -> None:
    path = tmp_path / "d.h5"
    for _ in range(2):
        begun(path)
        assert not path.exists()
        with pytest.raises(ParameterError), open_patterns(unfinished(path)):
            pass
    generate(path, COUNT, SEED, simulation=SIMULATION)
    assert_same(path, reference)
    assert list(tmp_path.iterdir()) == [path]


def test_resume_leaves_a_finished_file_alone_and_begins_what_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    seen: list[int] = []
    generate(path, 5, SEED, simulation=SIMULATION, resume=True)
    before = path.stat()
    generate(path, 5, SEED, simulation=SIMULATION, resume=True, progress=seen.append)
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    assert sum(seen) == 5
    with pytest.raises(ParameterError) as caught:
        generate(path, 6, SEED, simulation=SIMULATION, resume=True)
    assert caught.value.field == "out"
    assert "count" in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"seed": 3}, "seed"),
        (
            {"distribution": ParticleDistribution((30.0, 31.0))},
            "particles.radius_range [30.0, 160.0]; allowed",
        ),
        ({"uncertainty": Uncertainty(wavelength=0.1)}, "uncertainty.wavelength 0.0; allowed"),
        ({"simulation": type(SIMULATION)()}, "simulation.detector.pixels 24; allowed"),
    ],
)
def test_another_command_does_not_go_on_with_it(tmp_path: Path, changed: dict[str, Any], name: str) -> None:
    path = tmp_path / "d.h5"
    begun(path)
    before = unfinished(path).read_bytes()
    arguments: dict[str, Any] = {"seed": SEED, "simulation": SIMULATION} | changed
    for resume in (False, True):
        with pytest.raises(ParameterError) as caught:
            generate(path, COUNT, **arguments, resume=resume)
        assert caught.value.field == "out"
        assert f"begun with {name}" in str(caught.value)
        assert "--force" in str(caught.value)
    assert unfinished(path).read_bytes() == before


def test_force_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    begun(path)
    generate(path, 3, 99, simulation=SIMULATION, force=True)
    with open_patterns(path) as patterns:
        assert len(patterns) == 3
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(("options", "way"), [({}, "the same command goes"), ({"force": True}, "--resume")])
def test_an_interrupt_tells_the_command_that_goes_on(tmp_path: Path, options: Any, way: str) -> None:
    path = tmp_path / "d.h5"
    begun(path)
    done: list[int] = []

    def stop(count: int) -> None:
        done.append(count)
        if sum(done) > BATCH:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt, match=way):
        generate(path, COUNT, SEED, simulation=SIMULATION, progress=stop, **options)
    started: list[int] = []
    going_on: Any = options and {"force": True, "resume": True}
    generate(path, COUNT, SEED, simulation=SIMULATION, progress=started.append, **going_on)
    assert started[1] >= BATCH


def test_a_second_process_is_refused_and_disturbs_nothing(tmp_path: Path, reference: Path) -> None:
    path = tmp_path / "d.h5"
    refused: list[str] = []

    def try_too(done: int) -> None:
        if done and not refused:
            for force in (False, True):
                with pytest.raises(ParameterError) as caught:
                    generate(path, COUNT, SEED, simulation=SIMULATION, force=force)
                refused.append(caught.value.field)

    generate(path, COUNT, SEED, simulation=SIMULATION, progress=try_too)
    assert refused == ["out", "out"]
    assert_same(path, reference)


def test_a_file_that_appears_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    begun(path)
    path.write_bytes(b"precious")
    with pytest.raises(ParameterError):
        generate(path, COUNT, SEED, simulation=SIMULATION)
    assert path.read_bytes() == b"precious"


@pytest.mark.parametrize("call", ["pwrite", "fsync"])
def test_a_full_disk_is_one_line_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Path, call: str
) -> None:
    path = tmp_path / "d.h5"
    done = begun(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, call, FullDisk(call, 5 if call == "pwrite" else 1))
        with pytest.raises(OSError, match="No space left on device; what is simulated so far") as caught:
            generate(path, COUNT, SEED, simulation=SIMULATION)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(unfinished(path))
    seen: list[int] = []
    generate(path, COUNT, SEED, simulation=SIMULATION, progress=seen.append)
    assert seen[1] >= done
    assert_same(path, reference)


def test_what_cannot_be_read_again_is_one_line_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: Path
) -> None:
    path = tmp_path / "d.h5"
    begun(path)
    before = unfinished(path).read_bytes()

    def fail(*arguments: Any) -> Any:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "pread", fail)
        with pytest.raises(OSError, match="Input/output error") as caught:
            generate(path, COUNT, SEED, simulation=SIMULATION)
    assert caught.value.errno == errno.EIO
    assert unfinished(path).read_bytes() == before
    generate(path, COUNT, SEED, simulation=SIMULATION)
    assert_same(path, reference)


def test_a_damaged_journal_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "d.h5"
    begun(path)
    journal_of(unfinished(path)).write_bytes(b"nonsense")
    with pytest.raises(OSError, match="damaged; --force"):
        generate(path, COUNT, SEED, simulation=SIMULATION)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "256k") as place:
        yield place


def test_a_small_disk_fills_up_and_is_made_larger(small_disk: Path, tmp_path: Path) -> None:
    path = small_disk / "d.h5"
    count = 6 * BATCH
    with pytest.raises(OSError, match="No space left on device"):
        generate(path, count, SEED, simulation=SIMULATION)
    assert not path.exists()
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    generate(path, count, SEED, simulation=SIMULATION)
    generate(tmp_path / "whole.h5", count, SEED, simulation=SIMULATION)
    assert_same(path, tmp_path / "whole.h5")


def start(path: Path, count: int, workers: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.msft.killed", str(path), str(count), str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "NUMBA_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.slow
def test_a_worker_that_dies_costs_nothing_but_time(tmp_path: Path, reference: Path) -> None:
    path = tmp_path / "d.h5"

    def kill_one(done: int) -> None:
        if done:
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with pytest.raises(OSError, match=r"one of 2 processes \(--workers\) .* was ended"):
        generate(path, 200 * BATCH, SEED, simulation=SIMULATION, workers=2, progress=kill_one)
    generate(path, COUNT, SEED, simulation=SIMULATION, force=True)
    assert_same(path, reference)


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    process = start(tmp_path / "d.h5", 300 * BATCH, 2)
    assert process.stdout is not None
    for _ in range(4):  # until patterns arrive
        process.stdout.readline()
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) >= 2
    process.kill()
    process.communicate()
    deadline = time.monotonic() + 20
    while (alive := [child for child in children if running(child)]) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not alive


def running(process: str) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "kills"), [(1, 20), (2, 3)])
def test_real_kills_at_random_moments_cost_nothing_but_time(tmp_path: Path, workers: int, kills: int) -> None:
    chance = random.Random(workers)
    path, count = tmp_path / "d.h5", 300 * BATCH
    there: list[int] = []
    for _ in range(kills):
        process = start(path, count, workers)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "0"
        there.append(int(process.stdout.readline()))
        # while it begins, or once patterns arrive
        if chance.random() < 0.8:
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.4))
        process.kill()
        _, stderr = process.communicate()
        assert process.returncode == -9, stderr
        assert not path.exists()
    assert there == sorted(there)
    assert len(set(there)) > kills // 4, "most kills came before any commit"
    process = start(path, count, workers)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    generate(tmp_path / "whole.h5", count, SEED, simulation=SIMULATION)
    assert_same(path, tmp_path / "whole.h5")
    assert sorted(place.name for place in tmp_path.iterdir()) == ["d.h5", "whole.h5"]


def test_a_body_is_told_by_what_its_file_holds(tmp_path: Path) -> None:
    body, path = tmp_path / "v.npy", tmp_path / "d.h5"
    np.save(body, np.ones((4, 4, 4)))
    common: dict[str, Any] = {
        "simulation": Simulation(detector=SIMULATION.detector, solver="chebyshev"),
        "distribution": ParticleDistribution((30.0, 40.0), str(body)),
    }
    generate(path, 2, SEED, **common)
    generate(path, 2, SEED, **common, resume=True)
    np.save(body, np.ones((4, 4, 8)))
    with pytest.raises(ParameterError, match="bodies"):
        generate(path, 2, SEED, **common, resume=True)
