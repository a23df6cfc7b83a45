"""line_starts and gather: the definition."""

from __future__ import annotations

from itertools import chain

from .. import _imports
from .arguments import END, as_records, check_lengths, check_threads, check_within, clamp, index_or, readable
from .search import matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .arguments import Index, Integers, Offsets, Readable


def line_starts(buffer: Readable, start: Index = 0, end: Index = None, *, threads: int | None = None) -> Offsets:
    """The offsets at which the lines of buffer[start:end] start, as an int64 ndarray.

    The first is start itself, then comes the offset after each newline that has a byte after it: a final newline
    opens no line. An empty range has none.
    """
    numpy = _imports.load("numpy")
    first, last = index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        after = (newline + 1 for newline in matches(view, b"\n", first, last - 1))
        starts: Offsets = numpy.fromiter(chain((first,), after) if first < last else (), dtype=numpy.int64)
        return starts


def gather(buffer: Readable, offsets: Integers, length: Any, *, threads: int | None = None) -> Any:
    """The records at `offsets`, copied together.

    length an integer: a uint8 ndarray of shape (n, length). length an array of n lengths: `(data, starts)`, where
    record i is data[starts[i]:starts[i + 1]] and starts has n + 1 elements. The first record that isn't wholly in
    the buffer is an IndexError that names it, before anything is read.
    """
    numpy = _imports.load("numpy")
    check_threads(threads)
    at, lengths = as_records(offsets, length)
    check_lengths(lengths)
    with readable(buffer) as view:
        check_within(at, lengths, len(view))
        ends = at + lengths
        data = b"".join(view[low:high] for low, high in zip(at.tolist(), ends.tolist()))
        copied = numpy.frombuffer(bytearray(data), dtype=numpy.uint8)
        if lengths.ndim == 0:
            return copied.reshape(at.size, int(lengths))
        starts = numpy.zeros(at.size + 1, dtype=numpy.int64)
        numpy.cumsum(lengths, out=starts[1:])
        return copied, starts
