"""Lines: random access to the lines of a mapping."""

from __future__ import annotations

import operator
from _thread import RLock

from . import _imports
from ._backend import chosen
from .reference import arguments

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .reference.arguments import Offsets


class LineIndex:
    """Where the lines of a buffer start: found at the first use, and again when it was told to forget."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._starts: Offsets | None = None

    def starts(self, buffer: Any) -> Offsets:
        """The offsets at which the lines start, as int64."""
        with self._lock:
            if self._starts is None:
                self._starts = chosen.line_starts(buffer)
            return self._starts

    def forget(self) -> None:
        """What the buffer holds has changed, or will."""
        self._starts = None


class Lines:
    r"""The lines of a mapping by number, from 0. `m.lines` gives them; nobody else has to.

    `m.lines[i]` is the line as bytes, without its newline; a carriage return stays. A negative number counts from the
    end. A slice or an array of numbers gives a list of bytes. Iterating gives memoryviews. `len(m.lines)` is how many
    there are. What is out of range is an IndexError, but for slices.

    The index of the lines is made at the first use, and again after `append`, `resize` and `replace`. Newlines that are
    stored otherwise are not noticed.

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

    @property
    def _starts(self) -> Offsets:
        return self._index.starts(self._buffer)

    def __len__(self) -> int:
        return int(self._starts.size)

    def __getitem__(self, number: Any) -> Any:
        if isinstance(number, slice):
            return [self._line(i) for i in range(len(self))[number]]
        number = arguments.safe_numbers(number)
        if hasattr(number, "__index__") and not getattr(number, "ndim", 0):
            return self._line(self._number(number))
        if isinstance(number, (str, bytes, bytearray)) or not hasattr(number, "__iter__"):
            raise TypeError(f"lines have integers, slices or arrays of integers, not {type(number).__name__!r}")
        return [self._line(self._number(i)) for i in number]

    def __iter__(self) -> Iterator[memoryview]:
        view = self._buffer.view()
        for i in range(len(self)):
            yield view[slice(*self._span(i))]

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
        numbers = self._starts.searchsorted(at, side="right") - 1
        return numbers if at.ndim else int(numbers)

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
        numpy = _imports.load("numpy")
        at = arguments.integers(numbers, "numbers")
        if at.size == 0:
            return numpy.empty(at.shape, dtype=numpy.int64)
        return self._starts[at] if at.ndim else int(self._starts[self._number(int(at))])

    def _number(self, number: Any) -> int:
        try:
            return range(len(self))[operator.index(number)]
        except IndexError:
            raise IndexError(f"line {number} is out of range: there are {len(self)}") from None

    def _span(self, number: int) -> tuple[int, int]:
        start = int(self._starts[number])
        if number + 1 < len(self):
            return start, int(self._starts[number + 1]) - 1
        end = len(self._buffer)
        return start, end - 1 if self._buffer[end - 1] == 10 else end

    def _line(self, number: int) -> bytes:
        start, end = self._span(number)
        line: bytes = self._buffer[start:end]
        return line
