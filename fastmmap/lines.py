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
    """The lines of a mapping by number, from 0: `m.lines[i]` is bytes without the newline (a carriage return stays).

    A slice or an array of numbers gives a list; iterating gives memoryviews. The index is made at the first use and
    again after `append`, `resize` and `replace`; newlines that are stored otherwise are not noticed.
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
        return [self._line(self._number(i)) for i in number]

    def __iter__(self) -> Iterator[memoryview]:
        view = self._buffer.view()
        for i in range(len(self)):
            yield view[slice(*self._span(i))]

    def number(self, offsets: Any) -> Any:
        """The numbers of the lines that hold the bytes at `offsets`, as int64, or an int for one offset."""
        numpy = _imports.load("numpy")
        at = numpy.asarray(arguments.safe_numbers(offsets))
        size = len(self._buffer)
        outside = (at < 0) | (at >= size)
        if outside.any():
            raise IndexError(f"offset {at[outside].ravel()[0]} is outside the mapping of {size} bytes")
        numbers = self._starts.searchsorted(at, side="right") - 1
        return numbers if at.ndim else int(numbers)

    def offset(self, numbers: Any) -> Any:
        """The offsets at which lines start, as int64, or an int for one number: the inverse of `number`."""
        numpy = _imports.load("numpy")
        numbers = arguments.safe_numbers(numbers)
        at = numpy.asarray(numbers)
        if at.size == 0:
            return numpy.empty(at.shape, dtype=numpy.int64)
        return self._starts[at] if at.ndim else int(self._starts[self._number(numbers)])

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
