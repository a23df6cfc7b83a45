"""find, rfind, count, find_all and iter_find: the definition. `re` walks the buffer itself, so nothing is copied."""

from __future__ import annotations

import re
from collections import deque
from contextlib import closing
from itertools import islice

from .. import _imports
from .arguments import END, check_limit, check_threads, clamp, haystack, index_or, needle_bytes, readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from typing import SupportsIndex

    from .arguments import Index, Needle, Offsets, Readable

# rfind looks at so many starts at first, and at twice as many each time that it has found nothing.
WINDOW = 1 << 12

# How many starts are looked at in a copy of memory: few at first, so that an early match is found early.
FIRST_PIECE, LARGEST_PIECE = 1 << 14, 1 << 20


def find(
    buffer: Readable,
    needle: Needle,
    start: Index = 0,
    end: Index = None,
    *,
    ignorecase: bool = False,
    threads: int | None = None,
) -> int:
    """The offset of the first match in buffer[start:end], or -1.

    As bytes.find in every case. ignorecase folds ASCII letters only.
    """
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        return next(matches(view, own, *clamp(first, last, len(view)), ignorecase=ignorecase), -1)


def rfind(
    buffer: Readable,
    needle: Needle,
    start: Index = 0,
    end: Index = None,
    *,
    ignorecase: bool = False,
    threads: int | None = None,
) -> int:
    """The offset of the last match in buffer[start:end], or -1.

    As bytes.rfind in every case. ignorecase folds ASCII letters only.
    """
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        if not own:
            return last if first <= last else -1
        stop, window = last - len(own) + 1, WINDOW  # one above the last start that can hold the needle
        while stop > first:
            low = max(first, stop - window)
            found = deque(matches(view, own, low, stop - 1 + len(own), overlapping=True, ignorecase=ignorecase), 1)
            if found:
                return found[0]
            stop, window = low, 2 * window
        return -1


def count(
    buffer: Readable,
    needle: Needle,
    start: Index = 0,
    end: Index = None,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
    threads: int | None = None,
) -> int:
    """How many matches there are in buffer[start:end].

    As bytes.count in every case; overlapping=True counts the matches that overlap another one too. ignorecase
    folds ASCII letters only.
    """
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        if not own:
            return max(last - first + 1, 0)
        return sum(1 for _ in matches(view, own, first, last, overlapping=overlapping, ignorecase=ignorecase))


def find_all(
    buffer: Readable,
    needle: Needle,
    start: Index = 0,
    end: Index = None,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
    limit: SupportsIndex | None = None,
    threads: int | None = None,
) -> Offsets:
    """The offsets of all matches in buffer[start:end], ascending, as an int64 ndarray.

    Without overlapping they are those that bytes.count counts. limit stops after so many. An empty needle stands
    at every offset from start to end inclusive. ignorecase folds ASCII letters only.
    """
    numpy = _imports.load("numpy")
    own, first, last, most = needle_bytes(needle), index_or(start, 0), index_or(end, END), check_limit(limit)
    check_threads(threads)
    with readable(buffer, first, last) as view:
        first, last = clamp(first, last, len(view))
        # Closed, because what `limit` leaves unfinished still holds the view.
        with closing(matches(view, own, first, last, overlapping=overlapping, ignorecase=ignorecase)) as offsets:
            found: Offsets = numpy.fromiter(islice(offsets, most), dtype=numpy.int64)
            return found


def find_into(
    offsets: Offsets,
    buffer: Readable,
    needle: bytes,
    start: int,
    end: int,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
    added: int = 0,
) -> int:
    """Writes the offsets of the first matches into an int64 array, which may be too short for all. Returns how many.

    What find_all and line_starts in several threads are made of. `needle` is folded already, start and end lie in
    the buffer. `added` is added to each offset.
    """
    number = 0
    with (
        readable(buffer) as view,
        closing(matches(view, needle, start, end, overlapping=overlapping, ignorecase=ignorecase)) as found,
    ):
        for number, offset in enumerate(islice(found, len(offsets)), 1):
            offsets[number - 1] = offset + added
    return number


def iter_find(
    buffer: Readable,
    needle: Needle,
    start: Index = 0,
    end: Index = None,
    *,
    overlapping: bool = False,
    ignorecase: bool = False,
) -> Iterator[int]:
    """An iterator over the offsets of all matches in buffer[start:end], ascending.

    They are those of find_all, in constant memory. The buffer stays exported until the iterator is exhausted or
    gone.
    """
    own, first, last = needle_bytes(needle), index_or(start, 0), index_or(end, END)
    view = haystack(buffer, first, last)  # now, so that a bad buffer is an error of this call, not of the first next()

    def offsets() -> Iterator[int]:
        with view:
            yield from matches(
                view, own, *clamp(first, last, len(view)), overlapping=overlapping, ignorecase=ignorecase
            )

    return offsets()


def matches(
    view: memoryview, needle: bytes, start: int, end: int, *, overlapping: bool = False, ignorecase: bool = False
) -> Generator[int, None, None]:
    """The offsets of the matches in view[start:end], start and end as `clamp` leaves them."""
    if not needle:
        yield from range(start, end + 1)
        return
    if end - start < len(needle):
        return
    literal = re.escape(needle)
    # A lookahead matches without consuming, so the search goes on at the next byte: matches may overlap.
    pattern = re.compile(b"(?=" + literal + b")" if overlapping else literal, re.IGNORECASE if ignorecase else 0)
    if isinstance(view, memoryview):
        for match in pattern.finditer(view, start, end):
            yield match.start()
        return
    # What can't be given to `re` is copied in pieces, each of which begins where no start was looked at.
    piece = FIRST_PIECE
    while end - start >= len(needle):
        high = min(start + piece + len(needle) - 1, end)
        low, start = start, high - len(needle) + 1
        for match in pattern.finditer(view[low:high]):
            yield low + match.start()
            if not overlapping:
                start = max(start, low + match.end())
        piece = min(2 * piece, LARGEST_PIECE)
