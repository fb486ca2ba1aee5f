"""A file that is at its last commit whenever the process or the machine stops, for HDF5 to write into.

HDF5 changes a file's structure in place: killed between two of its writes, it leaves a file that nothing can
open. Here what lay in the file at the last commit is not touched: what is new goes behind it at once, and
changes of what is old are kept in memory, page by page. A commit brings the new part to the disk, writes the
changed pages to a journal beside the file, and only when that is on the disk, too, into the file itself.
A commit that was cut short is thus either finished from the journal, or as if it had never begun. For POSIX
systems: it takes `flock` and `pread`.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import struct
import threading
import warnings
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from msft.errors import ParameterError
from msft.gathered import Gathered, write_all

PAGE = 4096
"""Bytes of a page, the unit of the journal."""

_MAGIC = b"msftjrn1"
_HEADER = struct.Struct("<8sQQ")
_NUMBER = struct.Struct("<Q")
_DIGEST = 16


class JournaledFile:
    """A binary file with commits, as h5py takes it in place of a name; one process at a time has it.

    Parameters
    ----------
    path
        The file; its journal lies beside it, see `journal_of`. What both hold up to the last commit is
        kept if `keep` is set; without a commit, or without `keep`, the file is emptied.
    keep
        Go on with what is there.

    Raises
    ------
    ParameterError
        If another process has the file.
    OSError
        If the file cannot be opened, or what is there cannot be read.
    """

    def __init__(self, path: Path, keep: bool = False) -> None:
        self.path = path
        self.failure: OSError | None = None
        self._pages: dict[int, bytearray] = {}
        self._position = 0
        self._synchronising = threading.Lock()
        self._descriptor = _open_locked(path)
        self._gathered = Gathered(self._descriptor)
        try:
            # a journal without content is what a finished file left behind
            keep = keep and os.fstat(self._descriptor).st_size > 0
            pages, self._size = (_read_journal(journal_of(path)) if keep else None) or ({}, 0)
            self.committed = self._size > 0
            if not self.committed:
                journal_of(path).unlink(missing_ok=True)
                _sync_folder(path.parent)
            self._kept = self._size
            if self.committed:
                # a disk that cannot be read shows here: HDF5 crashes at exit over a file it failed to open
                _read(self._descriptor, 0, PAGE)
            self._apply(pages)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        """The file itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file as it was at the last commit; without one, remove it."""
        try:
            if self.committed:
                os.ftruncate(self._descriptor, self._kept)
            else:
                self.path.unlink(missing_ok=True)
        finally:
            os.close(self._descriptor)

    def commit(self) -> None:
        """Make what has been written so far the content that stays.

        Raises
        ------
        OSError
            If the disk is full or fails; the last commit then stands.
        """
        if self.failure is not None:
            raise self.failure
        try:
            self._gathered.flush()
            self._synchronise()
            journal = journal_of(self.path)
            new = _write_journal(journal, self._pages, self._size)
            # before the renaming: from there on the commit stands, and an interrupt must not cut it off
            self._kept = self._size
            os.replace(new, journal)
            self.committed = True
            _sync_folder(journal.parent)
            self._apply(self._pages)
        except OSError as error:
            raise self._failed(error) from None
        self._pages = {}

    def hasten(self) -> None:
        """Have the disk take what it was given, so that a commit waits for less; for another thread.

        A failure stands, as if it were one of the next call: the disk tells of it only once.
        """
        with suppress(OSError):
            self._synchronise()

    def finish(self, path: Path) -> None:
        """Commit, and give the file its final name; the journal goes."""
        self.commit()
        os.replace(self.path, path)
        _sync_folder(path.parent)
        journal_of(self.path).unlink(missing_ok=True)

    def _apply(self, pages: dict[int, bytearray]) -> None:
        for number, page in pages.items():
            write_all(self._descriptor, page, number * PAGE)
        os.ftruncate(self._descriptor, self._kept)
        self._synchronise()
        # a page that the end of the file cuts belongs to the old part as a whole
        self._old_pages = -(-self._kept // PAGE)

    def _synchronise(self) -> None:
        """Wait for the disk, and for whoever waits for it: one of them alone is told that it failed."""
        with self._synchronising:
            try:
                os.fsync(self._descriptor)
            except OSError as error:
                self._failed(error)
        if self.failure is not None:
            raise self.failure

    def _failed(self, error: BaseException) -> OSError:
        """Remember the first failure: from there on nothing more is written."""
        if self.failure is None:
            other = errno.ENOMEM if isinstance(error, MemoryError) else errno.EINTR
            number = error.errno if isinstance(error, OSError) and error.errno is not None else other
            self.failure = OSError(number, os.strerror(number), str(self.path))
        return self.failure

    # what h5py calls

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Move to a position."""
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        """The position."""
        return self._position

    def flush(self) -> None:
        """Nothing: only `commit` counts."""

    def truncate(self, size: int | None = None) -> int:
        """Set the size; the disk learns of it at the next commit."""
        self._size = self._position if size is None else size
        return self._size

    def readinto(self, buffer: memoryview) -> int:
        """Read from the position on; what was never written reads as zero."""
        view = memoryview(buffer).cast("B")
        start, end = self._position, self._position + len(view)
        try:
            self._gathered.flush()
            view[:] = _read(self._descriptor, start, len(view))
        except OSError as error:
            raise self._failed(error) from None
        for number in range(start // PAGE, -(-end // PAGE)):
            if page := self._pages.get(number):
                low, high = max(start, number * PAGE), min(end, (number + 1) * PAGE)
                view[low - start : high - start] = page[low - number * PAGE : high - number * PAGE]
        self._position = end
        return len(view)

    def read(self, size: int) -> bytes:
        """Read from the position on."""
        buffer = bytearray(size)
        self.readinto(memoryview(buffer))
        return bytes(buffer)

    def write(self, data: memoryview) -> int:
        """Write at the position: behind the old part to the disk, within it to memory.

        A failure is what the next commit raises, whatever ended the write: of an exception HDF5 makes nothing
        when it closes the file, h5py nothing when it drops a dataset, and then they may crash.
        """
        view = memoryview(data).cast("B")
        start, end = self._position, self._position + len(view)
        self._position, self._size = end, max(self._size, end)
        if self.failure is not None:
            return len(view)  # nothing more is kept
        try:
            border = max(start, min(self._old_pages * PAGE, end))
            for number in range(start // PAGE, -(-border // PAGE)) if border > start else ():
                page = self._pages.get(number)
                if page is None:
                    page = self._pages[number] = bytearray(_read(self._descriptor, number * PAGE, PAGE))
                low, high = max(start, number * PAGE), min(border, (number + 1) * PAGE)
                page[low - number * PAGE : high - number * PAGE] = view[low - start : high - start]
            if border < end:
                self._gathered.write(view[border - start :], border)
        except (Exception, KeyboardInterrupt) as error:
            self._failed(error)
        return len(view)


def journal_of(path: Path) -> Path:
    """Where the journal of a file lies."""
    return path.with_name(path.name + ".journal")


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor, path)
            # who had it may have finished and renamed it between the opening and the lock
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ParameterError(
            "out", path, "a file that no other process is writing; this one is being written"
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK):
            raise
        warnings.warn(f"{path} is not locked: its file system has no locks", stacklevel=2)


def _write_journal(path: Path, pages: dict[int, bytearray], size: int) -> Path:
    """The journal under a name of its own, on the disk."""
    digest = hashlib.blake2b(digest_size=_DIGEST)
    new = path.with_name(path.name + ".new")
    try:
        with new.open("wb") as file:
            header = _HEADER.pack(_MAGIC, size, len(pages))
            for piece in (header, *(part for n in sorted(pages) for part in (_NUMBER.pack(n), pages[n]))):
                file.write(piece)
                digest.update(piece)
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        new.unlink(missing_ok=True)
        raise
    return new


def _read_journal(path: Path) -> tuple[dict[int, bytearray], int] | None:
    """The pages and the size of the last commit; None if there was none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    body, digest = content[:-_DIGEST], content[-_DIGEST:]
    if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest or not body.startswith(_MAGIC):
        raise OSError(errno.EIO, "the journal is damaged; --force starts anew", str(path))
    _, size, count = _HEADER.unpack_from(body)
    pages = {}
    for index in range(count):
        offset = _HEADER.size + index * (_NUMBER.size + PAGE)
        (number,) = _NUMBER.unpack_from(body, offset)
        pages[number] = bytearray(body[offset + _NUMBER.size : offset + _NUMBER.size + PAGE])
    return pages, size


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int, offset: int, size: int) -> bytes:
    """Bytes of a file, zero behind its end."""
    parts, missing = [], size
    while missing and (part := os.pread(descriptor, missing, offset + size - missing)):
        parts.append(part)
        missing -= len(part)
    return b"".join([*parts, bytes(missing)])
