"""Several processes invert a file as one does: the same answers, killed runs go on, errors are one line."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import h5py
import numpy as np
import pytest
from msft_cli.inversion import app
from typer.testing import CliRunner

from invert import checkpoint
from invert.frames import Reading, open_frames
from invert.network_inverter import NetworkInverter
from invert.processes import InvertingProcesses
from invert.stream import invert_stream
from msft.errors import ParameterError
from msft.generate import generate
from msft.particle import ParticleDistribution

from .conftest import SMALL
from .test_reading import damaged
from .test_stream import columns

COUNT = 300

SEARCH = ["--radius-min", "40", "--radius-max", "80", "--starts", "2", "--steps", "4"]

RUN = """
import sys
from pathlib import Path
import invert.stream
from invert import checkpoint
from invert.frames import open_frames
from invert.network_inverter import NetworkInverter
from invert.processes import InvertingProcesses
if __name__ == "__main__":
    invert.stream.COMMIT_SECONDS = 0.0
    with open_frames(Path(sys.argv[1])) as source:
        inverter = NetworkInverter(checkpoint.load(Path(sys.argv[2])))
        with InvertingProcesses(source, inverter, 2) as processes:
            invert.stream.invert_stream(
                source, slice(None), inverter, Path(sys.argv[3]), {}, {},
                lambda n: print(n, flush=True), None, processes,
            )
"""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("processes") / "exp.h5"
    generate(path, COUNT, 5, ParticleDistribution((40.0, 80.0)), SMALL)
    return path


def assert_alike(one: Path, other: Path) -> None:
    found, expected = columns(one), columns(other)
    for name in ("flags", "frame", "mask", "measured"):
        assert np.array_equal(found[name], expected[name]), name
    # the network's sums depend on the number of threads
    assert np.allclose(found["radius"], expected["radius"], rtol=1e-4)
    assert np.allclose(found["quaternion"], expected["quaternion"], atol=1e-3)
    assert np.allclose(found["agreement"], expected["agreement"], atol=1e-3)
    assert np.allclose(found["resimulated"], expected["resimulated"], atol=0.01)


def invert_by(path: Path, model: Path, out: Path, jobs: int, reading: Reading | None = None) -> list[int]:
    """Invert a file on the model's pixels; returns what progress was told."""
    inverter, told = NetworkInverter(checkpoint.load(model)), list[int]()
    simulation = inverter.checkpoint.model.configuration.simulation
    with open_frames(path, reading) as source:
        source.onto(simulation.detector, simulation.optics.wavelength)
        if jobs == 1:
            invert_stream(source, slice(None), inverter, out, {}, {}, told.append)
        else:
            with InvertingProcesses(source, inverter, jobs) as processes:
                invert_stream(source, slice(None), inverter, out, {}, {}, told.append, None, processes)
    return told


def test_the_command_gives_with_two_processes_what_it_gives_with_one(
    frames: Path, small_model: Path, tmp_path: Path
) -> None:
    for jobs in ("1", "2"):
        options = ["--model", str(small_model), "--jobs", jobs, "-o", str(tmp_path / f"{jobs}.h5")]
        result = CliRunner().invoke(
            app, ["predict", str(frames), "--frames", "10:290", "--pictures", "0", "--no-report", *options]
        )
        assert result.exit_code == 0, result.output
    assert columns(tmp_path / "2.h5")["frame"].tolist() == list(range(10, 290))
    assert_alike(tmp_path / "2.h5", tmp_path / "1.h5")


@pytest.mark.slow
def test_processes_read_as_their_parent_has_found_out(small_model: Path, tmp_path: Path) -> None:
    """Larger frames off the middle: scale and centre are estimated once, and hold for every process."""
    particles = ParticleDistribution((40.0, 80.0)).draw(5, range(130))
    images = np.repeat(np.repeat(SMALL.intensity(particles), 2, axis=1), 2, axis=2)
    images = np.roll(np.pad(images, ((0, 0), (8, 8), (8, 8))), (3, -2), axis=(1, 2))
    with h5py.File(tmp_path / "exp.h5", "w") as file:
        file.create_dataset("data", data=images, chunks=(1, *images.shape[1:]), compression="gzip")
        file["entry_1/instrument_1/detector_1/q_step"] = (
            SMALL.detector.step_on_axis(SMALL.optics.wavenumber) / 2 * 1e9
        )
    for jobs in (1, 2):
        invert_by(tmp_path / "exp.h5", small_model, tmp_path / f"{jobs}.p.h5", jobs)
    assert_alike(tmp_path / "2.p.h5", tmp_path / "1.p.h5")


@pytest.mark.slow
def test_bad_frames_cost_no_others(frames: Path, small_model: Path, tmp_path: Path) -> None:
    with h5py.File(frames) as file:
        damaged(tmp_path / "a.h5", file["/entry_1/data_1/data"][:150], [2, 100])
    for jobs in (1, 2):
        told = invert_by(
            tmp_path / "a.h5", small_model, tmp_path / f"{jobs}.p.h5", jobs, Reading(scale="linear")
        )
        assert sum(told) == 150
    assert_alike(tmp_path / "2.p.h5", tmp_path / "1.p.h5")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="WHICH PROCESSES RUN IS ONLY KNOWN ON LINUX")
