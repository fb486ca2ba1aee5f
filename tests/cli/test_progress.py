"""What commands say while they work: on a terminal, and where none is, as in the log of a cluster's job."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numba
import pytest
from msft_cli import progress
from msft_cli.progress import compilation_told, progress_bar


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, which a test puts forward."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_a_minute_tells_what_is_left(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with progress_bar("inverting", 1000, quiet=False) as advance:
        advance(100)  # done by an earlier run
        for _ in range(5):
            clock[0] += 30
            advance(100)
        assert capsys.readouterr().err.splitlines() == [
            "inverting: 300 of 1000, 0:01:00, 0:03:30 left",
            "inverting: 500 of 1000, 0:02:00, 0:02:30 left",
        ]
        for _ in range(4):
            clock[0] += 60
            advance(100)
    assert capsys.readouterr().err.splitlines()[-2:] == [
        "inverting: 900 of 1000, 0:05:30, 0:00:41 left",
        "inverting: 1000 of 1000, 0:06:30",
    ]


def test_what_is_interrupted_tells_how_far_it_came(
    capsys: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    def interrupted() -> None:
        with progress_bar("training", 10, quiet=False) as advance:
            advance(0)
            clock[0] += 1
            advance(2)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert capsys.readouterr().err == "training: 2 of 10, 0:00:01, 0:00:04 left\n"


def test_what_follows_is_said_once(capsys: pytest.CaptureFixture[str], clock: list[float]) -> None:
    with progress_bar("training", 10, quiet=False, then="judging") as advance:
        advance(0)
        advance(9)
        assert capsys.readouterr().err == ""
        advance(2)  # the last batch is a whole one
        advance(0)
        assert capsys.readouterr().err == "judging\n"
    assert capsys.readouterr().err == "training: 11 of 10, 0:00:00\n"


def test_bad_input_and_quiet_work_tell_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="bad"), progress_bar("training", 10, quiet=False):
        raise ValueError("bad")
    with progress_bar("training", 10, quiet=True) as advance:
        advance(0)
        advance(10)
    assert capsys.readouterr().err == ""


def test_a_line_that_nobody_can_read_ends_no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w", buffering=1) as full:
        for stream in (full, None):
            monkeypatch.setattr(sys, "stderr", stream)
            with progress_bar("training", 2, quiet=False, then="judging") as advance:
                advance(0)
                advance(2)
        monkeypatch.undo()
        with suppress(OSError):
            full.close()


def test_a_terminal_has_a_bar() -> None:
    ours, theirs = pty.openpty()
    program = (
        "from msft_cli.progress import progress_bar\n"
        "with progress_bar('training', 10, False) as advance:\n    advance(0)\n    advance(10)\n"
    )
    subprocess.run(
        [sys.executable, "-c", program], stderr=theirs, check=True, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert "━" in shown
    assert "10/10" in shown
    assert "10 of 10" not in shown


def compiled_anew() -> None:
    """Compile two functions that no cache holds."""
    for number in range(2):
        assert numba.njit(lambda x, more=number: x + more)(1.0) == 1.0 + number


def test_compilation_is_told_once(capsys: pytest.CaptureFixture[str]) -> None:
    with compilation_told(quiet=False):
        compiled_anew()
    assert capsys.readouterr().err.splitlines() == ["compiling for this machine, once: about half a minute"]


def test_quiet_and_what_is_compiled_afterwards_say_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with compilation_told(quiet=True):
        compiled_anew()
    with compilation_told(quiet=False):
        pass
    compiled_anew()
    assert capsys.readouterr().err == ""
