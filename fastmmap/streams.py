"""Search in what can only be read on, such as a pipe or a compressed file: block by block, in constant memory.

Offsets count from where a stream stands. What a search has read is read, also what lies behind the match that it found.
"""

from __future__ import annotations

import errno
import os
from itertools import islice

from . import parts
from ._backend import chosen
from .needles import Needles, prepare
from .progress import Reporter
from .reference.arguments import END, needle_bytes, needles_bytes, several
from .reference.overlaps import cannot_overlap

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from typing import Any, TypeAlias

    from .progress import Progress

    # What is searched comes as (buffer, end, offset): the bytes before `end`, of which the first stands at `offset`.
    Windows: TypeAlias = Iterator[tuple[Any, int, int]]

    # Reads into a memoryview, as much as there is for now; returns how many bytes, 0 at the end.
    Fill: TypeAlias = Callable[[memoryview], int]

# A window has room for so many bytes besides twice what two windows share. Half of it is read at a time.
WINDOW = 1 << 20

# How many offsets are in memory at a time, whatever the number of matches.
OFFSETS = 1 << 16


def windows(fill: Fill, shared: int) -> Windows:
    """What a stream gives. Each window begins with the last `shared` bytes of the one before, or earlier.

    It is handed out before the next read, which may block. All reads are of one size, a power of two: some files, as
    /proc/self/pagemap, refuse others.
    """
    size = WINDOW // 2
    buffer = bytearray(2 * shared + WINDOW)
    end = offset = 0
    with memoryview(buffer) as view:
        while True:
            if len(buffer) - end < size:
                kept = min(shared, end)
                buffer[:kept] = buffer[end - kept : end]
                offset, end = offset + end - kept, kept
            number = fill(view[end : end + size])
            if not number:
                return
            end += number
            yield buffer, end, offset


def reader_of(stream: Any, start: int = 0, end: int = END) -> tuple[Fill, bool]:
    """What reads a binary stream from byte `start` on, counted from where it stands, up to `end`; and whether it has
    that many.
    """
    if start < 0 or end < 0:
        raise ValueError(f"a stream has no end to count from: start and end are {start} and {end}")
    read, left = _read_by(stream), end

    def fill(view: memoryview) -> int:
        nonlocal left
        if left < len(view):
            view = view[:left]
        number = read(view) if len(view) else 0
        left -= number
        return number

    skipped = 0
    room = memoryview(bytearray(min(start, WINDOW)))
    while skipped < start and (number := fill(room[: start - skipped])):
        skipped += number
    return fill, skipped == start


def _read_by(stream: Any) -> Fill:
    """The read of a stream's that returns soonest. BlockingIOError where there is nothing to be had without waiting."""
    into = next((getattr(stream, name) for name in ("readinto1", "readinto") if hasattr(stream, name)), None)
    read = getattr(stream, "read1", stream.read)

    def fill(view: memoryview) -> int:
        if into is not None:
            number = into(view)
            if number is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            return int(number)
        block = read(len(view))
        if block is None:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        if isinstance(block, str):
            raise TypeError(f"a stream of bytes is needed, not one of text: {stream!r}")
        if not isinstance(block, (bytes, bytearray, memoryview)):
            getattr(block, "close", int)()  # a coroutine, which would warn that nobody has waited for it
            raise TypeError(f"a stream's read returns bytes, not {type(block).__name__!r}: {stream!r}")
        view[: len(block)] = block
        return len(block)

    return fill


def matches(pieces: Windows, needle: bytes, *, overlapping: bool, ignorecase: bool) -> Iterator[list[int]]:
    """The offsets of a needle's matches in what comes in windows: those that are known before a read blocks.

    They are those of iter_find in all of it: a window's search goes on where the last match, or what the window before
    could decide, ended.
    """
    step, start = 1 if overlapping else len(needle), 0
    for buffer, end, offset in pieces:
        # Neither room for all offsets is needed nor numpy, whose import takes more memory than the search.
        found = chosen.iter_find(buffer, needle, start - offset, end, overlapping=overlapping, ignorecase=ignorecase)
        while offsets := [offset + place for place in islice(found, OFFSETS)]:
            start = offsets[-1] + step
            yield offsets
        start = max(start, offset + end - (len(needle) - 1))


