"""Lines: random access to the lines of a mapping."""

from __future__ import annotations

import operator
from _thread import RLock

from . import _imports, parallel
from ._backend import chosen, run
from .reference import arguments
from .reference.sampling import SAMPLED, TOTALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    Index: TypeAlias = tuple[tuple[Any, Any], int]


class LineIndex:
    """How many newlines stand before each KiB of a buffer, in a 450th of its size: see src/sampled.pxi.

    It is made at the first use, by all cores, and again when it was told to forget.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self.made: Index | None = None
        self._known: Index | None = None  # of what the buffer was before it grew

    def of(self, buffer: Any) -> Index:
        """What the kernels find lines by, and how many lines there are."""
        made = self.made
        if made is None:
            with self._lock:
                made = self.made
                if made is None:
                    made = self.made = _index(buffer, self._known)
                    self._known = None
        return made

    def forget(self) -> None:
        """What the buffer holds has changed, or will."""
        self._known = self.made = None

    def extend(self) -> None:
        """The buffer has grown, and begins as it did."""
        with self._lock:
            self._known, self.made = self.made or self._known, None


def _index(buffer: Any, known: Index | None) -> Index:
    numpy = _imports.load("numpy")
    size = len(buffer)
    before = numpy.zeros(-(-size // TOTALLED) + 1, dtype=numpy.int64)
    inside = numpy.zeros(-(-size // SAMPLED), dtype=numpy.uint16)
    ratio, done = TOTALLED // SAMPLED, 0
    if known is not None:
        done = min(max(len(known[0][0]) - 2, 0), size // TOTALLED)  # the last one may have been shorter
        before[: done + 1], inside[: done * ratio] = known[0][0][: done + 1], known[0][1][: done * ratio]

    def count(view: Any, low: int, high: int) -> None:
        index = before[low + 1 : high + 1], inside[low * ratio : high * ratio]
        chosen.count_newlines(index, view, low * TOTALLED, min(high * TOTALLED, size))

    new = size - done * TOTALLED
    parts = parallel.ranges(done, before.size - 1, -(-new // parallel.BLOCK) or 1)
    run(count, parts, parallel.workers(None) if new >= parallel.WORTHWHILE else 1, buffer=buffer)
    numpy.cumsum(before[done:], out=before[done:])
    # A final newline opens no line.
    lines = int(before[-1]) + (size > 0 and buffer[size - 1] != 10)
    return (memoryview(before), memoryview(inside)), lines  # whose buffers are taken by a fifth of the time of arrays'


def _no_line(number: int, lines: int) -> IndexError:
    return IndexError(f"line {number} is out of range: there are {lines}")


class Lines:
    r"""The lines of a mapping by number, from 0. `m.lines` gives them; nobody else has to.

    `m.lines[i]` is the line as bytes, without its newline; a carriage return stays. A negative number counts from the
    end. A slice or an array of numbers gives a list of bytes. Iterating gives memoryviews. `len(m.lines)` is how many
    there are. What is out of range is an IndexError, but for slices.

    The index of the lines is made at the first use, and again after `append`, `resize` and `replace`; `refresh` extends
    it. Newlines that are stored otherwise are not noticed.

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

    def __getitem__(self, number: Any) -> Any:
        if type(number) is int:  # by as few calls as can be
            index, lines = self._index.made or self._index.of(self._buffer)
            if not -lines <= number < lines:
                raise _no_line(number, lines)
            return chosen.line(index, self._buffer, number if number >= 0 else number + lines)
        if isinstance(number, slice):
            numpy = _imports.load("numpy")
            return self._lines(numpy.arange(*number.indices(len(self)), dtype=numpy.int64))
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
        return at + number * (at < 0)

    def _lines(self, numbers: Any) -> list[bytes]:
        index, _ = self._index.of(self._buffer)
        lines: list[bytes] = chosen.lines_at(index, self._buffer, numbers)
        return lines
