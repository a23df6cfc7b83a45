"""Lines: random access to the lines of a mapping."""

from __future__ import annotations

import operator
import os

from . import _imports
from ._backend import chosen
from .indexes import LineIndex
from .reference import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, SupportsIndex, TypeVar, overload

    import numpy

    from .paths import Path
    from .progress import Progress

    Key = TypeVar("Key")


def _no_line(number: int, lines: int) -> IndexError:
    return IndexError(f"line {number} is out of range: there are {lines}")


class Lines:
    r"""The lines of a mapping by number, from 0. Use `m.lines`: it makes one.

    `m.lines[i]` is the line as bytes, without its newline; a carriage return stays. A negative number counts from the
    end. A slice or an array of numbers gives a list of bytes. Iterating gives memoryviews. `len(m.lines)` is how many
    there are. What is out of range is an IndexError, but for slices.

    The index of the lines is made at the first use, and again after `append`, `resize` and `replace`; `refresh` extends
    it; `save` keeps it, and a pickled mapping has it with it. Newlines that are stored otherwise are not noticed.

    Parameters
    ----------
    buffer : MappedFile
        The mapping.
    index : LineIndex or None, default None
        Where its lines start, if somebody keeps that. None: an index of its own.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
    >>> with fastmmap.open("file") as m:
    ...     len(m.lines), m.lines[1], m.lines[-1], m.lines[:2]
    (3, b'two', b'three', [b'one', b'two'])
    """

    def __init__(self, buffer: Any, index: LineIndex | None = None) -> None:
        self._buffer, self._index = buffer, LineIndex() if index is None else index

    def __len__(self) -> int:
        return self._index.of(self._buffer)[1]

    def __repr__(self) -> str:
        made = self._index.made
        number = "not counted yet" if made is None else f"{made[1]} lines"
        return f"<fastmmap.Lines of {self._buffer!r}, {number}>"

    if TYPE_CHECKING:

        @overload
        def __getitem__(self, number: numpy.ndarray[Any, Any]) -> list[bytes]: ...  # type: ignore[overload-overlap]

        @overload
        def __getitem__(self, number: SupportsIndex) -> bytes: ...

        @overload
        def __getitem__(self, number: slice | Sequence[SupportsIndex]) -> list[bytes]: ...

    def __getitem__(self, number: Any) -> Any:
        if type(number) is int:  # by as few calls as can be
            index, lines = self._index.made or self._index.of(self._buffer)
            if not -lines <= number < lines:
                raise _no_line(number, lines)
            return chosen.line(index, self._buffer, number if number >= 0 else number + lines)
        if isinstance(number, slice):
            return self._lines(self._range(number))
        number = arguments.safe_numbers(number)
        if not hasattr(number, "__index__") or getattr(number, "ndim", False):
            return self._lines(self._several(number))
        return self[operator.index(number)]

    def __iter__(self) -> Iterator[memoryview]:
        lines: Iterator[memoryview] = chosen.iter_lines(self._buffer.view())
        return lines

    def number(self, offsets: Any) -> Any:
        r"""The numbers of the lines that hold the bytes at some offsets. It is the inverse of `offset`.

        Parameters
        ----------
        offsets : int, or sequence or ndarray of int
            The offsets, in bytes, from 0.

        Returns
        -------
        int, or ndarray of int64 of the shape of `offsets`
            The numbers, from 0. A newline belongs to the line that it ends.

        Raises
        ------
        IndexError, TypeError
            An offset isn't within the mapping, or is no integer. The error names the first such.
        ValueError, MappedFileError
            The mapping is closed; its file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.lines.number(5), m.lines.number(m.find_all("t")).tolist()
        (1, [1, 2])
        """
        at = arguments.integers(offsets, "offsets")
        size = len(self._buffer)
        outside = (at < 0) | (at >= size)
        if outside.any():
            raise IndexError(f"offset {at[outside].ravel()[0]} is outside the mapping of {size} bytes")
        index, _ = self._index.of(self._buffer)
        numbers = chosen.line_numbers(index, self._buffer, at.ravel())
        return numbers.reshape(at.shape) if at.ndim else int(numbers[0])

    def offset(self, numbers: Any) -> Any:
        r"""The offsets at which lines start. It is the inverse of `number`.

        Parameters
        ----------
        numbers : int, or sequence or ndarray of int
            The numbers of the lines, from 0; negative ones count from the end.

        Returns
        -------
        int, or ndarray of int64 of the shape of `numbers`
            The offsets, in bytes.

        Raises
        ------
        IndexError, TypeError
            There is no such line; a number is no integer.
        ValueError, MappedFileError
            The mapping is closed; its file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.lines.offset(1), m.lines.offset([0, 2]).tolist()
        (4, [0, 8])
        """
        at = self._numbers(numbers)
        index, _ = self._index.of(self._buffer)
        offsets = chosen.line_offsets(index, self._buffer, at.ravel())
        return offsets.reshape(at.shape) if at.ndim else int(offsets[0])

    def gather(self, numbers: Any) -> tuple[Any, Any]:
        r"""Copies many lines together, into one array: without an object for each.

        Parameters
        ----------
        numbers : slice, or sequence or ndarray of int
            The numbers of the lines, from 0; negative ones count from the end.

        Returns
        -------
        data : ndarray of uint8, shape (total,)
            The lines, one behind the other, without their newlines.
        starts : ndarray of int64, shape (n + 1,)
            Line i of those is data[starts[i]:starts[i + 1]].

        Raises
        ------
        IndexError, TypeError
            There is no such line; a number is no integer.
        ValueError, MappedFileError
            The mapping is closed; its file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     data, starts = m.lines.gather([2, 0])
        >>> data.tobytes(), starts.tolist()
        (b'threeone', [0, 5, 8])
        """
        wanted = self._range(numbers) if isinstance(numbers, slice) else self._several(numbers)
        index, _ = self._index.of(self._buffer)
        starts, ends = chosen.line_spans(index, self._buffer, wanted)
        gathered: tuple[Any, Any] = chosen.gather(self._buffer, starts, ends - starts)
        return gathered

    def bisect(self, key: Callable[[bytes], Key | None] | None, value: Key) -> int:
        r"""Where the first line begins whose key is not below a value, of lines that are sorted by it.

        No index is made: it looks at some thirty lines of a file of gigabytes. A line without a key, such as a further
        line of a record, belongs to the one before.

        Parameters
        ----------
        key : callable or None
            Called as key(line) with a line as bytes, without its newline. It returns what the lines are sorted by, or
            None for a line that has no key. None: the line itself.
        value : object
            What keys are compared with, by `<`.

        Returns
        -------
        int
            The line's offset in bytes; the mapping's length where all keys are below. `number` gives its number.

        Raises
        ------
        ValueError, MappedFileError
            The mapping is closed; its file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"09:00 up\n09:30 ok\n  more\n11:00 down\n")
        >>> with fastmmap.open("file") as m:
        ...     start = m.lines.bisect(lambda line: line[:5] if line[:1].isdigit() else None, b"09:31")
        ...     start, m[start:]
        (25, b'11:00 down\n')
        """
        m = self._buffer
        low, high = 0, len(m)
        found = high
        while low < high:
            first, end = m.line_at((low + high) // 2)
            start = first
            while (at := m[start:end] if key is None else key(m[start:end])) is None and end + 1 < high:
                start, end = m.line_at(end + 1)
            if at is not None and at < value:  # type: ignore[operator]
                low = end + 1
            else:
                high = first
                if at is not None:
                    found = start
        return found

    def prepare(self, *, threads: int | None = None, progress: Progress | None = None) -> None:
        r"""Makes the index of the lines now, where the first use would.

        Parameters
        ----------
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Raises
        ------
        ValueError, MappedFileError
            The mapping is closed, or `threads` is below 1; the file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.lines.prepare(progress=lambda done, total: print(f"{done} of {total} bytes"))
        14 of 14 bytes
        """
        arguments.check_threads(threads)
        self._index.of(self._buffer, threads, progress)

    def save(self, path: Path) -> None:
        r"""Keeps the index of the lines in a file, for `fastmmap.open(…, index=path)`. It is made first if need be.

        It has a 450th of the text's size, and a KiB. A file of that name is replaced, once the new one is whole.

        Parameters
        ----------
        path : str, bytes or os.PathLike
            The file to write.

        Raises
        ------
        ValueError
            The mapping has no file of its own to know again (memory, a pipe, mode "c"), or `path` is that file.
        OSError, MappedFileError
            The index can't be written; the mapped file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.lines.save("file.index")
        >>> with fastmmap.open("file", index="file.index") as m:
        ...     m.lines[1]
        b'two'
        """
        name = os.fspath(path)
        self._index.of(self._buffer)
        counted = self._index.counted()
        if counted is None or counted.state is None:
            raise ValueError(f"{self._buffer!r} has no file by which its index could be known again")
        _imports.load("fastmmap.saved_index").save(name, counted)

    def _range(self, numbers: slice) -> Any:
        numpy = _imports.load("numpy")
        return numpy.arange(*numbers.indices(len(self)), dtype=numpy.int64)

    def _several(self, numbers: Any) -> Any:
        """Numbers in an array of one dimension, which came as that or in whatever can be iterated over."""
        if isinstance(numbers, (str, bytes, bytearray)) or not hasattr(numbers, "__iter__"):
            raise TypeError(f"lines have integers, slices or arrays of integers, not {type(numbers).__name__!r}")
        at = self._numbers(numbers if hasattr(numbers, "__len__") else list(numbers))
        if at.ndim != 1:
            raise TypeError(f"an array of lines' integers has one dimension, not {at.ndim}")
        return at

    def _numbers(self, numbers: Any) -> Any:
        """Numbers from 0 on, all of them in range."""
        at = arguments.integers(numbers, "numbers of lines")
        number = len(self)
        outside = (at < -number) | (at >= number)
        if outside.any():
            raise _no_line(at[outside].ravel()[0], number)
        numpy = _imports.load("numpy")
        # Of one type: to find one for both, numpy takes 24 KiB of stack the first time.
        return numpy.where(at < 0, at + numpy.array(number, dtype=numpy.int64), at)

    def _lines(self, numbers: Any) -> list[bytes]:
        index, _ = self._index.of(self._buffer)
        lines: list[bytes] = chosen.lines_at(index, self._buffer, numbers)
        return lines