class Several:
    """Several needles, and how they are searched for."""

    def __init__(self, kernel: Any, needles: Any, overlapping: bool, ignorecase: bool) -> None:
        self._kernel, self._overlapping = kernel, overlapping
        own = needles if isinstance(needles, Needles) else needles_bytes(needles)
        self._lengths = list(map(len, own))
        self._prepared = prepare(own, kernel.Prepared, ignorecase)
        self.shared = max(self._lengths, default=1) - 1

    def matches(self, pieces: Windows) -> Iterator[list[int]]:
        """The offsets of their matches, as `matches` tells them."""
        return ([offset for offset, _ in some] for some in self.pairs(pieces))

    def pairs(self, pieces: Windows) -> Iterator[list[tuple[int, int]]]:
        """Their matches, each with which needle it is. One is known when the longest needle would have room there."""
        start, last = 0, (b"", 0, 0)
        for window in pieces:
            last = _, end, offset = window
            if end - self.shared > start - offset:
                start = yield from self._in_window(window, start - offset, end - self.shared)
        _, end, offset = last
        if end > start - offset:
            yield from self._in_window(last, start - offset, end)

    def _in_window(
        self, window: tuple[Any, int, int], start: int, until: int
    ) -> Generator[list[tuple[int, int]], None, int]:
        """The matches that start in a part of a window; returns where the next may."""
        buffer, end, offset = window
        behind = until
        found = parts.found(self._kernel.scan(buffer, self._prepared, (start, end, until), self._overlapping), True)
        while some := list(islice(found, OFFSETS)):
            place, which = some[-1]
            if not self._overlapping:
                behind = max(until, place + self._lengths[which])
            yield [(offset + place, which) for place, which in some]
        return offset + behind


def count(fill: Fill, needle: bytes, *, overlapping: bool, ignorecase: bool) -> int:
    """How many matches there are in a stream."""
    options: Any = {"overlapping": overlapping, "ignorecase": ignorecase}
    if not (overlapping or cannot_overlap(needle.lower() if ignorecase else needle)):
        return sum(map(len, matches(windows(fill, len(needle) - 1), needle, **options)))
    number = start = 0
    for buffer, end, offset in windows(fill, len(needle) - 1):
        number += chosen.count(buffer, needle, start - offset, end, **options)
        start = max(0, offset + end - (len(needle) - 1))
    return number


class StreamSearch:
    """One search in a stream, from byte `start` on up to `end`."""

    def __init__(self, kernel: Any, stream: Any, needle: Any, span: tuple[int, int], options: dict[str, bool]) -> None:
        self._start, self._options = span[0], options
        self._several = Several(kernel, needle, **options) if isinstance(needle, several) else None
        self._needle = b"" if self._several else needle_bytes(needle)
        self._fill, self._is_there = reader_of(stream, *span)

    def report_to(self, progress: Progress) -> None:
        """Has it told how many bytes were read. How many there are isn't known before the end."""
        reporter, fill = Reporter(progress, None), self._fill

        def reported(view: memoryview) -> int:
            number = fill(view)
            if number:
                reporter.add(number)
            else:
                reporter.end()
            return number

        self._fill = reported

    def offsets(self) -> Iterator[int]:
        """Where the matches are."""
        for some in self._some():
            for offset in some:
                yield self._start + offset

    def _some(self) -> Iterator[list[int]]:
        if self._several is not None:
            return self._several.matches(windows(self._fill, self._several.shared))
        if not self._needle:
            return self._everywhere()
        return matches(windows(self._fill, len(self._needle) - 1), self._needle, **self._options)

    def _everywhere(self) -> Iterator[list[int]]:
        """Where an empty needle is."""
        known = 0
        if self._is_there:
            yield [0]
        for _, end, offset in windows(self._fill, 0):
            for low in range(known, offset + end, OFFSETS):
                yield list(range(low + 1, min(low + OFFSETS, offset + end) + 1))
            known = offset + end

    def count(self) -> int:
        """How many matches there are."""
        if self._needle:
            return count(self._fill, self._needle, **self._options)
        return sum(map(len, self._some()))
