"""Training that is stopped, killed, or runs out of disk, and goes on."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from invert import checkpoint
from invert.training.resumption import resumable, unfinished
from invert.training.train import train
from msft.errors import ParameterError
from msft.generate import generate
from tests.full_disk import mounted

from .conftest import RESUMED_PRESET, SMALL

CPU = torch.device("cpu")
ROOT = Path(__file__).parents[2]
VALIDATION = 15 * 32
"""Images between two validations of `RESUMED_PRESET`."""


class Stopped(BaseException):
    """Stops a training midway."""


class Stop:
    """Stops a training after so many of its own images."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.calls: list[int] = []

    def __call__(self, done: int) -> None:
        self.calls.append(done)
        if sum(self.calls) >= self.after:
            raise Stopped


@pytest.fixture(scope="module")
def reference(small_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("reference") / "model"
    torch.set_num_threads(1)
    train(small_dataset, folder, RESUMED_PRESET, CPU)
    return folder


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # sums in a fixed order


def stopped(dataset: Path, out: Path, after: int) -> None:
    with pytest.raises(Stopped):
        train(dataset, out, RESUMED_PRESET, CPU, progress=Stop(after))
    assert not out.exists()


def assert_same(model: Path, reference: Path) -> None:
    one, other = (load_file(folder / "weights.safetensors") for folder in (model, reference))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert (model / "curves.csv").read_text() == (reference / "curves.csv").read_text()
    assert list(model.parent.iterdir()) == [model]


def test_a_training_in_three_parts_gives_the_same_weights_bit_for_bit(
    small_dataset: Path, tmp_path: Path, reference: Path
) -> None:
    out = tmp_path / "model"
    stopped(small_dataset, out, VALIDATION + 64)
    stopped(small_dataset, out, 3 * VALIDATION + 128)
    rest = Stop(10**9)
    train(small_dataset, out, RESUMED_PRESET, CPU, progress=rest)
    assert rest.calls[:2] == [0, 3 * VALIDATION]
    assert sum(rest.calls) == RESUMED_PRESET.training.images
    assert_same(out, reference)


def test_a_training_that_was_stopped_before_its_end_was_written_is_not_repeated(
    small_dataset: Path, tmp_path: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "model"
    with monkeypatch.context() as patch:
        patch.setattr("invert.checkpoint.save", lambda *everything: Stop(0)(0))
        with pytest.raises(Stopped):
            train(small_dataset, out, RESUMED_PRESET, CPU)
    rest = Stop(10**9)
    train(small_dataset, out, RESUMED_PRESET, CPU, progress=rest)
    assert rest.calls == [0, RESUMED_PRESET.training.images]
    assert_same(out, reference)


def test_nothing_is_left_where_nothing_was_learned(small_dataset: Path, tmp_path: Path) -> None:
    stopped(small_dataset, tmp_path / "model", 64)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_says_what_is_kept(small_dataset: Path, tmp_path: Path) -> None:
    def interrupt(done: int) -> None:
        called.append(done)
        if sum(called) > VALIDATION + 32:
            raise KeyboardInterrupt

    called: list[int] = []
    with pytest.raises(KeyboardInterrupt, match="the same command goes on"):
        train(small_dataset, tmp_path / "model", RESUMED_PRESET, CPU, progress=interrupt)
    assert list(tmp_path.iterdir()) == [unfinished(tmp_path / "model")]


def test_another_command_does_not_go_on_with_it_but_force_begins_anew(
    small_dataset: Path, small_model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    stopped(small_dataset, out, VALIDATION + 64)
    state = unfinished(out) / "state.pt"
    before = state.read_bytes()
    other = replace(RESUMED_PRESET, training=replace(RESUMED_PRESET.training, images=64, seed=3))
    allowed = r"training.images 64, or --force"
    with pytest.raises(ParameterError, match=rf"begun with training.images 2400; allowed: {allowed}"):
        train(small_dataset, out, other, CPU)
    generate(tmp_path / "other.h5", 60, 9, simulation=SMALL)
    with pytest.raises(ParameterError, match="begun with dataset"):
        train(tmp_path / "other.h5", out, RESUMED_PRESET, CPU)
    with pytest.raises(ParameterError, match="begun with start null"):
        train(small_dataset, out, RESUMED_PRESET, CPU, start=checkpoint.load(small_model))
    assert state.read_bytes() == before
    seen = Stop(10**9)
    train(small_dataset, out, other, CPU, force=True, progress=seen)
    assert seen.calls == [0, 32, 32]
    assert not unfinished(out).exists()


def test_a_damaged_state_is_one_line_and_force_gets_past_it(small_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    stopped(small_dataset, out, VALIDATION + 64)
    state = unfinished(out) / "state.pt"
    shapes = list[bytes]()
    others: tuple[Any, ...] = ([1, 2], {"identity": 3}, {"identity": {}}, {"identity": {"a": 1}, "state": {}})
    for shape in others:
        torch.save(shape, state)
        shapes.append(state.read_bytes())
    for damaged in (b"", b"nonsense", shapes[0][:-200], *shapes):
        state.write_bytes(damaged)
        with pytest.raises(ParameterError, match="--force begins anew"):
            train(small_dataset, out, RESUMED_PRESET, CPU)
    with resumable(out, {}) as resumption:
        assert resumption.read(force=True) is None


def test_writing_large_states_takes_a_small_part_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, save = 0.0, torch.save

    def save_slowly(*everything: Any) -> None:
        nonlocal now
        now += 2
        save(*everything)

    monkeypatch.setattr("time.monotonic", lambda: now)
    monkeypatch.setattr(torch, "save", save_slowly)
    written: dict[bool, list[int]] = {True: [], False: []}
    for large, steps in written.items():
        monkeypatch.setattr("invert.training.resumption.SMALL", 0 if large else 10_000)
        with resumable(tmp_path / "model", {}) as resumption:
            for step in range(50):
                now += 10
                resumption.keep({"step": step})
                left = resumption.read()
                assert left is not None
                steps += [left["step"]] if left["step"] not in steps else []
    assert written[False] == list(range(50))
    assert written[True] == [0, 7, 14, 21, 28, 35, 42, 49], "2 of 72 seconds"


def test_a_second_process_is_refused(small_dataset: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    with resumable(out, {}), pytest.raises(ParameterError, match="another process"):
        train(small_dataset, out, RESUMED_PRESET, CPU)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "1m") as place:
        yield place


def test_on_a_full_disk_the_last_good_state_stays(
    small_disk: Path, small_dataset: Path, reference: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, ballast = small_disk / "model", small_disk / "ballast"

    def fill(*_: object) -> None:
        with pytest.raises(OSError, match="No space"):
            ballast.write_bytes(bytes(10**6))

    def fill_midway(done: int) -> None:
        shown.append(done)
        if sum(shown) == VALIDATION + 32:
            fill()

    def fill_at_the_end(*everything: Any) -> None:
        fill()
        save(*everything)

    def assert_refused(**others: Any) -> None:
        with pytest.raises(ParameterError, match=r"No space left on device.*the same command") as caught:
            train(small_dataset, out, RESUMED_PRESET, CPU, **others)
        assert caught.value.field == "out"
        assert "\n" not in str(caught.value)
        assert {path.name for path in small_disk.iterdir()} == {unfinished(out).name, "ballast"}
        assert [path.name for path in unfinished(out).iterdir()] == ["state.pt"]
        ballast.unlink()

    shown: list[int] = []
    assert_refused(progress=fill_midway)
    assert torch.load(unfinished(out) / "state.pt")["state"]["step"] == VALIDATION // 32
    save = checkpoint.save
    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "save", fill_at_the_end)
        assert_refused()
    train(small_dataset, out, RESUMED_PRESET, CPU)
    assert_same(out, reference)


def start(dataset: Path, out: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.invert.killed", str(dataset), str(out)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )


@pytest.mark.slow
def test_real_kills_at_random_moments_cost_nothing_but_time(
    small_dataset: Path, tmp_path: Path, reference: Path
) -> None:
    chance = random.Random(1)
    out = tmp_path / "model"
    there = []
    for _ in range(5):
        process = start(small_dataset, out)
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "0"
        there.append(int(process.stdout.readline()))
        for _ in range(chance.randrange(25)):
            process.stdout.readline()
        time.sleep(chance.uniform(0, 0.02))
        process.kill()
        process.communicate()
        assert process.returncode == -9
    assert there == sorted(there)
    assert there[-1] >= VALIDATION, "every kill came before a validation"
    process = start(small_dataset, out)
    _, stderr = process.communicate(timeout=300)
    assert process.returncode == 0, stderr
    assert_same(out, reference)
