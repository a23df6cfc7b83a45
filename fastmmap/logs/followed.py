"""A file that is followed: what has been read of it, and what has become of it since."""

from __future__ import annotations

import errno
import io
import os
import re
import stat

from .. import system
from ..blame import ignoring
from ..descriptors import Descriptor

# How much is read at a time.
BLOCK = 1 << 20

# So many bytes before where reading goes on, and from the start of the file, tell a file from another in its place.
_REMEMBERED = 256

# What a rotated file is called: as the log, with something behind it that has a number, and not compressed.
_ROTATED = re.compile(r"\D*\d.*(?<!\.gz)(?<!\.bz2)(?<!\.xz)(?<!\.zst)(?<!\.lz4)(?<!\.zip)(?<!\.Z)(?<!\.part)(?<!\.tmp)")


class Lines:
    """Complete lines that stand one after the other in a file, and which of them is next."""

    __slots__ = ("counts", "inode", "lines", "next", "start")

    def __init__(self, inode: int, start: int, lines: list[bytes], counts: bool = True) -> None:
        self.inode, self.start, self.lines, self.next = inode, start, lines, 0
        self.counts = counts  # whether they say how far the follower has come

    @property
    def position(self) -> tuple[int, int]:
        """The inode, and where the next line begins."""
        return self.inode, self.start + sum(map(len, self.lines[: self.next]))


class Followed:
    """One file, open. Each step changes its state by one store, so that an interrupt finds it before or after."""

    def __init__(self, fd: int, offset: int | None = 0) -> None:
        self.file = Descriptor(fd)
        status = os.fstat(fd)
        self.inode, self.device = status.st_ino, status.st_dev
        self.birth = system.birth(fd)
        self._head = system.read_at(fd, _REMEMBERED, 0)
        if offset is None:
            offset = _last_line(fd, status.st_size)
        elif offset > status.st_size:
            offset = 0  # it was cut since
        before = system.read_at(fd, min(offset, _REMEMBERED), max(offset - _REMEMBERED, 0))
        # Up to where it was read, the beginning of a line that has no end yet, and the bytes before.
        self._state = offset, b"", before

    def nothing(self) -> Lines:
        """No lines, where the next one begins."""
        offset, unended, _ = self._state
        return Lines(self.inode, offset - len(unended), [])

    def is_at(self, status: os.stat_result) -> bool:
        """Whether that is what stat says of this file."""
        return (status.st_ino, status.st_dev) == (self.inode, self.device)

    def read(self) -> Lines | None:
        """The lines that have been ended since. None where there is nothing new; Cut where the file was cut."""
        status = os.fstat(self.file.fd)
        offset, unended, before = self._state
        head = system.read_at(self.file.fd, _REMEMBERED, 0)
        block = system.read_at(self.file.fd, len(before) + BLOCK, offset - len(before))
        if status.st_size < offset or not (head.startswith(self._head) and block.startswith(before)):
            return self._cut(status.st_size)
        self._head = head
        new = block[len(before) :]
        if not new:
            return None
        end = new.rfind(b"\n") + 1
        found = unended + new[:end] if end else b""
        rest = new[end:] if end else unended + new
        self._state = offset + len(new), rest, block[-_REMEMBERED:]
        return Lines(self.inode, offset - len(unended), io.BytesIO(found).readlines())

    def _cut(self, size: int) -> Lines | None:
        """Goes on at the start of a file that was cut, or at its end where only its end was taken back."""
        offset, unended, _ = self._state
        head = system.read_at(self.file.fd, _REMEMBERED, 0)
        if _REMEMBERED < size < offset and head == self._head:
            kept = unended[: max(len(unended) - (offset - size), 0)]
            before = system.read_at(self.file.fd, _REMEMBERED, size - _REMEMBERED)
            self._state = size, kept, before
            return Lines(self.inode, size - len(kept), [])
        raise Cut

    def begin_anew(self) -> None:
        """Goes on at the start."""
        self._head = system.read_at(self.file.fd, _REMEMBERED, 0)
        self._state = 0, b"", b""

    def rest(self) -> Lines:
        """What has no end, and gets none any more."""
        offset, unended, before = self._state
        self._state = offset, b"", before
        return Lines(self.inode, offset - len(unended), [unended] if unended else [])

    def copy_in(self, folder: str, name: str) -> Followed | None:
        """The copy that was made before this file was cut, where it can be told: its unread end is to be read there."""
        offset, unended, before = self._state
        found = None
        for path in rotated(folder, name):
            with ignoring(OSError):
                file = Descriptor(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
                status = os.fstat(file.fd)
                if self.is_at(status) or not stat.S_ISREG(status.st_mode) or not before or status.st_size < offset:
                    continue
                if system.read_at(file.fd, len(self._head), 0) != self._head:
                    continue
                if system.read_at(file.fd, len(before), offset - len(before)) != before:
                    continue
                if found is None or status.st_mtime_ns > os.fstat(found.file.fd).st_mtime_ns:
                    found = Followed(os.dup(file.fd), offset)
                    found._state = offset, unended, before
        return found


class Cut(Exception):
    """The file was cut, and is written anew."""


def _last_line(fd: int, size: int) -> int:
    """Where the last line of a file begins if it has no end; else the file's end."""
    end = size
    while end > 0:
        start = max(end - BLOCK, 0)
        found = system.read_at(fd, end - start, start).rfind(b"\n")
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def rotated(folder: str, name: str) -> list[str]:
    """The paths of files that are named as rotated ones of a log are."""
    with ignoring(FileNotFoundError, PermissionError):
        return [
            os.path.join(folder, each)
            for each in os.listdir(folder)
            if each.startswith(name) and _ROTATED.fullmatch(each, len(name))
        ]
    return []


def opened(path: str) -> int:
    """The descriptor of a regular file; FileNotFoundError where there is none."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        mode = os.fstat(fd).st_mode
        if not stat.S_ISREG(mode):
            number, kind = (errno.EISDIR, "a directory") if stat.S_ISDIR(mode) else (errno.EINVAL, "no regular file")
            raise OSError(number, f"Only regular files can be followed, and this is {kind}", path)
    except BaseException:
        os.close(fd)
        raise
    return fd
