"""Work on a large buffer by several threads: blocks that can be worked on apart, and what is done with them.

A block is 8 MiB: half a millisecond of work and more, against microseconds for handing it out. It is short enough that
all threads end together, and stop soon after an interrupt or once `find` knows its answer. Between 4 and 64 MiB, blocks
of any size were equally fast. The seam between two blocks lies where no match is (`Seams`), so results are put together
by adding.
"""

from __future__ import annotations

import functools
import itertools
import operator
import os
import sys
from _thread import get_ident
from collections import deque
from collections.abc import Sequence

from . import _backend, _imports, system
from .progress import run
from .reference.arguments import check_threads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, SupportsIndex

    from .progress import Progress
    from .reference.arguments import Offsets

BLOCK = 1 << 23

# From this many bytes on, work is handed out. It is PARALLEL_BYTES in src/arguments.pxd, which says why.
WORTHWHILE = 1 << 24

# More threads than this wait for memory, on every machine that was measured by others; none of ours has as many.
MOST_THREADS = 8

# Offsets that are collected at a time: 256 KiB of them, a part of any core's second-level cache.
ROOM = 1 << 15

# From 32 MiB on, an array is made larger by remapping its pages; below, that isn't certain. See `enlarged`.
REMAPPED = 1 << 22

# How often a seam is moved past a match before it is given up: a needle that overlaps itself may leave no gap for long.
TRIES = 64


