"""Where stages are drained to: the log, and the lock beside it under which one writer at a time does so."""

from __future__ import annotations

import errno
import os
import stat
import struct
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import CodeType, FrameType
from typing import Any

from . import _system

# A lock file: magic, version, and the id of the stage whose drain is under way, or zeros.
MAGIC, VERSION = b"fmlock\0\0", 1
LOCK, NAME_AT, NO_NAME = struct.Struct("=8sQ16s"), 16, bytes(16)


class Untrusted(OSError):
    """A file that has a name of ours, but isn't, or may not be: it is left alone, with a warning."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.EPERM, f"{os.path.basename(path)!r} is ignored: {reason}", path)


class StageError(OSError):
    """A stage or lock of ours that can't be used as things are: it is left alone."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.ESTALE, f"{reason} ({os.path.basename(path)})", path)


def check_trust(fd: int, path: str, log: os.stat_result) -> None:
    """Raises Untrusted unless a file beside a log is as private as the log, and belongs to its owner or to us.

    Otherwise somebody who may not write to the log could have us do so.
    """
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        raise Untrusted(path, "it is not a regular file")
    if status.st_nlink > 1:
        raise Untrusted(path, "it has several names")
    if status.st_uid not in (os.geteuid(), log.st_uid):
        raise Untrusted(path, f"it belongs to user {status.st_uid}")
    if status.st_mode & ~log.st_mode & 0o022:
        raise Untrusted(path, "others may write to it who may not write to the log")


def open_trusted(path: str, log: os.stat_result, mode: int | None = None) -> int:
    """Opens a file beside a log that may be trusted; with a mode it is made where it isn't there."""
    try:
        fd = _system.open_ours(path, mode)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise
        raise Untrusted(path, "it is not a regular file") from None
    try:
        check_trust(fd, path, log)
    except BaseException:
        os.close(fd)
        raise
    return fd


def adapt(fd: int, log: os.stat_result) -> None:
    """Gives a file beside a log the log's owner and group, where we may, and to those who may write to the log rights.

    Who may only read the log gets none: a reader could lock the file, and so hold writers up.
    """
    with suppress(OSError):
        _system.keep_owner(fd, log)
    if os.fstat(fd).st_gid != log.st_gid:
        with suppress(OSError):
            os.fchown(fd, -1, log.st_gid)
    mode = permissions(log)
    os.fchmod(fd, mode if os.fstat(fd).st_gid == log.st_gid else mode & ~0o070)


def permissions(log: os.stat_result) -> int:
    """The mode of a file beside a log: to read and write for those who may write to the log."""
    return log.st_mode & 0o222 | (log.st_mode & 0o222) << 1 | 0o600


class Held:
    """What has a descriptor that carries a lock: a forked child must not keep it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        _held.add(self)

    def drop(self) -> None:
        """Closes it, and takes no lock of Python's: a thread that is no more in the child may have it."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


_held: weakref.WeakSet[Held] = weakref.WeakSet()


