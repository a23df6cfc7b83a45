"""What finds the lines that grep is asked for, in a window of whole lines."""

from __future__ import annotations

import re
import sys
from itertools import chain, islice

from . import _imports, parallel
from ._backend import Match, chosen, run
from .line_windows import Window, copy_of, line_end
from .needles import Needles
from .patterns import Literals, spelled_out

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol
else:
    Protocol = object  # typing takes milliseconds to import

# Lines that are found together: one at first, then GROWTH times as many. One may be all that is wanted.
GROWTH, TOGETHER = 8, 512

# Lines that are copied and split, or given to `re`, together: few bytes at first, then as many as a cache holds.
FIRST_BLOCK, MOST_BLOCK = 1 << 13, 1 << 16

# Into how many parts what a thread is given is cut.
PARTS_EACH = 4

# Where more than one in so many bytes is a match's first.
DENSE = 32

# So many bytes before and behind the midst of a window are looked at for which literals are rare.
SAMPLE = 1 << 13

# Where more of the lines than these hold what a pattern needs, looking for it saves little, and another way is quicker:
# literals that are all it needs, or `re` for each line. It is gone for so many windows: then the text may be another.
COMMON, NEARLY_ALL, PATIENCE = 0.25, 0.8, 16


class Finder(Protocol):
    """What finds lines."""

    def some_lines(self, window: Window) -> Iterator[list[Match]]:
        """The lines of a window in which something is found, some at a time, one at first."""


class Plain:
    """Finds the lines that hold one of some needles."""

    def __init__(self, literals: Literals, threads: int | None) -> None:
        self.literals = literals
        if literals.ready is None:
            needles = literals.needles
            literals.ready = needles[0] if len(needles) == 1 else Needles(needles, literals.ignorecase)
        self._needles = literals.ready
        self._threads = threads

    def count(self, window: Window, start: int, end: int) -> int:
        """How many matches a part of a window has."""
        number: int = chosen.count(
            window.buffer, self._needles, start, end, ignorecase=self.literals.ignorecase, threads=self._threads
        )
        return number

    def some_lines(self, window: Window) -> Iterator[list[Match]]:
        """The lines of a window that hold one, some at a time: one at first."""
        offsets = self._offsets(window)
        window.is_dense = len(offsets) * DENSE > window.end - window.start
        return lines_of(window, offsets)

    def _offsets(self, window: Window) -> Any:
        """Where needles are in a window. Before numpy is imported, that isn't worth the time it would take."""
        buffer, start, end, fold = window.buffer, window.start, window.end, self.literals.ignorecase
        if "numpy" in sys.modules:
            return chosen.find_all(buffer, self._needles, start, end, ignorecase=fold, threads=self._threads)
        array = _imports.load("array").array

        def in_part(view: Any, low: int, high: int) -> Any:
            return array("q", chosen.iter_find(view, self._needles, low, high, ignorecase=fold))

        parts, workers = [(start, end)], 1
        if end - start >= parallel.WORTHWHILE:
            workers = parallel.workers(self._threads)
            parts = list(_parts(window, workers)) if workers > 1 else parts
        offsets = array("q")
        for found in run(in_part, parts, workers, None, buffer):
            offsets.extend(found)
        return offsets


