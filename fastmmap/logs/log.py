"""Log: the file that records go to, open for appending."""

from __future__ import annotations

import errno
import os
import stat

from .. import system
from ..blame import ignoring, ours
from ..descriptors import Descriptor
from ..paths import resolved

# The text for a log whose path leads to another file.
_LOST = "it can't be found by its path"


class Nameless(Exception):
    """The log was removed, or another was renamed over it: nothing more is to go there."""


def check_appendable(status: os.stat_result) -> None:
    """Raises OSError for a block device: its size is fixed, and what is appended would overwrite its start."""
    if stat.S_ISBLK(status.st_mode):
        raise OSError(errno.EOPNOTSUPP, "A block device has a fixed size and can't be appended to")


class Log:
    """The file that records go to, open for appending."""

    # How often a log may be renamed or replaced while it is being opened.
    _TRIES = 100

    def __init__(self, path: str, *, create: bool = False, place: str = "") -> None:
        self.place = place  # the path whose file it is, where records belong to whatever file is there
        # Warnings that are given once no lock is held, because a warning may run any code.
        self.unsaid: list[str] = []
        flags = os.O_APPEND | system.calls.O_CLOEXEC
        creating = os.O_CREAT if create else 0
        for _ in range(self._TRIES):
            self.file = Descriptor.of(system.calls.open, path, os.O_WRONLY | flags | creating, 0o666)
            self.status = os.fstat(self.file.fd)
            check_appendable(self.status)
            self.path = resolved(path)
            self.is_regular = stat.S_ISREG(self.status.st_mode)  # not a pipe or a device
            self.unreadable = self._reopen(os.O_RDWR | flags) if self.is_regular else None
            if self.unreadable != _LOST:
                break
        # A file without a name from the start (link count 0, opened by a descriptor's path) can't lose it.
        self.named = self.is_regular and system.is_named(self.file.fd)
        self.birth = system.birth(self.file.fd)

    @property
    def readable(self) -> bool:
        """Whether a drain can be compared with it."""
        return self.is_regular and self.unreadable is None

    def _reopen(self, flags: int) -> str | None:
        """Opens the file with other rights; why not, if it can't be found or they can't be had."""
        try:
            file = Descriptor.of(system.calls.open, self.path, flags)
        except ours(PermissionError):
            return "there is no permission to read it"
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
        if system.calls.get_blocking(self.file.fd):
            with ignoring(OSError):  # if the pipe has no reader, for instance: nothing is waited for then
                flags = os.O_WRONLY | os.O_APPEND | system.calls.O_NONBLOCK | system.calls.O_CLOEXEC
                again = Descriptor.of(system.calls.open, system.path_of(self.file.fd), flags)
                system.check_same_file(again.fd, self.file.fd)
                self.file = again

    def size(self) -> int:
        """How many bytes the file has."""
        return os.fstat(self.file.fd).st_size

    def check_name(self) -> None:
        """Raises Nameless if it had a name, and its link count is 0 now."""
        if self.named:
            try:
                named = system.is_named(self.file.fd)
            except ours(OSError) as error:
                if error.errno != errno.ESTALE:  # what network filesystems say of a file that is gone
                    raise
                named = False
            if not named:
                raise Nameless
