"""read, seek and tell: a MappedFile may be given to any code that takes a binary file."""

from __future__ import annotations

import errno
import operator
import os
import sys
from contextlib import contextmanager

from ._backend import chosen
from .describing import Describing
from .reference.arguments import held, storage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from threading import RLock
    from typing import Any, SupportsIndex, overload

    from typing_extensions import Buffer

# How much is copied at a time into memory of the caller's.
_PIECE = 1 << 20

# How far the end of a line is looked for at first: most lines are shorter.
_LINE = 1 << 10


class Reading(Describing):
    """Mixed into a mapping: its bytes as those of a binary file that is open for reading, and a position in them.

    The position may lie beyond the end, where nothing is read. Each call is atomic among threads; one that raises
    leaves the position where it was.
    """

    if TYPE_CHECKING:
        _lock: RLock
        _position: int
        _descriptor: int
        offset: int
        mode: str

        def __len__(self) -> int: ...

        @overload
        def __getitem__(self, index: SupportsIndex) -> int: ...

        @overload
        def __getitem__(self, index: slice) -> bytes: ...

        def __getitem__(self, index: Any) -> Any: ...

    def read(self, n: SupportsIndex | None = -1) -> bytes:
        r"""Reads the next bytes, from the position on.

        Parameters
        ----------
        n : int or None, default -1
            How many bytes at most. None or a negative number: all that are left.

        Returns
        -------
        bytes
            They are fewer than `n` where the mapping ends, and b"" at the end.

        Raises
        ------
        ValueError
            The mapping is closed.
        MappedFileError
            The file was truncated meanwhile. The position stays where it was.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.read(3), m.read()
        (b'one', b'\ntwo\nthree\n')
        """
        with self._lock:
            data = self._next(_count(n))
            self._position += len(data)
            return data

    read1 = read

    def readall(self) -> bytes:
        r"""Reads all bytes that are left, from the position on.

        Returns
        -------
        bytes
            They are b"" at the end.

        Raises
        ------
        ValueError
            The mapping is closed.
        MappedFileError
            The file was truncated meanwhile. The position stays where it was.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.seek(8), m.readall()
        (8, b'three\n')
        """
        return self.read()

    def readinto(self, buffer: Buffer) -> int:
        r"""Fills a buffer with the next bytes, from the position on.

        Parameters
        ----------
        buffer : writable bytes-like
            What is filled from its start, as far as there are bytes.

        Returns
        -------
        int
            How many bytes were read: 0 at the end.

        Raises
        ------
        TypeError
            `buffer` isn't a writable buffer.
        ValueError
            The mapping is closed.
        MappedFileError
            The file was truncated meanwhile. The position stays where it was.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     buffer = bytearray(4)
        ...     m.readinto(buffer), buffer
        (4, bytearray(b'one\n'))
        """
        with self._lock, _filled(buffer) as target:
            number = min(len(target), max(len(self) - self._position, 0))
            for done in range(0, number, _PIECE):
                start, size = self._position + done, min(_PIECE, number - done)
                target[done : done + size] = self[start : start + size]
            self._position += number
            return number

    readinto1 = readinto

    def readline(self, size: SupportsIndex | None = -1) -> bytes:
        r"""Reads the next bytes up to a newline, that included.

        Parameters
        ----------
        size : int or None, default -1
            How many bytes at most. None or a negative number: the whole line.

        Returns
        -------
        bytes
            They are b"" at the end.

        Raises
        ------
        ValueError
            The mapping is closed.
        MappedFileError
            The file was truncated meanwhile. The position stays where it was.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.readline(), m.readline(2)
        (b'one\n', b'tw')
        """
        with self._lock:
            line = self._next_line(_count(size))
            self._position += len(line)
            return line

    def readlines(self, hint: SupportsIndex | None = -1) -> list[bytes]:
        r"""Reads the lines that are left, from the position on.

        Parameters
        ----------
        hint : int or None, default -1
            If above 0, no line is read after more bytes than that.

        Returns
        -------
        list of bytes
            Each line with its newline.

        Raises
        ------
        ValueError
            The mapping is closed.
        MappedFileError
            The file was truncated meanwhile. The position stays where it was.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.readlines()
        [b'one\n', b'two\n', b'three\n']
        """
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
        r"""Moves the position from which `read` reads. It may lie beyond the end, where nothing is read.

        Parameters
        ----------
        offset : int
            How far, in bytes.
        whence : {0, 1, 2}, default 0
            From where: the mapping's start, the position, or the mapping's end.

        Returns
        -------
        int
            The new position, counted from the mapping's start.

        Raises
        ------
        OSError
            The position would be before the start.
        ValueError, OverflowError
            `whence` is something else, the mapping is closed, or `offset` is too large.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.seek(-6, 2), m.read()
        (8, b'three\n')
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
        r"""The position: the offset of the byte that is read next, from the mapping's start.

        Returns
        -------
        int
            In bytes.

        Raises
        ------
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     line = m.readline()
        ...     m.tell()
        4
        """
        with self._lock:
            self._check_readable()
            return self._position

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
