"""line_starts and gather: the definition."""

from __future__ import annotations

from bisect import bisect_left
from itertools import chain

from .. import _imports
from .arguments import END, as_records, check_lengths, check_threads, check_within, clamp, index_or, readable
from .found import Match
from .sampling import SAMPLED, TOTALLED
from .search import matches

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..progress import Progress
    from .arguments import Index, Integers, Offsets, Readable

    LineIndex = tuple[Any, Any]


def line_starts(
    buffer: Readable,
    start: Index = 0,
    end: Index = None,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Offsets:
    r"""The offsets at which lines start, ascending, in an array.

    The first is start itself, then comes the offset after each newline that has a byte after it: a final newline
    opens no line. An empty range has none.

    Parameters
    ----------
    buffer : bytes-like or os.PathLike
        Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
    start, end : int or None, default 0 and None
        Only the lines of buffer[start:end]. Offsets count from the buffer's start, in bytes.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.
    progress : callable or None, default None
        Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

    Returns
    -------
    ndarray of int64, shape (n,)
        Offsets in bytes, one for each line.

    Raises
    ------
    TypeError, ValueError
        `buffer` is neither a buffer nor a path, or `threads` is below 1.
    BufferError, OSError
        The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

    Examples
    --------
    >>> fastmmap.line_starts(b"one\ntwo\nthree\n").tolist()
    [0, 4, 8]
    """
    numpy = _imports.load("numpy")
    first, last = index_or(start, 0), index_or(end, END)
    check_threads(threads)
    if progress is not None:
        return _imports.load("fastmmap.stepwise").line_starts_in_blocks(buffer, (first, last), progress)  # type: ignore[no-any-return]
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        after = (newline + 1 for newline in matches(view, b"\n", first, last - 1))
        starts: Offsets = numpy.fromiter(chain((first,), after) if first < last else (), dtype=numpy.int64)
        return starts


def gather(buffer: Readable, offsets: Integers, length: Any, *, threads: int | None = None) -> Any:
    """Copies the records at many offsets together, into one array.

    Parameters
    ----------
    buffer : bytes-like or os.PathLike
        Any C-contiguous buffer, taken as bytes, or the path of a file. For a path in a str use pathlib.Path.
    offsets : sequence or ndarray of int, shape (n,)
        Where the records begin, in bytes, in any order. Negative offsets are out of range.
    length : int, or sequence or ndarray of int, shape (n,)
        How many bytes each record has: one number for all of them, or a number for each.
    threads : int or None, default None
        How many threads may work at most. None: as many as pay. 1: only the calling one.

    Returns
    -------
    ndarray of uint8, shape (n, length)
        One record a row, where `length` is one number. Else the next two, as a tuple:
    data : ndarray of uint8, shape (total,)
        The records, one behind the other.
    starts : ndarray of int64, shape (n + 1,)
        Record i is data[starts[i]:starts[i + 1]].

    Raises
    ------
    IndexError
        A record isn't wholly in the buffer. The error names the first such; nothing was read.
    TypeError, ValueError
        `buffer` is neither a buffer nor a path, an offset or length is no integer, a length is negative, there are
        not as many lengths as offsets, or `threads` is below 1.
    BufferError, OSError
        The buffer isn't C-contiguous; the file can't be read (MappedFileError: it was truncated meanwhile).

    Examples
    --------
    >>> fastmmap.gather(b"one two three", [4, 0], 3).tobytes()
    b'twoone'
    >>> data, starts = fastmmap.gather(b"one two three", [8, 0], [5, 3])
    >>> data.tobytes(), starts.tolist()
    (b'threeone', [0, 5, 8])
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


# --- lines by number, which fastmmap/lines.py asks for: its `index` is two arrays, see src/sampled.pxi ---


def count_newlines(index: LineIndex, buffer: Any, start: int, end: int) -> None:
    """Writes into two arrays how many newlines stand in each 32 KiB of buffer[start:end], as int64; and as uint16
    for each KiB, how many stand before it in its 32 KiB.
    """
    totals, inside = index
    with readable(buffer) as view:
        for number, low in enumerate(range(start, end, TOTALLED)):
            high, total = min(low + TOTALLED, end), 0
            for at in range(low, high, SAMPLED):
                inside[(at - start) // SAMPLED] = total
                total += bytes(view[at : min(at + SAMPLED, high)]).count(b"\n")
            totals[number] = total


def line(index: LineIndex, buffer: Any, number: int) -> bytes:
    """The line of a number that is in range, as bytes."""
    with readable(buffer) as view:
        start = _start_of(index, view, number)
        return bytes(view[start : _end_from(view, start)])


def lines_at(index: LineIndex, buffer: Any, numbers: Any) -> list[bytes]:
    """The lines of some numbers, all of them in range, as a list of bytes."""
    with readable(buffer) as view:
        starts = [_start_of(index, view, number) for number in numbers.tolist()]
        return [bytes(view[start : _end_from(view, start)]) for start in starts]


def line_offsets(index: LineIndex, buffer: Any, numbers: Any) -> Offsets:
    """The offsets at which the lines of some numbers start, all of them in range, as an array of int64."""
    with readable(buffer) as view:
        starts = [_start_of(index, view, number) for number in numbers.tolist()]
    return _imports.load("numpy").array(starts, dtype="int64")  # type: ignore[no-any-return]


def line_spans(index: LineIndex, buffer: Any, numbers: Any) -> Any:
    """Where the lines of some numbers start, all of them in range, and where they end: int64, in two rows."""
    with readable(buffer) as view:
        starts = [_start_of(index, view, number) for number in numbers.tolist()]
        ends = [_end_from(view, start) for start in starts]
    return _imports.load("numpy").array([starts, ends], dtype="int64")


def line_numbers(index: LineIndex, buffer: Any, offsets: Any) -> Offsets:
    """The numbers of the lines that hold the bytes at some offsets, all of them in range, as an array of int64."""
    before, inside = _arrays_of(index)
    numbers = []
    with readable(buffer) as view:
        for offset in offsets.tolist():
            if not 0 <= offset < len(view):
                raise IndexError(f"offset {offset} is outside of {len(view)} bytes")
            entry = offset // SAMPLED
            here = bytes(view[entry * SAMPLED : offset]).count(b"\n")
            numbers.append(int(before[offset // TOTALLED]) + int(inside[entry]) + here)
    return _imports.load("numpy").array(numbers, dtype="int64")  # type: ignore[no-any-return]


def lines_around(buffer: Any, offsets: Any, start: int, end: int, place: tuple[int, Any]) -> list[Match]:
    """The lines of buffer[start:end] that hold the bytes at some offsets, ascending: a list of Match, one a line.

    `start` is where a line begins, `end` where one has ended. `place` is where the buffer begins in its text, and
    what counts the text's lines.
    """
    found = found_lines(buffer, offsets, start, end)
    return [Match(offset + place[0], first + place[0], line, place[1]) for offset, first, line in found]


def found_lines(buffer: Any, offsets: Any, start: int, end: int) -> list[tuple[int, int, bytes]]:
    """The same lines, each with the first of the offsets in it and where it begins."""
    lines = []
    with readable(buffer) as view:
        if not 0 <= start <= end <= len(view):
            raise ValueError(f"[{start}, {end}) isn't within {len(view)} bytes")
        for offset in offsets.tolist():
            if start <= offset < end:
                first, last = _start_before(view, offset, start), min(_end_from(view, offset), end)
                lines.append((offset, first, bytes(view[first:last])))
                start = last + 1
    return lines


def lines_confirmed(matches: list[Match], search: Any, from_offset: bool) -> list[Match]:
    """Those of some Match in which search(line) finds something, with where it does. `from_offset`: it finds
    nothing before their offsets.
    """
    found = []
    for match in matches:
        if (hit := search(match.line, match.offset - match.start if from_offset else 0)) is not None:
            found.append(Match(match.start + hit.start(), match.start, match.line, match._counter))
    return found


def lines_hit(lines: list[bytes], hits: list[Any], place: tuple[int, Any]) -> list[Match]:
    """A Match for each of some lines that follow each other in which something was found: where `hits` has a
    re.Match.

    `place` is where the first line begins in its text, and what counts the text's lines.
    """
    start, counter = place
    matches = []
    for line, hit in zip(lines, hits):
        if hit is not None:
            matches.append(Match(start + hit.start(), start, line, counter))
        start += len(line) + 1
    return matches


def steady(view: memoryview) -> memoryview:
    """A memoryview that is kept, as what any number of threads may take views of."""
    return view


def iter_lines(view: memoryview) -> Iterator[memoryview]:
    """An iterator over the lines of a memoryview of bytes, as memoryviews."""
    start = 0
    with readable(view) as safe:
        while start < len(view):
            end = _end_from(safe, start)
            yield view[start:end]
            start = end + 1


def _arrays_of(index: LineIndex) -> tuple[Any, Any]:
    """The two arrays of an index. Without a GIL they come as their bytes: see src/steady.pxi."""
    before, inside = (memoryview(each) for each in index)
    return before.cast("B").cast("q"), inside.cast("B").cast("H") if inside.nbytes else inside


def _start_of(index: LineIndex, view: Any, number: int) -> int:
    """Where a line begins: in the last KiB before which fewer lines have ended, where one more has."""
    before, inside = _arrays_of(index)
    if number == 0 or not len(inside):
        return 0
    # An index of another text leads to other places in this one, never outside.
    total = max(bisect_left(before, number, hi=len(before) - 1) - 1, 0)
    first = total * (TOTALLED // SAMPLED)
    rest = min(number - int(before[total]), TOTALLED)
    entry = max(bisect_left(inside, rest, first, min(first + TOTALLED // SAMPLED, len(inside))) - 1, first)
    part, at = bytes(view[entry * SAMPLED : (entry + 1) * SAMPLED]), -1
    for _ in range(rest - int(inside[entry])):
        newline = part.find(b"\n", at + 1)
        if newline < 0:
            break
        at = newline
    return entry * SAMPLED + at + 1


def _end_from(view: Any, start: int) -> int:
    while start < len(view):
        part = bytes(view[start : start + SAMPLED])
        if (newline := part.find(b"\n")) >= 0:
            return start + newline
        start += len(part)
    return start


def _start_before(view: Any, offset: int, least: int) -> int:
    while offset > least:
        low = max(offset - SAMPLED, least)
        if (newline := bytes(view[low:offset]).rfind(b"\n")) >= 0:
            return low + newline + 1
        offset = low
    return least
