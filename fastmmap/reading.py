"""read, seek and tell: a MappedFile may be given to any code that takes a binary file."""

from __future__ import annotations

import errno
import io
import operator
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import system
from ._backend import chosen
from .blame import ours
from .descriptors import Open
from .reference.arguments import held, storage

if TYPE_CHECKING:
    from threading import RLock

    from typing_extensions import Buffer

# How much is copied at a time into memory of the caller's.
_PIECE = 1 << 20

# How far the end of a line is looked for at first: most lines are shorter.
_LINE = 1 << 10


class Reading:
    """Mixed into a mapping: its bytes as those of a binary file that is open for reading, and a position in them.

    The position may lie beyond the end, where nothing is read. Each call is atomic among threads; one that raises
    leaves the position where it was.
    """

    _is_reopened = False

    if TYPE_CHECKING:
        _lock: RLock
        _position: int
        descriptor: int
        offset: int
        mode: str

        def __len__(self) -> int: ...
        def __getitem__(self, index: Any) -> Any: ...

    def read(self, n: SupportsIndex | None = -1) -> bytes:
        """The next n bytes, fewer where the mapping ends; all that are left when n is None or negative."""
        with self._lock:
            data = self._next(_count(n))
            self._position += len(data)
            return data

    read1 = read

    def readall(self) -> bytes:
        """All bytes that are left."""
        return self.read()

    def readinto(self, buffer: Buffer) -> int:
        """Fills a writable buffer with the next bytes, as far as there are any; returns how many."""
        with self._lock, _filled(buffer) as target:
            number = min(len(target), max(len(self) - self._position, 0))
            for done in range(0, number, _PIECE):
                start, size = self._position + done, min(_PIECE, number - done)
                target[done : done + size] = self[start : start + size]
            self._position += number
            return number

    readinto1 = readinto

    def readline(self, size: SupportsIndex | None = -1) -> bytes:
        """The next bytes up to a newline, that included, but no more than `size`; b"" at the end."""
        with self._lock:
            line = self._next_line(_count(size))
            self._position += len(line)
            return line

    def readlines(self, hint: SupportsIndex | None = -1) -> list[bytes]:
        """The lines that are left, each with its newline; with a hint above 0, until more bytes are read."""
        most = _count(hint)
        with self._lock:
            lines: list[bytes] = []
            position, size = self._position, 0
            try:
                while line := self._next_line(-1):
                    lines.append(line)
                    self._position += len(line)
                    size += len(line)
                    if 0 < most < size:
                        break
            except BaseException:
                self._position = position
                raise
            return lines

    def seek(self, offset: SupportsIndex, whence: SupportsIndex = os.SEEK_SET) -> int:
        """Moves the position, counted from the start, from where it is (1), or from the end (2); returns it.

        OSError for what is before the start.
        """
        position, origin = operator.index(offset), operator.index(whence)
        if abs(position) > sys.maxsize:
            raise OverflowError(f"{position} is too far to seek")
        with self._lock:
            size = len(self)
            if origin not in (os.SEEK_SET, os.SEEK_CUR, os.SEEK_END):
                raise ValueError(f"whence must be 0, 1 or 2, not {origin}")
            position += {os.SEEK_CUR: self._position, os.SEEK_END: size}.get(origin, 0)
            if not 0 <= position <= sys.maxsize:
                raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), getattr(self, "name", None))
            self._position = position
            return position

    def tell(self) -> int:
        """The position: of the byte that is read next, counted from the mapping's first."""
        with self._lock:
            self._check_readable()
            return self._position

    def readable(self) -> bool:
        """True: it may be read."""
        return self._check_readable()

    def seekable(self) -> bool:
        """True: its position may be moved."""
        return self._check_readable()

    def writable(self) -> bool:
        """False: it is changed by its items, `replace` and `append`, not by write."""
        return not self._check_readable()

    def isatty(self) -> bool:
        """False: it is no terminal."""
        return not self._check_readable()

    def fileno(self) -> int:
        """A descriptor of the file's, for those who read by it: it has the same bytes at the same positions.

        It is never the caller's, whose position stays, and is closed with the mapping. io.UnsupportedOperation where it
        can't be had: for a mapping of a part of the file or with changes of its own ("c"), for one without a
        descriptor, and for one of a caller's whose file can't be opened again.
        """
        with self._lock:
            size = len(self)
            fd = self.descriptor
            if fd < 0 or self.mode == "c" or self.offset or os.fstat(fd).st_size != size:
                raise io.UnsupportedOperation("fileno: the mapping isn't the whole of an open file")
            if isinstance(getattr(self, "name", None), int) and not self._is_reopened:
                self._reopen(fd)
            os.lseek(fd, self._position, os.SEEK_SET)
            return fd

    def _reopen(self, fd: int) -> None:
        """Has the copy of a caller's descriptor stand for the file opened anew, with a position of its own.

        It keeps its number, so nothing changes for code that uses it.
        """
        flags = os.O_RDWR if self.mode in ("r+", "w+") else os.O_RDONLY
        try:
            with Open() as file:
                system.open_into(file, system.path_of(fd), flags)
                if not os.path.samestat(os.fstat(file.fd), os.fstat(fd)):
                    raise OSError(errno.ESTALE, os.strerror(errno.ESTALE))
                os.dup2(file.fd, fd, inheritable=False)
        except ours(OSError) as error:
            text = "fileno: the descriptor's position must not move, and its file can't be opened again"
            raise io.UnsupportedOperation(f"{text}: {error.strerror}") from None
        self._is_reopened = True

    def _check_readable(self) -> bool:
        """True; ValueError when it is closed."""
        return len(self) >= 0

    def _next(self, number: int) -> bytes:
        """The next bytes, all of them for a negative number."""
        start = self._position
        end = len(self) if number < 0 else min(start + number, len(self))
        data: bytes = self[start:end] if start < end else b""
        return data

    def _next_line(self, most: int) -> bytes:
        """The next line, or its first bytes."""
        start, size = self._position, len(self)
        end = size if most < 0 else min(start + most, size)
        searched, window = start, _LINE
        while searched < end:
            high = min(searched + window, end)
            found = chosen.find(self, b"\n", searched, high, threads=1)
            if found >= 0:
                end = found + 1
                break
            searched, window = high, window * 4
        return self._next(end - start) if start < end else b""


@contextmanager
def _filled(buffer: Any) -> Iterator[Any]:
    """The memory of a buffer to be filled. What can't be is a TypeError, as it is for files."""
    try:
        view = storage(buffer, "readinto")
    except BufferError as error:
        raise TypeError(f"readinto needs a writable buffer: {error}") from None
    with held(view):
        yield view


def _count(number: SupportsIndex | None) -> int:
    """How many bytes are wanted, -1 for all."""
    return -1 if number is None else max(operator.index(number), -1)
