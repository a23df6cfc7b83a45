"""A file that is followed: what has been read of it, and what has become of it since."""

from __future__ import annotations

import errno
import io
import operator
import os
import re
import stat
from typing import Any

from .. import system
from ..blame import ignoring, ours
from ..descriptors import Descriptor

# How much is read at a time.
BLOCK = 1 << 20

# So many bytes before where reading goes on, and from the start of the file, tell a file from another in its place.
_REMEMBERED = 256

# So much is remembered of what was read last, to tell a file whose end was taken back from one that was written anew.
_LAST = 1 << 16

# What is compressed, or isn't finished.
_OTHERS = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip", ".Z", ".part", ".new")


class Lines:
    """Complete lines that stand one after the other in a file, which of them is next, and what is to be noted then.

    They are handed out by one store. What follows from them is noted only afterwards, and may be noted again: so an
    interrupt finds all of it, or nothing.
    """

    __slots__ = ("changes", "counts", "inode", "lines", "next", "start")

    def __init__(self, inode: int, start: int, lines: list[bytes]) -> None:
        self.inode, self.start, self.lines, self.next = inode, start, lines, 0
        self.counts = True  # whether they say how far the follower has come
        self.changes: list[tuple[Any, str, Any]] = []  # objects, and what their attributes are to be

    @property
    def position(self) -> tuple[int, int]:
        """The inode, and where the next line begins."""
        return self.inode, self.start + sum(map(len, self.lines[: self.next]))

    def note(self) -> None:
        """Notes what follows from them."""
        for each, name, value in self.changes:
            setattr(each, name, value)
        self.changes = []  # which keep files open


class Cut(Exception):
    """The file was cut, and is written anew."""


class Followed:
    """One file, open, and what was read of it."""

    def __init__(self, file: Descriptor, offset: int | None = 0) -> None:
        """`offset`: where to begin; None: at the end, or with the last line if that has no end."""
        self.file, fd = file, file.fd
        status = os.fstat(fd)
        self.inode, self.device, self.birth = status.st_ino, status.st_dev, system.birth(fd)
        self.watch = -1  # the number of its watch
        self.head = system.read_at(fd, _REMEMBERED, 0)
        if offset is None:
            offset = _last_line(fd, status.st_size)
        elif offset > status.st_size:
            offset = 0  # it was cut since
        before = system.read_at(fd, min(offset, _LAST), max(offset - _LAST, 0))
        # Up to where it was read, the beginning of a line that has no end yet, in pieces, and the bytes before.
        self.state: tuple[int, tuple[bytes, ...], bytes] = offset, (), before

    @property
    def key(self) -> tuple[int, int]:
        """What tells it from a file that gets its inode after it."""
        return self.inode, self.birth

    @property
    def is_unread(self) -> bool:
        """Whether nothing of it was read."""
        return self.state[0] == 0

    def nothing(self) -> Lines:
        """No lines, where the next one begins."""
        offset, unended, _ = self.state
        return Lines(self.inode, offset - sum(map(len, unended)), [])

    def is_at(self, status: os.stat_result) -> bool:
        """Whether that is what stat says of this file."""
        return (status.st_ino, status.st_dev) == (self.inode, self.device)

    def read(self) -> Lines | None:
        """The lines that have been ended since. None where there is nothing new; Cut where the file was cut."""
        size = os.fstat(self.file.fd).st_size
        offset, unended, before = self.state
        known = before[-_REMEMBERED:]
        head = system.read_at(self.file.fd, _REMEMBERED, 0)
        block = system.read_at(self.file.fd, len(known) + BLOCK, offset - len(known))
        if size < offset or not (head.startswith(self.head) and block.startswith(known)):
            return self._cut(size)
        new = block[len(known) :]
        if not new:
            return None
        end = new.rfind(b"\n") + 1
        found = b"".join((*unended, new[:end])) if end else b""
        rest = ((new[end:],) if end < len(new) else ()) if end else _joined(unended, new)
        lines = Lines(self.inode, offset - sum(map(len, unended)), io.BytesIO(found).readlines())
        last = (before + new)[-_LAST:] if len(new) < _LAST else new[-_LAST:]
        lines.changes = [(self, "state", (offset + len(new), rest, last)), (self, "head", head)]
        return lines

    def _cut(self, size: int) -> Lines:
        """Goes on at the end of a file whose end was taken back. Cut where it is written anew."""
        offset, unended, before = self.state
        left = len(before) - (offset - size)  # how much of what was read last is there yet
        if size >= offset or left < min(size, _REMEMBERED) or size <= _REMEMBERED:
            raise Cut
        if system.read_at(self.file.fd, left, size - left) != before[:left]:
            raise Cut
        kept = b"".join(unended)
        kept = kept[: max(len(kept) - (offset - size), 0)]
        lines = Lines(self.inode, size - len(kept), [])
        lines.changes = [(self, "state", (size, (kept,) if kept else (), before[:left]))]
        return lines

    def begin_anew(self) -> list[tuple[Any, str, Any]]:
        """What is to be noted for it to go on at the start."""
        return [(self, "head", b""), (self, "state", (0, (), b""))]

    def rest(self) -> Lines:
        """What has no end, and gets none any more."""
        offset, unended, before = self.state
        line = b"".join(unended)
        lines = Lines(self.inode, offset - len(line), [line] if line else [])
        lines.changes = [(self, "state", (offset, (), before))]
        return lines

    def is_copy(self, other: Followed) -> bool:
        """Whether another file is a copy of this one as it was read, or of that and what came then."""
        offset, _, before = self.state
        last = before[-_REMEMBERED:]
        fd = other.file.fd
        return (
            os.fstat(fd).st_size >= offset
            and system.read_at(fd, len(self.head), 0) == self.head
            and system.read_at(fd, len(last), offset - len(last)) == last
        )

    def goes_on_at(self, offset: int) -> bool:
        """Whether a line may begin at an offset, as where a follower had come to."""
        size = os.fstat(self.file.fd).st_size
        return offset in (0, size) or offset > size or system.read_at(self.file.fd, 1, offset - 1) == b"\n"