def ranges(start: int, end: int, parts: int) -> list[tuple[int, int]]:
    """At most `parts` ranges of about the same size that cover [start, end), none of them empty."""
    number = number_of_ranges(end - start, parts)
    bounds = [start + (end - start) * part // number for part in range(number + 1)]
    return [(low, high) for low, high in itertools.pairwise(bounds) if low < high]


def number_of_ranges(size: int, parts: int) -> int:
    """How many ranges there are of so many bytes if `parts` are asked for: each has a byte, but for the one of none."""
    if parts < 1:
        raise ValueError(f"the number of ranges must be at least 1, not {parts}")
    return max(min(operator.index(parts), size), 1)


def blocks(start: int, end: int, block: int | None = None) -> list[tuple[int, int]]:
    """[start, end) in blocks of about so many bytes; of BLOCK, if that isn't said."""
    return ranges(start, end, _number(start, end, block or BLOCK))


def _number(start: int, end: int, block: int) -> int:
    return max(1, -(-(end - start) // block))


class Seams(Sequence[tuple[int, int]]):
    """[start, end) in blocks across whose bounds no match lies, overlapping ones included.

    What is found from left to right in each block, on its own, is then what is found from left to right in all. A
    bound on which a match lies is moved to that match's end. It is given up when that would go too far: the block to
    its right is empty then. Bounds are looked for when a block is taken, because looking reads a file's pages, and the
    system more around them. Two threads may look for the same one: both take what the first has found, even if
    somebody writes to the file meanwhile.
    """

    def __init__(
        self, rfind: Callable[..., int], buffer: Any, needle: bytes, start: int, end: int, block: int | None = None
    ) -> None:
        self._find_last = functools.partial(rfind, threads=1)
        self._buffer, self._needle = buffer, needle
        self._start, self._end = start, end
        self._far = (block or BLOCK) // 2
        self._blocks = _number(start, end, block or BLOCK)
        self._bounds: dict[int, int | None] = {0: start, self._blocks: end}

    def __len__(self) -> int:
        return self._blocks

    def __getitem__(self, block: Any) -> Any:
        if not 0 <= block < self._blocks:
            raise IndexError(block)
        return self.within(self._buffer, block)

    def numbers(self) -> list[tuple[int]]:
        """The blocks, as parts for `run`, whose work asks `within`."""
        return [(block,) for block in range(self._blocks)]

    def within(self, view: Any, block: int) -> tuple[int, int]:
        """A block, found by a thread's own view of the buffer."""
        low = self._bound(view, block)
        if low is None:
            return self._start, self._start
        bounds = (self._bound(view, later) for later in range(block + 1, self._blocks + 1))
        return low, next(high for high in bounds if high is not None)

    def _bound(self, view: Any, block: int) -> int | None:
        """Where a block begins, None where it is given up. Bounds keep their order: none is moved by a whole block."""
        if block in self._bounds:
            return self._bounds[block]
        bound = self._start + (self._end - self._start) * block // self._blocks
        return self._bounds.setdefault(block, self._look(view, bound))

    def _look(self, view: Any, bound: int) -> int | None:
        high, reach = bound, len(self._needle) - 1
        for _ in range(TRIES):
            low, end = max(high - reach, self._start), min(high + reach, self._end)
            across = self._find_last(view, self._needle, low, end)
            if across < 0:
                return high
            high = across + len(self._needle)
            if high - bound > self._far:
                break
        return None


def workers(threads: SupportsIndex | None) -> int:
    """How many threads a large call gets: as asked for, or FASTMMAP_THREADS, or as many as there are CPUs for us.

    None inside another executor's worker is one: whoever made that executor has shared the CPUs out already. So it is
    where the kernel is Python, whose threads take turns.
    """
    if threads is None:
        demand = os.environ.get("FASTMMAP_THREADS")
        if demand:
            if not demand.isdigit() or int(demand) < 1:
                raise ValueError(f"FASTMMAP_THREADS must be a number of at least 1, not {demand!r}")
            return min(int(demand), MOST_THREADS)
        if _backend.chosen.name == "python" or _in_an_executor():
            return 1
        return min(system.cpus(), MOST_THREADS)
    check_threads(threads)
    return min(threads.__index__(), MOST_THREADS)


def _in_an_executor() -> bool:
    module = sys.modules.get("concurrent.futures.thread")
    if module is None:
        return False
    target = getattr(sys.modules["threading"].current_thread(), "_target", None)
    return target is not None and target is getattr(module, "_worker", None)


class Haystack:
    """What a call works on: [start, end) of a buffer. `progress` is told how much of it is done.

    `most`: so many results are enough, the first ones. None: all.
    """

    __slots__ = ("_told", "buffer", "end", "most", "start")

    def __init__(self, buffer: Any, start: int, end: int, progress: Progress | None = None) -> None:
        self.buffer, self.start, self.end = buffer, start, end
        self.most: int | None = None
        self._told = None if progress is None else (progress, end - start)

    def run(self, work: Any, parts: Sequence[tuple[Any, ...]], threads: int, enough: Any = None) -> list[Any]:
        """work(buffer, *part) for each part, by several threads; the results in order."""
        return run(work, parts, threads, enough, self.buffer, self._told)


def find(kernel: Any, hay: Haystack, needle: bytes, ignorecase: bool, threads: int) -> int:
    """The first match. Blocks are of starts: the bytes they are searched in reach into the next block."""

    def work(view: Any, low: int, high: int) -> int:
        found: int = kernel.find(view, needle, low, high + len(needle) - 1, ignorecase=ignorecase, threads=1)
        return found

    parts = blocks(hay.start, hay.end - len(needle) + 1)
    results = hay.run(work, parts, threads, _is_found)
    return results[-1] if results else -1


def rfind(kernel: Any, hay: Haystack, needle: bytes, ignorecase: bool, threads: int) -> int:
    """The last match: the blocks are begun from the end."""

    def work(view: Any, low: int, high: int) -> int:
        found: int = kernel.rfind(view, needle, low, high + len(needle) - 1, ignorecase=ignorecase, threads=1)
        return found

    parts = blocks(hay.start, hay.end - len(needle) + 1)[::-1]
    results = hay.run(work, parts, threads, _is_found)
    return results[-1] if results else -1


def _is_found(offset: int) -> bool:
    return offset >= 0


def count(kernel: Any, hay: Haystack, needle: bytes, overlapping: bool, ignorecase: bool, threads: int) -> int:
    """How many matches there are."""
    seams = Seams(functools.partial(kernel.rfind, ignorecase=ignorecase), hay.buffer, needle, hay.start, hay.end)

    def work(view: Any, block: int) -> int:
        low, high = seams.within(view, block)
        number: int = kernel.count(view, needle, low, high, overlapping=overlapping, ignorecase=ignorecase, threads=1)
        return number

    return sum(hay.run(work, seams.numbers(), threads))


def find_all(kernel: Any, hay: Haystack, needle: bytes, overlapping: bool, ignorecase: bool, threads: int) -> Offsets:
    """The offsets of all matches, or of the first ones: those are looked for by the calling thread alone."""
    seams = Seams(functools.partial(kernel.rfind, ignorecase=ignorecase), hay.buffer, needle, hay.start, hay.end)
    find_into = functools.partial(kernel.find_into, overlapping=overlapping, ignorecase=ignorecase)
    collector = _BlockCollector(find_into, needle, 1 if overlapping else len(needle), seams)
    if hay.most is None:
        hay.run(collector.collect_block, seams.numbers(), threads)
        return collector.all()
    most = hay.most
    hay.run(collector.collect_block, seams.numbers(), 1, lambda _: collector.filled >= most)
    first: Offsets = collector.all()[:most].copy()
    return first


def line_starts(kernel: Any, hay: Haystack, threads: int) -> Offsets:
    """The offsets at which lines start: the first byte, and what follows a newline that isn't the last byte."""
    parts = [(block, low, high) for block, (low, high) in enumerate(blocks(hay.start, hay.end - 1))]
    find_into = functools.partial(kernel.find_into, added=1)
    collector = _Collector(find_into, b"\n", 0, len(parts), hay.start)
    hay.run(collector.collect, parts, threads)
    return collector.all()


def gather(kernel: Any, buffer: Any, into: tuple[Any, Any], records: tuple[Any, Any], threads: int) -> None:
    """Copies records into an array: `into` is that and where each begins in it, None where they are its rows."""
    (data, starts), (offsets, lengths) = into, records

    def work(view: Any, low: int, high: int) -> None:
        some = data[low:high] if starts is None else data[int(starts[low]) : int(starts[high])]
        kernel.gather_into(some, view, offsets[low:high], lengths if starts is None else lengths[low:high])

    _backend.run(work, ranges(0, offsets.size, 4 * threads), threads, buffer=buffer)


class _Collector:
    """The offsets that the parts of a call find, put together in order in one array, behind `head`.

    A part's offsets are found into rooms that fit into a core's cache and are used again and again. The calling thread
    alone copies them to their place, after each of its own parts and at the end: so every offset goes to memory once,
    and nothing has to be locked.

    find_into: a kernel's. step: how far behind an offset that was written the search goes on.
    """

    def __init__(self, find_into: Callable[..., int], needle: bytes, step: int, parts: int, *head: int) -> None:
        numpy = _imports.load("numpy")
        self._find_into, self._needle, self._step = find_into, needle, step
        self._make_room = functools.partial(numpy.empty, ROOM, dtype=numpy.int64)
        self._spare_rooms: deque[Any] = deque()
        self._offsets = self._make_room()
        self._offsets[: len(head)] = head
        self.filled = len(head)
        self._ready: list[list[tuple[Any, int]] | None] = [None] * parts  # not yet found, or copied already
        self._next_part = 0  # to be copied
        self._caller = get_ident()

    def collect(self, view: Any, part: int, low: int, high: int) -> None:
        """Does a part: finds its offsets in [low, high), a room full at a time."""
        rooms = []
        found = ROOM
        while found == ROOM:
            room = self._take_room()
            found = self._find_into(room, view, self._needle, low, high)
            rooms.append((room, found))
            if found:
                low = int(room[found - 1]) + self._step
        self._ready[part] = rooms
        if get_ident() == self._caller:
            self._store()

    def _take_room(self) -> Any:
        try:
            return self._spare_rooms.pop()
        except IndexError:
            return self._make_room()

    def _store(self) -> None:
        """Copies what is ready and next in order."""
        while self._next_part < len(self._ready) and (rooms := self._ready[self._next_part]) is not None:
            self._ready[self._next_part] = None
            needed = self.filled + sum(found for _, found in rooms)
            if needed > self._offsets.size:
                # As many as there will be if they go on as before, with an eighth to spare.
                expected = int(1.125 * needed * len(self._ready) / (self._next_part + 1))
                self._offsets = enlarged(self._offsets, expected + ROOM)
            for room, found in rooms:
                self._offsets[self.filled : self.filled + found] = room[:found]
                self.filled += found
                self._spare_rooms.append(room)
            self._next_part += 1

    def all(self) -> Offsets:
        """The array, when all parts are done."""
        self._store()
        offsets: Offsets = self._offsets
        offsets.resize(self.filled, refcheck=False)
        return offsets


class _BlockCollector(_Collector):
    """A collector whose parts are the blocks between seams."""

    def __init__(self, find_into: Callable[..., int], needle: bytes, step: int, seams: Seams) -> None:
        super().__init__(find_into, needle, step, len(seams))
        self._seams = seams

    def collect_block(self, view: Any, block: int) -> None:
        """Does a block, whose bounds are looked for now."""
        self.collect(view, block, *self._seams.within(view, block))


def enlarged(offsets: Any, room: int) -> Any:
    """An array of `room` elements that starts with `offsets`, to which nothing else may refer.

    A large one isn't copied. A small one is, because numpy asks for huge pages when it makes an array, not when it
    resizes one, and without them a large result takes twice as long to fill.
    """
    if offsets.size >= REMAPPED:
        offsets.resize(room, refcheck=False)
        return offsets
    larger = _imports.load("numpy").empty(room, dtype=offsets.dtype)
    larger[: offsets.size] = offsets
    return larger


class Once:
    """Refuses a part of a replacement that was begun before: done again, it could find what it has stored itself.

    In a child that is forked in the middle, those of the parent's threads are an error.
    """

    def __init__(self) -> None:
        self._begun: set[int] = set()

    def begin(self, part: int) -> None:
        if part in self._begun:
            raise RuntimeError("this process was forked while another thread was replacing, which the child lacks")
        self._begun.add(part)


def replace(kernel: Any, hay: Haystack, rfind: Any, old: bytes, new: bytes, threads: int) -> int:
    """How many were replaced, all of them."""
    seams, once = Seams(rfind, hay.buffer, old, hay.start, hay.end), Once()

    def work(view: Any, block: int) -> int:
        once.begin(block)
        low, high = seams.within(view, block)
        number: int = kernel.replace(view, old, new, start=low, end=high, threads=1)
        return number

    return sum(hay.run(work, seams.numbers(), threads))
