"""Commits that hold: the process stopped, or the power lost, at every single step."""

from __future__ import annotations

import errno
import fcntl
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from msft.errors import ParameterError
from msft.journal import PAGE, JournaledFile, journal_of


class Stopped(BaseException):
    """The machine stops here."""


class Disk:
    """Stops at the n-th thing that reaches the disk, and forgets what no fsync has made last.

    What was written since the last fsync of a file survives in part, as chance has it; a renamed journal
    may be the old or the new one until its folder is synchronised.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, path: Path, steps: int, chance: random.Random
    ) -> None:
        self.path, self.left, self.chance = path, steps, chance
        self.lasting, self.pending = b"", list[tuple[str, Any]]()
        self.old_journal: bytes | None = None
        self.renamed = self.journal_synchronised = self.journal_lasts = False
        self.descriptors: list[int] = []
        for name in ("pwrite", "ftruncate", "fsync", "replace", "open"):
            monkeypatch.setattr(os, name, self._instead(name, getattr(os, name)))

    def _instead(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if name == "open":
                self.descriptors.append(original(*arguments))
                return self.descriptors[-1]
            if self.left == 0:
                raise Stopped
            self.left -= 1
            if name == "replace":
                target = Path(arguments[1])
                self.old_journal = target.read_bytes() if target.exists() else None
                self.renamed = True
                self.journal_lasts, self.journal_synchronised = self.journal_synchronised, False
            # what an fsync does is played here, which is faster than a disk
            result = None if name == "fsync" else original(*arguments)
            if name in ("pwrite", "ftruncate"):
                self.pending.append(
                    (name, (bytes(arguments[1]), arguments[2]) if name == "pwrite" else arguments[1])
                )
            if name == "fsync":
                self._synchronised(arguments[0])
            return result

        return call

    def _synchronised(self, descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            self.renamed = False
        elif os.path.samestat(os.fstat(descriptor), os.stat(self.path)):
            self.lasting, self.pending = self.path.read_bytes(), []
        else:
            self.journal_synchronised = True

    def release(self) -> None:
        """Close the file as a process that ends does."""
        for descriptor in set(self.descriptors):
            try:
                same = os.path.samestat(os.fstat(descriptor), os.stat(self.path))
            except OSError:
                continue
            if same:
                os.close(descriptor)

    def lose_power(self) -> None:
        """Put on the disk what would be found there."""
        content = bytearray(self.lasting)
        for name, what in self.pending:
            if self.chance.random() < 0.5:
                continue
            if name == "ftruncate":
                content = bytearray(content[:what].ljust(what, b"\0"))
            else:
                data, offset = what
                content = content.ljust(offset + len(data), b"\0")
                content[offset : offset + len(data)] = data
        self.path.write_bytes(content)
        if self.renamed and not self.journal_lasts:
            journal_of(self.path).write_bytes(b"")
        if self.renamed and self.chance.random() < 0.5:
            if self.old_journal is None:
                journal_of(self.path).unlink()
            else:
                journal_of(self.path).write_bytes(self.old_journal)


def work(path: Path, seed: int, contents: list[bytes]) -> None:
    """Random writes and commits; `contents` gets what each commit should keep, before it begins."""
    chance = random.Random(seed)
    model = bytearray()
    file = JournaledFile(path, keep=True)
    for _ in range(6):
        for _ in range(chance.randrange(1, 5)):
            where = chance.choice([len(model), chance.randrange(len(model) + 1)])
            data = chance.randbytes(chance.choice([1, 100, PAGE, 3 * PAGE + 7]))
            model = model.ljust(where + len(data), b"\0")
            model[where : where + len(data)] = data
            file.seek(where)
            file.write(memoryview(data))
            if chance.random() < 0.3:  # what was gathered goes to the disk, too
                file.seek(0)
                assert file.read(len(model)) == model
        contents.append(bytes(model))
        file.commit()


def content(path: Path) -> bytes:
    with JournaledFile(path, keep=True) as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return file.read(size)


@pytest.mark.parametrize("power", [False, True], ids=["process killed", "power lost"])
@pytest.mark.parametrize("seed", range(4))
def test_wherever_it_stops_a_commit_is_whole_or_has_not_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, power: bool
) -> None:
    steps, stopped = 0, True
    while stopped:
        path = tmp_path / f"{steps}"
        contents = [b""]
        with monkeypatch.context() as patch:
            patch.setattr("msft.gathered.GATHERED", (1, 150, 2 * PAGE, 2**20)[seed])
            disk = Disk(patch, path, steps, random.Random(steps))
            try:
                work(path, seed, contents)
                stopped = False
            except Stopped:
                pass
        disk.release()
        if not path.exists():
            path.touch()
        if power:
            disk.lose_power()
        # the last commit, or the one before if the last was under way
        assert content(path) in (contents[-2:] if stopped else contents[-1:]), steps
        assert content(path) in contents[-2:]
        steps += 1
    assert steps > 30


def test_without_a_commit_nothing_stays(tmp_path: Path) -> None:
    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"hello"))
    assert list(tmp_path.iterdir()) == []


def test_what_follows_the_last_commit_is_dropped(tmp_path: Path) -> None:
    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"kept"))
        file.commit()
        file.write(memoryview(bytes(10 * PAGE)))
    assert (tmp_path / "f").stat().st_size == 4
    assert content(tmp_path / "f") == b"kept"


def test_a_journal_that_a_finished_file_left_is_not_taken_for_the_next_ones(tmp_path: Path) -> None:
    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"first"))
        file.commit()
        left = journal_of(tmp_path / "f").read_bytes()
        file.finish(tmp_path / "done")
    journal_of(tmp_path / "f").write_bytes(left)
    with JournaledFile(tmp_path / "f", keep=True) as file:
        assert not file.committed
        assert file.read(5) == bytes(5)


def test_a_file_has_one_writer(tmp_path: Path) -> None:
    with JournaledFile(tmp_path / "f") as file:
        file.write(memoryview(b"mine"))
        file.commit()
        with pytest.raises(ParameterError) as caught:
            JournaledFile(tmp_path / "f")
        assert caught.value.field == "out"
    assert content(tmp_path / "f") == b"mine"


def test_a_file_finished_between_opening_and_locking_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, done = tmp_path / "f", tmp_path / "done"
    path.write_bytes(b"finished")
    original = fcntl.flock

    def flock(descriptor: int, operation: int) -> None:
        if not done.exists():
            path.rename(done)
        original(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    with JournaledFile(path) as file:
        file.write(memoryview(b"new"))
        file.commit()
    assert (done.read_bytes(), path.read_bytes()) == (b"finished", b"new")


@pytest.mark.parametrize("damage", ["flipped", "cut", "emptied"])
def test_a_damaged_journal_is_refused_not_believed(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "f"
    with JournaledFile(path) as file:
        file.write(memoryview(b"old" * PAGE))
        file.commit()
        file.seek(0)
        file.write(memoryview(b"new"))
        file.commit()
    found = bytearray(journal_of(path).read_bytes())
    found[100] ^= 1
    journal_of(path).write_bytes(bytes({"flipped": found, "cut": found[:50], "emptied": b""}[damage]))
    with pytest.raises(OSError, match="damaged"):
        JournaledFile(path, keep=True)
    assert path.read_bytes()[:3] == b"new"
    with JournaledFile(path, keep=False) as file:
        assert not file.committed


@pytest.mark.parametrize("call", ["pread", "pwrite", "fsync"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_after_a_failure_nothing_more_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    path = tmp_path / "f"

    def fail(*arguments: Any) -> Any:
        raise OSError(number, os.strerror(number))

    with JournaledFile(path) as file:
        file.write(memoryview(b"a" * 2 * PAGE))
        file.commit()
        with monkeypatch.context() as patch:
            patch.setattr(os, call, fail)
            with pytest.raises(OSError, match=os.strerror(number)):  # noqa: PT012
                file.seek(0)
                file.write(memoryview(b"b" * 10))
                file.seek(5 * PAGE)
                file.write(memoryview(b"b" * 10))
                file.commit()
        file.seek(0)
        size = path.stat().st_size
        file.write(memoryview(b"c" * 20 * PAGE))
        assert path.stat().st_size == size
        with pytest.raises(OSError, match=os.strerror(number)):
            file.commit()
    assert content(path) == b"a" * 2 * PAGE


def test_small_pieces_in_a_row_go_to_the_disk_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    original = os.pwrite

    def counted(descriptor: int, data: memoryview, offset: int) -> int:
        calls.append(len(data))
        return original(descriptor, data, offset)

    monkeypatch.setattr(os, "pwrite", counted)
    with JournaledFile(tmp_path / "f") as file:
        for number in range(100):
            file.write(memoryview(bytes([number]) * 1000))
        assert calls == []
        file.seek(99_500)
        assert file.read(1000) == bytes([99]) * 500 + bytes(500)
        assert calls == [100_000]
        file.seek(100_000)
        file.write(memoryview(b"end"))
        file.commit()
    assert content(tmp_path / "f")[-4:] == bytes([99]) + b"end"
