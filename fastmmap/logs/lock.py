"""The lock of a log, under which one writer at a time drains its stage."""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING

from .. import beside, system
from .._backend import Mapping, chosen
from ..beside import Untrusted, adapt, check_trust, permissions
from ..blame import ignoring, ours
from ..descriptors import Held
from ..errors import naming
from ..paths import leads_to
from .layout import LOCK, LOCK_MAGIC, LOCK_VERSION, NAME_AT, NO_NAME, Outcome

if TYPE_CHECKING:
    from .log import Log


class StageError(OSError):
    """A stage or lock of ours that can't be used at present: it is left alone."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(errno.ESTALE, f"{reason} ({os.path.basename(path)})", path)


# Called under the lock. It is written in C, so that no signal handler runs there.
_unlink = os.unlink

# The memory of a lock that isn't open.
CLOSED = memoryview(bytearray(LOCK.size))


class Lock:
    """The lock of one log in one folder: a file, locked during drains alone, that names the stage being drained.

    A name that stands there when the lock is taken is that of a writer that died, or failed, while it drained. The
    owner of the lock finishes that drain first. Only the drains of the kernel take it, which no signal interrupts.
    """

    def __init__(self, folder: str, log: Log) -> None:
        self.file = Held(-1)
        self.file.names = CLOSED
        self.folder, self.log = folder, log
        # On the same filesystem the inode is enough, and it stays the same when that is mounted again.
        device = "" if os.stat(folder).st_dev == log.status.st_dev else f"{log.status.st_dev:x}-"
        self._prefix = f"{beside.PREFIX}{device}{log.status.st_ino:x}"
        self.path = os.path.join(folder, f"{self._prefix}.lock")

    def stage_path(self, identity: bytes) -> str:
        """Where the stage of that id is."""
        return os.path.join(self.folder, f"{self._prefix}-{identity.hex()}.stage")

    def has_stage(self, name: str) -> bool:
        """Whether a file is named as a stage of the log is."""
        return name.startswith(f"{self._prefix}-") and name.endswith(".stage")

    def is_free(self) -> bool:
        """Whether no drain is under way at this moment."""
        if self.file.fd < 0:
            self.open()
        if not system.lock(self.file.fd, wait=False):
            return False
        system.unlock(self.file.fd)
        return True

    def open(self) -> None:
        """Opens the file, or makes it. Untrusted where somebody else has put something there."""
        status = self.log.status
        file = beside.adopt(self.path, permissions(status))
        check_trust(file.fd, self.path, status)
        block = system.read_at(file.fd, LOCK.size, 0)
        if not block:
            if os.fstat(file.fd).st_uid == system.user():
                adapt(file.fd, status)
            settle(file, NO_NAME, None)
            if file.fd < 0:
                self.open()  # it was closed, because it couldn't be released otherwise
                return
        elif len(block) < LOCK.size or not block.startswith(LOCK_MAGIC):
            raise Untrusted(self.path, "it is not a lock")
        elif (version := LOCK.unpack(block)[1]) != LOCK_VERSION:
            raise StageError(self.path, f"Version {version} of the lock isn't supported by this fastmmap")
        try:
            self._map(file)
        except ours(OSError):
            if leads_to(self.path, file.fd, follow=False):
                raise
            self.open()  # the writer that had it before has removed it

    def _map(self, file: Held) -> None:
        """Maps the file, by a description of its own: in a forked child one of ours would keep the lock."""
        with naming(self.path, always=True):
            again = Held.of(system.calls.open, system.path_of(file.fd), os.O_RDWR | system.calls.O_CLOEXEC)
            system.check_same_file(again.fd, file.fd)
        file.names = Mapping(again.fd, 0, LOCK.size, "write").view()
        self.file = file

    def name(self) -> bytes:
        """The id of the stage whose drain is under way, or zeros, as far as can be seen without taking the lock."""
        return bytes(self.file.names[NAME_AT : NAME_AT + len(NO_NAME)])

    def close(self) -> None:
        """Closes the file, and so releases the lock if it is taken. The next drain opens the file again."""
        self.file.close()
        self.file.names = CLOSED

    def forget(self, identity: bytes) -> None:
        """Takes a stage's name away, if it is there."""
        settle(self.file, identity, None)

    def remove(self, drained: bytes = NO_NAME) -> None:
        """Removes the file, unless it belongs to another user, or names a stage that isn't `drained`.

        The next writer that needs it creates it again.
        """
        with ignoring(OSError):
            if self.file.fd < 0:
                self.open()
            if os.fstat(self.file.fd).st_uid in (system.user(), self.log.status.st_uid):
                self.file.names = CLOSED  # Windows removes no file that is mapped
                settle(self.file, drained, self.path)
        self.close()


def is_lock(name: str) -> bool:
    """Whether a file is named as locks are."""
    return name.startswith(beside.PREFIX) and name.endswith(".lock")


def settle(lock: Held, identity: bytes, path: str | None) -> None:
    """Takes a stage's name away from a lock, and removes its file from `path` if it names nobody then.

    A lock that can't be given back otherwise is closed.
    """
    remove = None if path is None else partial(_unlink, path)
    outcome = Outcome.KEPT
    try:
        while (outcome := chosen.settle(lock.fd, identity, remove)) is Outcome.AGAIN:
            pass
    except ours(FileNotFoundError):
        pass  # it is removed already
    finally:
        if outcome is Outcome.KEPT:
            lock.close()
