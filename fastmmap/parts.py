"""A search for many needles in parts: blocks for threads, with seams between them, or pieces that have to be copied."""

from __future__ import annotations

import itertools
import os
from _thread import get_ident
from collections import deque
from contextlib import closing

from . import _imports, parallel
from .parallel import blocks, workers
from .progress import Reporter, run
from .reference.arguments import buffer_within, clamp, viewed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

# Matches that an iterator looks for at a time: one at first, then GROWTH times as many. One may be all that is wanted.
GROWTH, MOST_ROOM = 8, 512

# How far a seam is moved besides.
SLACK = 4096


class _Released:
    """Has `release` be called `close`."""

    def __init__(self, scan: Any) -> None:
        self.find_into, self.close = scan.find_into, scan.release


def iterate(search: Search, each: bool) -> Iterator[Any]:
    """The offsets of the matches, in constant memory; each with the number of its needle, if that is asked for.

    The buffer is held from the call on.
    """
    scans = search.scans()
    return itertools.chain.from_iterable(found(scan, each) for scan in itertools.chain([next(scans)], scans))


def found(scan: Any, each: bool) -> Iterator[Any]:
    array = _imports.load("array").array
    room = 1
    with closing(_Released(scan)):
        while True:
            offsets, which = array("q", bytes(8 * room)), array("i", bytes(4 * room)) if each else None
            number = scan.find_into(offsets, which)
            yield from zip(offsets[:number], which, strict=False) if which else offsets[:number]
            if number < room:
                return
            room = min(room * GROWTH, MOST_ROOM)


class Search:
    """One call: where it searches, and in how many parts."""

    def __init__(
        self, kernel: Any, buffer: Any, prepared: Any, span: tuple[int, int], overlapping: bool, threads: Any
    ) -> None:
        if isinstance(buffer, (str, os.PathLike)):
            buffer = buffer_within(buffer, *span)
        self.kernel, self.buffer, self.prepared, self.overlapping = kernel, buffer, prepared, overlapping
        self.threads = threads
        try:
            size = memoryview(buffer).nbytes  # in no variable, which an interrupt's frames would keep
        except TypeError:  # the reference's mapping; what is no buffer is refused by the kernel
            size = len(buffer) if isinstance(buffer, viewed) else 0
        self.start, self.end = clamp(*span, size)
        self.start, self.until = min(self.start, size), self.end
        self.progress: Any = None  # whom it tells how far it is
        self.whole = False  # whether it is searched in one part, whatever it is

    def in_turn(self) -> Iterator[tuple[int, int, int]]:
        """Start, end and until of what is searched by the calling thread alone: of all, but where it must be copied."""
        self.threads = 1
        parts, span = self._parts(True)
        reporter = None if self.progress is None else Reporter(self.progress, self.until - self.start)
        for number in range(parts):
            yield span(self.buffer, number)
            if reporter is not None:
                reporter.add((self.until - self.start) // parts)
        if reporter is not None:
            reporter.end()

    def scans(self) -> Iterator[Any]:
        """What finds the matches from left to right, in one part after the other."""
        for span in self.in_turn():
            yield self.kernel.scan(self.buffer, self.prepared, span, self.overlapping)

    def iterate(self) -> Iterator[tuple[int, int]]:
        """The matches from left to right, in constant memory: where they are, and which needle's."""
        found: Iterator[tuple[int, int]] = iterate(self, True)
        return found

    def _blocks(self) -> list[tuple[int, int]]:
        """More than one where there are threads to work on them, or where they are copied one by one."""
        if self.until - self.start >= parallel.WORTHWHILE and not self.whole:
            copied = self.kernel.is_copied(self.buffer)
            if copied or self.progress is not None or self.kernel.workers(self.buffer, self.threads, self.start) > 1:
                return blocks(self.start, self.until)
        return [(self.start, self.until)]

    def _parts(self, apart: bool) -> tuple[int, Callable[[Any, int], tuple[int, int, int]]]:
        """How many parts there are, and what tells start, end and until of each.

        Parts end where no match lies; or where matches may overlap, or `apart` is false, anywhere: `until` is where
        their starts end, and `end` what they may read.
        """
        parts = self._blocks()
        seams = ManySeams(self) if apart and len(parts) > 1 and not self.overlapping else None

        def span(view: Any, number: int) -> tuple[int, int, int]:
            start, until = seams.within(view, number) if seams else parts[number]
            return start, until if seams else min(until + max(self.prepared.longest - 1, 0), self.end), until

        return len(parts), span

    def run(self, work: Any, enough: Any = None, *, back: bool = False) -> list[Any]:
        """work(buffer, prepared, (start, end, until), overlapping) for each part, the results in order."""
        options = (self.overlapping,) if enough is None else ()
        parts, span = self._parts(enough is None)

        def part(view: Any, number: int) -> Any:
            return work(view, self.prepared, span(view, number), *options)

        told = None if self.progress is None else (self.progress, self.until - self.start)
        if parts == 1 and told is None:
            return [part(self.buffer, 0)]
        order = [(number,) for number in range(parts)][:: -1 if back else 1]
        return run(part, order, workers(self.threads) if parts > 1 else 1, enough, self.buffer, told)


class Sum:
    """What parts have counted, added up by the calling thread alone.

    No lock is held, which a fork or an interrupt could leave behind. What a forked child does once more counts once.
    """

    def __init__(self, zeros: Any) -> None:
        self._total, self._caller = zeros, get_ident()
        self._news: deque[tuple[tuple[int, int, int], Any]] = deque()
        self._seen: set[tuple[int, int, int]] = set()

    def add(self, span: tuple[int, int, int], counts: Any) -> None:
        """A part has been counted."""
        self._news.append((span, counts))
        if get_ident() == self._caller:
            self.now()

    def now(self) -> Any:
        """The sum. Only the calling thread may ask."""
        while self._news:
            span, counts = self._news.popleft()
            if span not in self._seen:  # by both ends: a part that has nothing in it starts where the next one does
                self._seen.add(span)
                self._total = self._total + counts  # in place, numpy takes 24 KiB of stack to see whether they overlap
        return self._total


class ManySeams:
    """Bounds of blocks across which no match lies, overlapping ones included: see parallel.Seams."""

    def __init__(self, search: Search, block: int | None = None) -> None:
        self._search, self._blocks = search, blocks(search.start, search.until, block)
        self._bounds: dict[int, int | None] = {0: search.start, len(self._blocks): search.until}

    def numbers(self) -> list[tuple[int]]:
        """The blocks, as parts for `run`, whose work asks `within`."""
        return [(block,) for block in range(len(self._blocks))]

    def within(self, view: Any, block: int) -> tuple[int, int]:
        """A block, found by a thread's own view of the buffer. It is empty where its bound was given up."""
        low = self._bound(view, block)
        if low is None:
            return self._search.start, self._search.start
        bounds = (self._bound(view, later) for later in range(block + 1, len(self._blocks) + 1))
        return low, next(high for high in bounds if high is not None)

    def _bound(self, view: Any, block: int) -> int | None:
        if block in self._bounds:
            return self._bounds[block]
        return self._bounds.setdefault(block, self._look(view, self._blocks[block][0]))

    def _look(self, view: Any, bound: int) -> int | None:
        """The first place from a bound on that no match lies across, if it isn't far."""
        search = self._search
        reach = search.prepared.longest - 1
        low, high = max(bound - reach, search.start), min(bound + 2 * reach + SLACK, search.end)
        past: int = search.kernel.past_matches(view, search.prepared, (low, high, high), bound)
        return past if past <= high - reach or high == search.end else None
