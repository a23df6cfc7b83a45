"""Searching what a command is given: files that are mapped, and streams, block by block in constant memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from .. import system
from .._backend import chosen
from ..errors import naming
from ..mapped import MappedFile

if TYPE_CHECKING:
    from typing_extensions import Self

# A window of a stream has room for so many bytes besides twice what two windows share.
WINDOW = 1 << 20

# How much of a mapping is searched before what was found is told.
PART = 16 << 20

# How many offsets are in memory at a time, whatever the number of matches.
OFFSETS = 1 << 16

# Needles up to this length are looked at for whether they can overlap themselves; of longer ones there are few matches.
_SHORT = 256


# What is searched comes as (buffer, end, offset): the bytes before `end`, of which the first stands at `offset`.
Windows = Iterator[tuple[Any, int, int]]


def windows(fd: int, shared: int) -> Windows:
    """A stream, from its current position.

    Each window begins with the last `shared` bytes of the one before, or earlier. It is handed out before a read that
    would block. All reads are of one size, a power of two: some files, as /proc/self/pagemap, refuse others.
    """
    buffer = bytearray(2 * shared + WINDOW)
    end = offset = 0
    size, block = WINDOW // 2, b"the first"
    while block:
        if len(buffer) - end < size:
            kept = min(shared, end)
            buffer[:kept] = buffer[end - kept : end]
            offset, end = offset + end - kept, kept
        begin = end
        while len(buffer) - end >= size and (end == begin or system.is_ready(fd)):
            block = system.read_some(fd, size)
            if not block:
                break
            buffer[end : end + len(block)] = block
            end += len(block)
        if end > begin:
            yield buffer, end, offset


def parts(mapped: MappedFile) -> Windows:
    """A mapping as windows, each of which begins with all that was before: so that matches are known while it is read.

    iter_find looks for many matches at a time, however few are wanted.
    """
    for end in range(PART, len(mapped), PART):
        yield mapped, end, 0
    yield mapped, len(mapped), 0


def matches(pieces: Windows, needle: bytes, *, overlapping: bool, ignorecase: bool) -> Iterator[list[int]]:
    """The offsets of a needle's matches in what comes in windows: those that are known before a read blocks.

    They are those of iter_find in all of it: a window's search goes on where the last match, or what the window before
    could decide, ended.
    """
    step, start = 1 if overlapping else len(needle), 0
    for buffer, end, offset in pieces:
        # Neither room for all offsets is needed nor numpy, whose import takes more memory than the search.
        found = chosen.iter_find(buffer, needle, start - offset, end, overlapping=overlapping, ignorecase=ignorecase)
        while offsets := [offset + place for place in islice(found, OFFSETS)]:
            start = offsets[-1] + step
            yield offsets
        start = max(start, offset + end - (len(needle) - 1))


def count(fd: int, needle: bytes, *, overlapping: bool, ignorecase: bool) -> int:
    """How many matches there are in a stream, from its current position."""
    options: Any = {"overlapping": overlapping, "ignorecase": ignorecase}
    if not overlapping and _overlaps_itself(needle.lower() if ignorecase else needle):
        return sum(map(len, matches(windows(fd, len(needle) - 1), needle, **options)))
    number = start = 0
    for buffer, end, offset in windows(fd, len(needle) - 1):
        number += chosen.count(buffer, needle, start - offset, end, **options)
        start = max(0, offset + end - (len(needle) - 1))
    return number


def _overlaps_itself(needle: bytes) -> bool:
    """Whether matches may overlap, so that which of them count depends on those before."""
    return len(needle) > _SHORT or any(needle.startswith(needle[start:]) for start in range(1, len(needle)))


class Source:
    """A file to be searched, by its path, or standard input, by "-": mapped where it has pages, read elsewhere.

    Standard input is searched from where it stands, as cat reads it; offsets count from there.
    """

    def __init__(self, file: str) -> None:
        self._standard = file == "-"
        self._name: int | str = 0 if self._standard else file
        self._mapped: MappedFile | None = None
        with naming(self._name):
            self._fd = 0 if self._standard else os.open(file, os.O_RDONLY | os.O_CLOEXEC)
            try:
                self._open()
            except BaseException:
                self.close()
                raise
        if self._mapped is not None:
            self._mapped.name = "standard input" if self._standard else file

    def _open(self) -> None:
        status = os.fstat(self._fd)
        regular = stat.S_ISREG(status.st_mode)
        self._start = os.lseek(self._fd, 0, os.SEEK_CUR) if regular else 0
        mappable = (regular and status.st_size) or (stat.S_ISBLK(status.st_mode) and not self._standard)
        if mappable or stat.S_ISDIR(status.st_mode):  # which MappedFile refuses
            self._mapped = MappedFile(self._fd, offset=min(self._start, status.st_size))
        self._regular = regular

    def close(self) -> None:
        """Closes the file."""
        if self._mapped is not None:
            self._mapped.close()
        if not self._standard:
            os.close(self._fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def matches(self, needle: bytes, limit: int | None, **options: Any) -> Iterator[list[int]]:
        """The offsets of the matches, a number of them at a time, up to a limit."""
        if limit == 0:
            return
        left = limit
        pieces = windows(self._fd, len(needle) - 1) if self._mapped is None else parts(self._mapped)
        with naming(self._name):
            for offsets in matches(pieces, needle, **options):
                if left is not None:
                    offsets = offsets[:left]
                    left -= len(offsets)
                yield offsets
                if left == 0:
                    self._leave(offsets[-1] + len(needle))
                    return
            self._leave(None)

    def count(self, needle: bytes, **options: Any) -> int:
        """How many matches there are."""
        with naming(self._name):
            mapped = self._mapped
            number = count(self._fd, needle, **options) if mapped is None else mapped.count(needle, **options)
            self._leave(None)
        return number

    def _leave(self, offset: int | None) -> None:
        """Has standard input stand behind what was searched: all there was when None."""
        if not (self._standard and self._regular) or (offset is None and self._mapped is None):
            return
        if offset is None and self._mapped is not None:
            offset = max(len(self._mapped), 0)
            if self._start > self._mapped.offset:
                return  # it stood beyond the end
        os.lseek(0, self._start + (offset or 0), os.SEEK_SET)
