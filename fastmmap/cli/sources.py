"""What a command is given to search: files, which are read where they are small and mapped elsewhere, and streams."""

from __future__ import annotations

import errno
import os
import stat
import sys
from _thread import get_ident

from .._kernels import search_alone
from ..errors import naming
from . import quick
from .output import out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from typing_extensions import Self

    from ..streams import Windows
    from .needles import Wanted

# Files below so many bytes are read, which takes less time than to map them.
READ_BELOW = 1 << 17

# How much of a mapping is searched before what was found is told.
PART = 16 << 20


def parts(mapped: Any) -> Windows:
    """A mapping as windows, each of which begins with all that was before: so that matches are known while it is read.

    iter_find looks for many matches at a time, however few are wanted.
    """
    for end in range(PART, len(mapped), PART):
        yield mapped, end, 0
    yield mapped, len(mapped), 0


def opened(file: str) -> int:
    """A file's descriptor. Elsewhere than on Windows nothing is imported for that."""
    if sys.platform == "win32":
        from ..system.calls import calls

        return calls.open(file, os.O_RDONLY)
    return os.open(file, os.O_RDONLY | os.O_CLOEXEC)


class Source:
    """A file to be searched, by its path, or standard input, by "-".

    `data` is its bytes, or a mapping of it; None where it can only be read on, as a pipe, in constant memory. Standard
    input is searched from where it stands, as cat reads it; offsets count from there.
    """

    def __init__(self, file: str) -> None:
        self._standard = file == "-"
        self.name: int | str = 0 if self._standard else file
        self._data: Any = None
        self._flushes = get_ident() == out.owner  # other threads print nothing themselves
        self._maps = False  # whether it will be mapped, when it is asked for
        self.searched = 0  # bytes of a stream that were read
        self.ends_line = True  # whether those end with a newline
        with naming(self.name):
            self._fd = 0 if self._standard else opened(file)
            try:
                self._open()
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        status = os.fstat(self._fd)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        self._regular = stat.S_ISREG(status.st_mode)
        self._start = os.lseek(self._fd, 0, os.SEEK_CUR) if self._regular and self._standard else 0
        if self._regular and not self._standard and 0 < status.st_size < READ_BELOW:
            self._data = self._read(status.st_size)
            return
        self._maps = bool((self._regular and status.st_size) or (stat.S_ISBLK(status.st_mode) and not self._standard))
        self._size = status.st_size

    @property
    def data(self) -> Any:
        """Its bytes, or a mapping of it; None where it can only be read on."""
        if self._data is None and self._maps:
            from ..mapped import MappedFile

            with naming(self.name):
                self._data = MappedFile(self._fd, offset=min(self._start, self._size))
            self._data.name = "standard input" if self._standard else self.name
        return self._data

    def count_quickly(self, wanted: Wanted) -> int | None:
        """How many matches one needle has; None where that takes all that a search may come to."""
        needle, fold = wanted.needles[0], wanted.ignorecase
        if self._data is not None:
            kernel = search_alone()
            return None if kernel is None else int(kernel.count(self._data, needle, ignorecase=fold))
        if not self._maps or not self._regular or self._standard:
            return None
        return quick.count(self._fd, self._size, needle, fold)

    def _read(self, size: int) -> bytes:
        """All bytes of a file, which may have grown, or become shorter, since its status was read."""
        data = os.read(self._fd, size + 1)
        if len(data) == size:
            return data
        blocks = [data]
        while block := os.read(self._fd, READ_BELOW):
            blocks.append(block)
        return b"".join(blocks)

    def close(self) -> None:
        """Closes the file."""
        if hasattr(self._data, "close"):
            self._data.close()
        if not self._standard and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    # --- what can only be read on, as a binary file ---

    def readinto(self, view: memoryview) -> int:
        """Reads some bytes; what was found before is written first, because this may wait."""
        from .. import system

        if self._flushes:
            out.flush()
        block = system.read_some(self._fd, len(view))
        view[: len(block)] = block
        if block:
            self.searched += len(block)
            self.ends_line = block.endswith(b"\n")
        return len(block)

    def read(self, size: int = -1) -> bytes:
        """As files have it: their readers look for it."""
        room = bytearray(PART if size < 0 else size)
        return bytes(room[: self.readinto(memoryview(room))])

    @property
    def searchable(self) -> Any:
        """What the functions of the package take."""
        return self if self.data is None else self.data

    @property
    def size(self) -> int | None:
        """How many bytes it has; None where that isn't known before the end."""
        if self._data is not None:
            return len(self._data)
        return self._size if self._maps and self._regular and not self._standard else None

    # --- searches ---

    def matches(self, wanted: Wanted, limit: int | None, overlapping: bool, told: Any) -> Iterator[list[int]]:
        """The offsets of the matches, a number of them at a time, up to a limit."""
        from .. import many
        from ..streams import Several, matches, windows
        from .kernels import chosen

        if limit == 0 or not wanted.needles:
            return
        left, needles, fold, several = limit, wanted.needles, wanted.ignorecase, None
        if len(needles) > 1:
            several = Several(many.verbs_of(chosen.name).kernel, wanted.several, overlapping, fold)
        shared = several.shared if several else len(needles[0]) - 1
        pieces = windows(self.readinto, shared) if self.data is None else parts(self.data)
        if told is not None:
            pieces = _told(pieces, told, self.size)
        with naming(self.name):
            found = several.matches(pieces) if several else matches(pieces, needles[0], overlapping=overlapping,
                                                                     ignorecase=fold)  # fmt: skip
            for offsets in found:
                if left is not None:
                    offsets = offsets[:left]
                    left -= len(offsets)
                yield offsets
                if left == 0:
                    self.leave(offsets[-1] + shared + 1)
                    return
            self.leave(None)

    def lacks(self, wanted: Wanted) -> bool:
        """Whether a small file surely has no match, which is found out without importing what else a search takes."""
        if len(wanted.needles) != 1 or wanted.is_pattern or not isinstance(self._data, bytes):
            return False
        kernel = search_alone()
        return kernel is not None and kernel.find(self._data, wanted.needles[0], ignorecase=wanted.ignorecase) < 0

    def leave(self, offset: int | None) -> None:
        """Has standard input stand behind what was searched: all there was when None."""
        if not (self._standard and self._regular) or (offset is None and self.data is None):
            return
        if offset is None:
            offset = len(self.data)
            if self._start > self.data.offset:
                return  # it stood beyond the end
        os.lseek(0, self._start + offset, os.SEEK_SET)


def _told(pieces: Windows, told: Any, total: int | None) -> Windows:
    """The windows; `told` is called as progress(done, total) when the next one is asked for."""
    for buffer, end, offset in pieces:
        yield buffer, end, offset
        told(offset + end, total)
