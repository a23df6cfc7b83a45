"""Searching what a command is given: files that are mapped, and streams, block by block in constant memory."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import system
from ..errors import naming
from ..mapped import MappedFile
from ..streams import count, matches, windows

if TYPE_CHECKING:
    from typing_extensions import Self

    from ..streams import Fill, Windows

# How much of a mapping is searched before what was found is told.
PART = 16 << 20


def parts(mapped: MappedFile) -> Windows:
    """A mapping as windows, each of which begins with all that was before: so that matches are known while it is read.

    iter_find looks for many matches at a time, however few are wanted.
    """
    for end in range(PART, len(mapped), PART):
        yield mapped, end, 0
    yield mapped, len(mapped), 0


def stream(fd: int) -> Fill:
    """What reads a descriptor, from its current position."""

    def fill(view: memoryview) -> int:
        block = system.read_some(fd, len(view))
        view[: len(block)] = block
        return len(block)

    return fill


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
        pieces = windows(stream(self._fd), len(needle) - 1) if self._mapped is None else parts(self._mapped)
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
            number = count(stream(self._fd), needle, **options) if mapped is None else mapped.count(needle, **options)
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
