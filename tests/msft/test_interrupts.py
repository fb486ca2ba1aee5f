"""Interrupts, and failures that only one of two threads is told of: no commit says more than is there."""

from __future__ import annotations

import errno
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from msft.journal import JournaledFile


def content(path: Path) -> bytes:
    with JournaledFile(path, keep=True) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return file.read(size)


def test_a_failure_of_the_disk_that_only_another_thread_was_told_of_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"a" * 10))
        file.commit()
        file.write(memoryview(b"b" * 10))
        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", fail)
            file.hasten()
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            file.commit()
    assert content(tmp_path / "f") == b"a" * 10


def test_no_commit_passes_while_another_thread_is_being_told_of_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, began = os.fsync, threading.Event()

    def fail_once(descriptor: int) -> None:
        if threading.current_thread() is threading.main_thread():
            return original(descriptor)
        began.set()
        time.sleep(0.1)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"a" * 10))
        file.commit()
        file.write(memoryview(b"b" * 10))
        monkeypatch.setattr(os, "fsync", fail_once)
        other = threading.Thread(target=file.hasten)
        other.start()
        assert began.wait(10)
        with pytest.raises(OSError, match=os.strerror(errno.EIO)):
            file.commit()
        other.join()
    assert content(tmp_path / "f") == b"a" * 10


def test_an_interrupt_right_behind_the_renaming_of_the_journal_cuts_nothing_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = os.replace

    def interrupted(*arguments: Any) -> None:
        original(*arguments)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), JournaledFile(tmp_path / "f") as file:  # noqa: PT012
        file.write(memoryview(b"a" * 10))
        file.commit()
        file.write(memoryview(b"b" * 10_000))
        monkeypatch.setattr(os, "replace", interrupted)
        file.commit()
    assert content(tmp_path / "f") == b"a" * 10 + b"b" * 10_000


@pytest.mark.parametrize("kind", [KeyboardInterrupt, MemoryError])
def test_what_ends_a_write_for_another_reason_than_the_disk_stands_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[BaseException]
) -> None:
    """When it drops a dataset h5py only prints what is raised, and goes on."""

    def stopped(*_: Any) -> None:
        raise kind

    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"a"))
        file.commit()
        with monkeypatch.context() as patch, suppress(kind):
            patch.setattr("msft.gathered.Gathered.write", stopped)
            file.write(memoryview(b"b" * 10_000))
        with pytest.raises(OSError, match=r"allocate|Interrupted"):
            file.commit()
    assert content(tmp_path / "f") == b"a"