def test_a_killed_run_goes_on_and_leaves_no_process(frames: Path, small_model: Path, tmp_path: Path) -> None:
    script, out = tmp_path / "run.py", tmp_path / "p.h5"
    script.write_text(RUN)
    arguments = [sys.executable, str(script), str(frames), str(small_model), str(out)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    run = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env=environment)
    assert run.stdout is not None
    done = 0
    for line in run.stdout:
        done += int(line)
        if done >= 192:  # two portions were handed on, so the one before them is committed
            break
    children = _children(run.pid)
    assert len(children) >= 2  # and what watches over shared memory
    run.send_signal(signal.SIGKILL)
    run.wait(60)
    assert not out.exists()
    end = time.monotonic() + 30
    while any(_runs(child) for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert not any(_runs(child) for child in children)
    again = subprocess.run(arguments, check=True, capture_output=True, text=True, env=environment)
    assert 64 <= int(again.stdout.splitlines()[0]) < COUNT
    invert_by(frames, small_model, tmp_path / "q.h5", 1)
    assert_alike(out, tmp_path / "q.h5")


def test_a_process_that_ends_by_itself_is_one_line(
    frames: Path, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("invert.reading.stack.ImageStack.block", 16)  # more portions than are done ahead
    inverter, out = NetworkInverter(checkpoint.load(small_model)), tmp_path / "p.h5"

    def kill_all(done: int) -> None:
        for child in multiprocessing.active_children() if done else ():
            child.kill()

    with (
        open_frames(frames) as source,
        InvertingProcesses(source, inverter, 2) as processes,
        pytest.raises(OSError, match=r"one of 2 processes .* was ended.* kept"),
    ):
        invert_stream(source, slice(None), inverter, out, {}, {}, kill_all, None, processes)
    assert not out.exists()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="NO PROCESS GROUPS HERE")
@pytest.mark.parametrize("seconds", [4.5, 8.0])
def test_interrupts_are_one_line(small_model: Path, tmp_path: Path, seconds: float) -> None:
    """While processes begin, or work; sent to all of them, as a terminal does, and twice, as people do."""
    many = tmp_path / "many.h5"
    with h5py.File(many, "w") as file:
        file["data"] = np.zeros((200_000, 32, 32), "u1")
    arguments = ["predict", str(many), "--model", str(small_model), "--jobs", "2", "--no-report", "--quiet"]
    code = f"from msft_cli.inversion import main; import sys; sys.argv = {['invert', *arguments]!r}; main()"
    run = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    time.sleep(seconds)
    for _ in range(2):
        os.killpg(run.pid, signal.SIGINT)
        time.sleep(0.2)
    told = run.communicate(timeout=60)[1]
    assert run.returncode in (130, -signal.SIGINT)  # to a shell they are the same
    assert told.startswith("interrupted")
    assert told.count("\n") == 1


def test_a_file_or_weights_that_changed_are_refused(frames: Path, small_model: Path, tmp_path: Path) -> None:
    path = tmp_path / "exp.h5"
    path.write_bytes(frames.read_bytes())
    inverter = NetworkInverter(checkpoint.load(small_model))
    with open_frames(path) as source, InvertingProcesses(source, inverter, 2) as processes:
        os.utime(path, ns=(0, 0))
        with pytest.raises(ParameterError, match=r"frames: .* stays as it is"):
            invert_stream(source, slice(None), inverter, tmp_path / "p.h5", {}, {}, processes=processes)
    assert not (tmp_path / "p.h5").exists()
    assert not (tmp_path / "p.h5.partial").exists()


@pytest.mark.parametrize("options", [["predict", "--refine", "--patterns", "40"], ["fit", *SEARCH]])
def test_the_command_fits_with_two_processes_what_it_fits_with_one(
    options: list[str], frames: Path, small_model: Path, tmp_path: Path
) -> None:
    command, *more = options
    more += ["--model", str(small_model)] if command == "predict" else []
    told = {}
    for jobs in ("1", "2"):
        place = ["--frames", "3:43", "--jobs", jobs, "-o", str(tmp_path / f"{jobs}.h5")]
        result = CliRunner().invoke(
            app, [command, str(frames), *more, *place, "--pictures", "0", "--no-report"]
        )
        assert result.exit_code == 0, result.output
        told[jobs] = result.stdout.replace(f"{jobs}.h5", "").replace(f"{jobs}.csv", "")
    one, other = columns(tmp_path / "1.h5"), columns(tmp_path / "2.h5")
    assert one["frame"].tolist() == list(range(3, 43))
    for name, column in one.items():
        assert np.allclose(other[name], column, rtol=1e-6, atol=1e-6, equal_nan=True), name
    # what the network said alone, too
    assert told["1"] == told["2"]


def _children(parent: int) -> list[int]:
    """Processes that a process has begun."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError):
            if f"\nPPid:\t{parent}\n" in status.read_text():
                found.append(int(status.parent.name))
    return found


def _runs(process: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False