class Confirmed:
    """Finds the lines in which a pattern is found: among those that hold one of the literals it needs.

    Of several sets of literals, the one is taken that is rarest in the midst of each window.
    """

    def __init__(self, pattern: re.Pattern[bytes], sets: list[Literals], threads: int | None) -> None:
        self._pattern = pattern
        self._choice = [Plain(literals, threads) for literals in sets]
        self._threads = threads
        self._made: tuple[Plain | None, EveryLine] | None = None
        self._where_common: Plain | EveryLine  # for as many windows as there is patience
        self._patience = 0

    def some_lines(self, window: Window) -> Iterator[list[Match]]:
        """The lines of a window in which something is found, some at a time."""
        if self._patience:
            self._patience -= 1
            return self._where_common.some_lines(window)
        return self._lines(window)

    def _lines(self, window: Window) -> Iterator[list[Match]]:
        middle = (window.start + window.end) // 2
        span = max(middle - SAMPLE, window.start), min(middle + SAMPLE, window.end)
        rarest = (
            min(self._choice, key=lambda plain: plain.count(window, *span)) if self._choice[1:] else self._choice[0]
        )
        number, begin = 0, rarest.literals.begin
        for lines in rarest.some_lines(window):
            number += len(lines)
            yield chosen.lines_confirmed(lines, self._pattern.search, begin)
        all_lines = chosen.count(window.buffer, b"\n", window.start, window.end) if number else 0
        if number > COMMON * all_lines:
            spelled, every = self._others()
            # `re` finds a match that begins with a literal in less time than it takes for a whole line.
            if spelled is not None or (number > NEARLY_ALL * all_lines and not begin):
                self._where_common, self._patience = spelled or every, PATIENCE

    def _others(self) -> tuple[Plain | None, EveryLine]:
        """What finds lines where the literals are everywhere. No cached_property, whose lock a fork may leave held."""
        if self._made is None:
            spelled = spelled_out(self._pattern)
            plain = None if spelled is None else Plain(spelled, self._threads)
            self._made = plain, EveryLine(self._pattern, self._threads)
        return self._made


class EveryLine:
    """Gives `re` each line."""

    def __init__(self, pattern: re.Pattern[bytes], threads: int | None) -> None:
        self._search = pattern.search
        # Threads pay where there is no lock that `re` holds.
        is_free = not getattr(sys, "_is_gil_enabled", lambda: True)()
        self._threads = parallel.workers(threads) if is_free else 1

    def some_lines(self, window: Window) -> Iterator[list[Match]]:
        """The lines of a window in which something is found, some at a time."""
        blocks = blocks_of(window.buffer, window.start, window.end)
        while group := list(islice(blocks, self._threads)):
            for (_, start), (lines, hits) in zip(group, run(self._in_block, group, self._threads)):
                if any(hits):
                    yield chosen.lines_hit(lines, hits, (start + window.offset, window.numbers))

    def _in_block(self, block: bytes, _: int) -> tuple[list[bytes], list[re.Match[bytes] | None]]:
        """The lines, and what is found in each."""
        lines = block.removesuffix(b"\n").split(b"\n")
        return lines, list(map(self._search, lines))


class Without:
    """Finds the lines that another finder doesn't find."""

    def __init__(self, finder: Finder, threads: int | None) -> None:
        self._finder, self._every = finder, EveryLine(re.compile(b""), threads)

    def some_lines(self, window: Window) -> Iterator[list[Match]]:
        """The lines of a window in which nothing is found, some at a time."""
        start = window.start
        for match in chain.from_iterable(self._finder.some_lines(window)):
            end = match.start - window.offset
            if start < end:
                yield from self._every.some_lines(window.part(start, end))
            start = end + len(match.line) + 1
        if start < window.end:
            yield from self._every.some_lines(window.part(start, window.end))


def _parts(window: Window, number: int) -> Iterator[tuple[int, int]]:
    """A window in parts of whole lines, about so many for each thread that those who are done first help the others."""
    size = max((window.end - window.start) // (number * PARTS_EACH), 1)
    start = window.start
    while start < window.end:
        end = line_end(window.buffer, min(start + size, window.end), window.end)
        yield start, end
        start = end


def lines_of(window: Window, offsets: Any) -> Iterator[list[Match]]:
    """The lines of a window that hold the bytes at some offsets, some at a time: one at first."""
    start, end, place = window.start, window.end, (window.offset, window.numbers)
    done, room = 0, 1
    while done < len(offsets):
        lines = chosen.lines_around(window.buffer, offsets[done : done + room], start, end, place)
        done, room = done + room, min(room * GROWTH, TOGETHER)
        if lines:
            start = min(lines[-1].end + 1 - window.offset, end)
            yield lines


def blocks_of(buffer: Any, start: int, end: int) -> Iterator[tuple[bytes, int]]:
    """[start, end) in blocks of whole lines, each with where it begins."""
    step = FIRST_BLOCK
    while start < end:
        behind = line_end(buffer, min(start + step, end), end)
        yield copy_of(buffer, start, behind), start
        start, step = behind, min(step * GROWTH, MOST_BLOCK)