def _joined(pieces: tuple[bytes, ...], new: bytes) -> tuple[bytes, ...]:
    """Pieces with another, of which few are small: a line of any length takes time in proportion to it."""
    if pieces and len(pieces[-1]) < _LAST:
        return (*pieces[:-1], pieces[-1] + new)
    return (*pieces, new)


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


def rotated(path: str) -> list[tuple[str, int]]:
    """The paths and inodes of files that are named as rotated ones of a log: of one moment, but for huge folders."""
    folder, name = os.path.split(path)
    with ignoring(FileNotFoundError, PermissionError, NotADirectoryError):
        entries = list(os.scandir(folder))  # to its end, which closes it, before a signal handler runs
        return [(entry.path, entry.inode()) for entry in entries if is_rotated(entry.name, name)]
    return []


def is_rotated(name: str, log: str) -> bool:
    """Whether a file is named as a rotated one of a log is: with something behind it that has a number."""
    return name.startswith(log) and re.search(r"\d", name[len(log) :]) is not None and not name.endswith(_OTHERS)


def number_of(path: str) -> int:
    """The number that a rotated file has at its end: of files made in the same tick the larger is the older. 0 else."""
    found = re.search(r"\.(\d{1,5})$", path)
    return int(found[1]) if found else 0


def status_of(path: str) -> os.stat_result | None:
    """What stat says of the file at a path; None where there is none that can be followed."""
    try:
        status = os.stat(path)
    except ours(OSError):
        return None
    return status if stat.S_ISREG(status.st_mode) else None


def opened(path: str) -> Descriptor:
    """A regular file, open; FileNotFoundError where there is none."""
    flags = os.O_RDONLY | system.calls.O_CLOEXEC | system.calls.O_NONBLOCK
    file = Descriptor.of(system.calls.open, path, flags)
    try:
        mode = os.fstat(file.fd).st_mode
        if not stat.S_ISREG(mode):
            number, kind = (errno.EISDIR, "a directory") if stat.S_ISDIR(mode) else (errno.EINVAL, "no regular file")
            raise OSError(number, f"Only regular files can be followed, and this is {kind}", path)
        if _has_no_size(file.fd) and _has_no_size(file.fd):  # once may be the moment in which it is cut
            raise OSError(errno.EINVAL, "Files that tell no size, as those in /proc, can't be followed", path)
    except BaseException:
        file.close()
        raise
    return file


def _has_no_size(fd: int) -> bool:
    """Whether there is something to be read of a file that says it is empty."""
    return not os.fstat(fd).st_size and bool(system.read_at(fd, 1, 0)) and not os.fstat(fd).st_size


def place_of(start: Any) -> tuple[int | None, int | None]:
    """Where to start: an inode, if one is given, and an offset, None for the end."""
    if isinstance(start, str):
        if start != "end":
            raise ValueError(f"start must be 'end', an offset or (inode, offset), not {start!r}")
        return None, None
    inode = None
    if isinstance(start, (tuple, list)):
        if len(start) != 2:
            raise ValueError(f"a position is (inode, offset), not {start!r}")
        inode, start = operator.index(start[0]), start[1]
    offset = operator.index(start)
    if offset < 0:
        raise ValueError(f"an offset can't be negative: {offset}")
    return inode, offset
