"""Where stages are drained to: the log, and the lock beside it under which one writer at a time does so."""

from __future__ import annotations

import errno
import os
import stat
import weakref
from typing import TYPE_CHECKING

from . import _system
from ._backend import Mapping, chosen
from .blame import ignoring, ours
from .paths import is_taken, resolved
from .reference.drain import AGAIN, KEPT, LOCK, MAGIC, NAME_AT, NO_NAME, VERSION

if TYPE_CHECKING:
    from .reference.append import Stage


class Untrusted(OSError):
    """A file that has a name of ours, but isn't, or may not be: it is left alone, with a warning."""

    def __init__(self, path: str, reason: str, number: int = errno.EPERM) -> None:
        super().__init__(number, f"{os.path.basename(path)!r} is ignored: {reason}", path)


class Nameless(Exception):
    """The log was removed, or another was renamed over it: nothing more is to go there."""


class StageError(OSError):
    """A stage or lock of ours that can't be used as things are: it is left alone."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.ESTALE, f"{reason} ({os.path.basename(path)})", path)


def check_trust(fd: int, path: str, log: os.stat_result) -> None:
    """Raises Untrusted unless a file beside a log is as private as the log, and belongs to its owner or to us.

    Otherwise somebody who may not write to the log could have us do so.
    """
    status = os.fstat(fd)
    if status.st_nlink > 1:
        raise Untrusted(path, "it has several names")
    if status.st_uid not in (os.geteuid(), log.st_uid):
        raise Untrusted(path, f"it belongs to user {status.st_uid}")
    if status.st_mode & ~log.st_mode & 0o022 or (status.st_mode & 0o020 and status.st_gid != log.st_gid):
        raise Untrusted(path, "others may write to it who may not write to the log")


def adapt(fd: int, log: os.stat_result) -> None:
    """Gives a file beside a log the log's owner and group, where we may, and to those who may use the log rights."""
    with ignoring(OSError):
        _system.keep_owner(fd, log)
    if os.fstat(fd).st_gid != log.st_gid:
        with ignoring(OSError):
            os.fchown(fd, -1, log.st_gid)
    mode = permissions(log)
    os.fchmod(fd, mode if os.fstat(fd).st_gid == log.st_gid else mode & ~0o070)


def permissions(log: os.stat_result) -> int:
    """The mode of a file beside a log: to read and write for those who may do both to the log.

    Who may only read the log could lock the file, and so hold writers up; who may only write to it could read records.
    """
    both = log.st_mode & log.st_mode >> 1 & 0o222
    return both | both << 1 | 0o600


def check_appendable(status: os.stat_result) -> None:
    """Raises OSError for a block device: it has the size it has, and what is appended would overwrite its start."""
    if stat.S_ISBLK(status.st_mode):
        raise OSError(errno.EOPNOTSUPP, "A block device has the size it has, and can't be appended to")


class Descriptor:
    """What has a file open, and closes it when it is forgotten."""

    fd = -1

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def close(self) -> None:
        """Closes it; closing twice does nothing. It waits for nobody: a thread may be gone that would have to go on."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if os is not None and self.fd >= 0:  # when Python ends, it closes everything
            self.close()


# What is in a lock that isn't open.
CLOSED = memoryview(bytearray(LOCK.size))


class Held(Descriptor):
    """What has a descriptor that carries a lock: a forked child must not keep it."""

    names = CLOSED  # what is in it, mapped, if it is a lock's

    def __init__(self, fd: int) -> None:
        super().__init__(fd)
        _held.add(self)


_held: weakref.WeakSet[Held] = weakref.WeakSet()


def let_go_in_child() -> None:
    """In a forked child: locks are the parent's."""
    for each in list(_held):
        each.close()


class Log:
    """The file that records go to, open for appending."""

    # How often a log may be renamed or replaced while it is being opened.
    _TRIES = 100

    def __init__(self, path: str, *, create: bool = False) -> None:
        # What is to be said to whoever uses it, when no lock is held: a warning may be anybody's code.
        self.unsaid: list[str] = []
        flags = os.O_APPEND | os.O_CLOEXEC
        for _ in range(self._TRIES):
            self.file = Descriptor(os.open(path, os.O_WRONLY | flags | (os.O_CREAT if create else 0), 0o666))
            self.status = os.fstat(self.file.fd)
            check_appendable(self.status)
            self.path = resolved(path)
            self.is_regular = stat.S_ISREG(self.status.st_mode)  # not a pipe or a device
            self.unreadable = self._reopen(os.O_RDWR | flags) if self.is_regular else None
            if self.unreadable != _LOST:
                break
        # What has no name from the start, as a file that is reached by somebody's descriptor, can't lose it.
        self.named = self.is_regular and self.status.st_nlink > 0
        self.birth = _system.birth(self.file.fd)

    @property
    def readable(self) -> bool:
        """Whether a drain can be compared with it."""
        return self.is_regular and self.unreadable is None

    def _reopen(self, flags: int) -> str | None:
        """Opens the file with other rights; why not, if it can't be found or they can't be had."""
        try:
            file = Descriptor(os.open(self.path, flags))
        except ours(PermissionError):
            return "it may not be read"
        except ours(FileNotFoundError):
            return _LOST
        if not os.path.samestat(os.fstat(file.fd), self.status):
            return _LOST
        self.file = file
        return None

    def stop_waiting(self) -> None:
        """Has a pipe take what there is room for at once, and BlockingIOError say that there was no more.

        By a description of our own: whether one waits is shared with the process that this was forked from.
        """
        if os.get_blocking(self.file.fd):
            with ignoring(OSError):  # as where nobody reads: nobody is waited for then
                flags = os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK | os.O_CLOEXEC
                self.file = Descriptor(os.open(reopened(self.file), flags))

    def size(self) -> int:
        """How many bytes the file has."""
        return os.fstat(self.file.fd).st_size

    def check_name(self) -> None:
        """Raises Nameless if it had a name, and has none any more."""
        if self.named:
            try:
                names = os.fstat(self.file.fd).st_nlink
            except ours(OSError) as error:
                if error.errno != errno.ESTALE:  # what network filesystems say of a file that is gone
                    raise
                names = 0
            if names == 0:
                raise Nameless

    def send(self, record: memoryview, counter: Stage) -> None:
        """Appends a record beside any stage, or nothing of it, and raises OSError."""
        self.check_name()
        while chosen.send(self.file.fd, None, 0, 0, record, counter) == AGAIN:
            pass