class Log:
    """The file that records go to, open for appending. `readable`: whether a drain can be compared with it."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        flags = os.O_APPEND | os.O_CLOEXEC
        self.fd = os.open(path, os.O_WRONLY | flags | (os.O_CREAT if create else 0), 0o666)
        try:
            self.status = os.fstat(self.fd)
            self.birth = _system.birth(self.fd)
            self.path = os.path.realpath(path)
            self.readable = self.is_regular and self._reopen(os.O_RDWR | flags)
        except BaseException:
            os.close(self.fd)
            raise
        self.written = 0  # by the last write, all of it or the part before an error

    def _reopen(self, flags: int) -> bool:
        """Opens the file with other rights, if it can be found and they can be had."""
        try:
            fd = os.open(self.path, flags)
        except (PermissionError, FileNotFoundError):
            return False
        same = os.path.samestat(os.fstat(fd), self.status)
        os.close(self.fd if same else fd)
        if same:
            self.fd = fd
        return same

    @property
    def is_regular(self) -> bool:
        """Whether it is a file, not a pipe or a device."""
        return stat.S_ISREG(self.status.st_mode)

    def size(self) -> int:
        return os.fstat(self.fd).st_size

    def read(self, size: int, offset: int) -> bytes:
        return _system.read_at(self.fd, size, offset)

    def write(self, pieces: list[memoryview], note: Callable[[int], None] | None = None) -> None:
        """Appends all of the pieces, or raises OSError. `note` is told what was written when there is more to write."""
        self.written = 0
        pieces = [piece for piece in pieces if len(piece)]
        while pieces:
            number = _system.write_pieces(self.fd, pieces)
            self.written += number
            while pieces and number >= len(pieces[0]):
                number -= len(pieces.pop(0))
            if pieces:
                pieces[0] = pieces[0][number:]
                if note is not None:
                    note(self.written)

    def take_back(self, offset: int) -> bool:
        """Cuts off what the last write has left, if it began at `offset` and nothing stands behind it.

        Returns whether nothing of it is left.
        """
        if self.written == 0:
            return True
        try:
            if not self.is_regular or self.size() != offset + self.written:
                return False
            _system.truncate(self.fd, offset)
        except OSError:
            return False
        return True

    def write_whole(self, record: memoryview) -> None:
        """Appends a record, or nothing of it, and raises OSError."""
        offset = self.size()
        try:
            self.write([record])
        except OSError:
            self.take_back(offset)
            raise

    def close(self) -> None:
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)


class Lock(Held):
    """The lock of one log in one folder: a file, locked during drains alone, that names the stage being drained.

    A name that stands there when the lock is taken is that of a writer that died, or failed, while it drained. It is
    for whoever has the lock to finish that first.
    """

    def __init__(self, folder: str, log: Log) -> None:
        super().__init__(-1)
        self.folder, self._log = folder, log
        # Of one filesystem, a log's number is enough, and it stays the same when that is mounted anew.
        device = "" if os.stat(folder).st_dev == log.status.st_dev else f"{log.status.st_dev:x}-"
        self._prefix = f"{_system.OURS}{device}{log.status.st_ino:x}"
        self.path = os.path.join(folder, f"{self._prefix}.lock")

    def stage_path(self, identity: bytes) -> str:
        """Where the stage of that id is."""
        return os.path.join(self.folder, f"{self._prefix}-{identity.hex()}.stage")

    def __enter__(self) -> None:
        self.check_reentry()
        with self._claimed():
            while True:
                if self.fd < 0:
                    self._open()
                _system.lock(self.fd)
                if os.fstat(self.fd).st_nlink:
                    break
                # Its last user has removed it, and whoever comes next makes a new one.
                self.close()

    def __exit__(self, *exception: Any) -> None:
        self.give_back()

    def check_reentry(self) -> None:
        """RuntimeError in the midst of a drain of this thread's, where a signal handler would wait for itself.

        What an interrupt has left without such a drain is given back. The caller is one of the `takers`.
        """
        if self._claim() not in _holders:
            return
        if running(takers) > 1:
            raise RuntimeError(f"{self._log.path!r} is being written to by this very thread")
        self.give_back()

    def _claim(self) -> tuple[str, int]:
        return self.path, threading.get_ident()

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        """Notes that this thread has the lock, or waits for it: before it does, so that no signal comes in between."""
        _holders.add(self._claim())
        try:
            yield
        except BaseException:
            self.give_back()
            raise

    def give_back(self) -> None:
        """Gives the lock back, if this thread has it. An interrupt may have kept it from being so before."""
        try:
            if self.fd >= 0:
                _system.unlock(self.fd)
        except OSError:
            self.close()  # which gives it back, too
        _holders.discard(self._claim())

    def open(self) -> None:
        """Opens the file, or makes it. Untrusted where somebody else has put something there."""
        self.check_reentry()
        with self._claimed():
            self._open()
        _holders.discard(self._claim())

    def _open(self) -> None:
        status = self._log.status
        fd = open_trusted(self.path, status, permissions(status))
        try:
            _system.lock(fd)  # not for long: whoever makes it writes its first bytes
            if os.fstat(fd).st_size == 0:
                adapt(fd, status)
                _system.write_at(fd, LOCK.pack(MAGIC, VERSION, NO_NAME), 0)
            _system.unlock(fd)
            magic, version, _ = LOCK.unpack(_system.read_at(fd, LOCK.size, 0).ljust(LOCK.size))
            if magic != MAGIC:
                raise Untrusted(self.path, "it is no lock")
            if version != VERSION:
                raise StageError(self.path, f"Version {version} of the lock is unknown to this fastmmap")
        except BaseException:
            os.close(fd)
            raise
        self.fd = fd

    def named(self) -> bytes | None:
        """The id of the stage whose drain was under way, if there is one. The lock is held."""
        name = _system.read_at(self.fd, len(NO_NAME), NAME_AT)
        return name if any(name) else None

    def name(self, identity: bytes | None) -> None:
        """Says whose drain is under way, or that none is. The lock is held."""
        _system.write_at(self.fd, identity or NO_NAME, NAME_AT)

    def remove(self, drained: bytes | None = None) -> None:
        """Removes the file, unless it is somebody else's, or names a stage that isn't `drained`.

        Whoever needs it makes it anew.
        """
        with suppress(OSError, RuntimeError), self:
            if self.named() in (None, drained) and os.fstat(self.fd).st_uid in (os.geteuid(), self._log.status.st_uid):
                _system.remove(self.path)
        self.close()

    def close(self) -> None:
        """Closes the file; the next drain opens it anew."""
        self.drop()


# Which thread holds which lock, or waits for it. Two appenders of one process have two descriptors, and wait for each
# other.
_holders: set[tuple[str, int]] = set()

# The functions that take a lock. Who drains under one adds its own.
takers: set[CodeType] = {Lock.open.__code__, Lock.remove.__code__}


def running(codes: set[CodeType]) -> int:
    """How many calls of these functions this thread is in."""
    frame: FrameType | None = sys._getframe(1)
    number = 0
    while frame is not None:
        number += frame.f_code in codes
        frame = frame.f_back
    return number


def is_draining() -> bool:
    """Whether this thread holds a lock, or waits for one: it had better not wait for another."""
    return any(thread == threading.get_ident() for _, thread in list(_holders))


def let_go_in_child() -> None:
    """In a forked child: the locks, and those who hold them, are the parent's."""
    _holders.clear()
    for each in list(_held):
        each.drop()