# What is said of a log whose path leads elsewhere.
_LOST = "it can't be found by its path"


class Lock:
    """The lock of one log in one folder: a file, locked during drains alone, that names the stage being drained.

    A name that stands there when the lock is taken is that of a writer that died, or failed, while it drained. It is
    for whoever has the lock to finish that first. Only the drains of the kernel take it, which no signal interrupts.
    """

    def __init__(self, folder: str, log: Log) -> None:
        self.file = Held(-1)
        self.folder, self._log = folder, log
        # Of one filesystem, a log's number is enough, and it stays the same when that is mounted anew.
        device = "" if os.stat(folder).st_dev == log.status.st_dev else f"{log.status.st_dev:x}-"
        self._prefix = f"{_system.OURS}{device}{log.status.st_ino:x}"
        self.path = os.path.join(folder, f"{self._prefix}.lock")

    def stage_path(self, identity: bytes) -> str:
        """Where the stage of that id is."""
        return os.path.join(self.folder, f"{self._prefix}-{identity.hex()}.stage")

    def has_stage(self, name: str) -> bool:
        """Whether a file is named as a stage of the log is."""
        return name.startswith(f"{self._prefix}-") and name.endswith(".stage")

    def is_free(self) -> bool:
        """Whether nobody is in the midst of a drain, as far as one look tells."""
        if self.file.fd < 0:
            self.open()
        if not _system.lock(self.file.fd, wait=False):
            return False
        _system.unlock(self.file.fd)
        return True

    def open(self) -> None:
        """Opens the file, or makes it. Untrusted where somebody else has put something there."""
        status = self._log.status
        file = open_beside(self.path, permissions(status))
        check_trust(file.fd, self.path, status)
        block = _system.read_at(file.fd, LOCK.size, 0)
        if not block:
            if os.fstat(file.fd).st_uid == os.geteuid():
                adapt(file.fd, status)
            settle(file, NO_NAME, None)
            if file.fd < 0:
                self.open()  # it was closed, as it couldn't be given back otherwise
                return
        elif len(block) < LOCK.size or not block.startswith(MAGIC):
            raise Untrusted(self.path, "it is no lock")
        elif (version := LOCK.unpack(block)[1]) != VERSION:
            raise StageError(self.path, f"Version {version} of the lock is unknown to this fastmmap")
        self._map(file)

    def _map(self, file: Held) -> None:
        with _system.naming(self.path, always=True):
            again = Descriptor(os.open(reopened(file), os.O_RDWR | os.O_CLOEXEC))
        file.names = Mapping(again.fd, 0, LOCK.size, "write").view()
        self.file = file

    def name(self) -> bytes:
        """The id of the stage whose drain is under way, or zeros, as far as can be seen without taking the lock."""
        return bytes(self.file.names[NAME_AT : NAME_AT + len(NO_NAME)])

    def close(self) -> None:
        """Closes the file; the next drain opens it anew. If the lock is taken, it is given back."""
        self.file.close()
        self.file.names = CLOSED

    def forget(self, identity: bytes) -> None:
        """Takes a stage's name away, if it is there."""
        settle(self.file, identity, None)

    def remove(self, drained: bytes = NO_NAME) -> None:
        """Removes the file, unless it is somebody else's, or names a stage that isn't `drained`.

        Whoever needs it makes it anew.
        """
        with ignoring(OSError):
            if self.file.fd < 0:
                self.open()
            if os.fstat(self.file.fd).st_uid in (os.geteuid(), self._log.status.st_uid):
                settle(self.file, drained, self.path)
        self.close()


def settle(lock: Held, identity: bytes, path: str | None) -> None:
    """The kernel's, which closes a lock that can't be given back otherwise."""
    outcome = KEPT
    try:
        while (outcome := chosen.settle(lock.fd, identity, path)) == AGAIN:
            pass
    finally:
        if outcome == KEPT:
            lock.close()


def reopened(file: Descriptor) -> str:
    """Where to open a file once more that is to be mapped: memory keeps its descriptor's lock, in a child as well."""
    return f"/proc/self/fd/{file.fd}"


def open_beside(path: str, mode: int | None = None) -> Held:
    """Opens a file that may be one of ours: no link, and nothing that can't be one. With a mode it may be a new one."""
    try:
        file = Held(_system.open_ours(path, mode))
    except ours(OSError) as error:
        if error.errno in (errno.ELOOP, errno.EISDIR, errno.ENXIO):
            raise Untrusted(path, "it is not a regular file") from None
        if error.errno == errno.EACCES and is_taken(path):
            raise Untrusted(path, str(error.strerror), error.errno) from None
        raise
    if not stat.S_ISREG(os.fstat(file.fd).st_mode):
        raise Untrusted(path, "it is not a regular file")
    return file
