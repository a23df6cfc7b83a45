"""Work on a large buffer by several threads: blocks that can be worked on apart, and the pool that does.

A block is 8 MiB: half a millisecond of work and more, against microseconds for handing it out, and short enough that
all threads end together, and stop soon after an interrupt or once `find` knows its answer. Between 4 and 64 MiB, blocks
of any size were equally fast. What a match that lies across two blocks would spoil is
avoided by putting the seam between them where no match is (`Seams`), so results are put together by adding.
"""

from __future__ import annotations

import functools
import itertools
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, SupportsIndex

from . import _system
from .reference.arguments import check_threads

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

BLOCK = 1 << 23

# From this many bytes on, work is handed out. It is PARALLEL_BYTES in src/kernel.pxd, which says why.
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
    if parts < 1:
        raise ValueError(f"the number of ranges must be at least 1, not {parts}")
    bounds = [start + (end - start) * part // parts for part in range(parts + 1)]
    return [(low, high) for low, high in itertools.pairwise(bounds) if low < high]


def blocks(start: int, end: int) -> list[tuple[int, int]]:
    """[start, end) in blocks."""
    return ranges(start, end, _number(start, end))


def _number(start: int, end: int) -> int:
    return max(1, -(-(end - start) // BLOCK))


class Seams(Sequence[tuple[int, int]]):
    """[start, end) in blocks across whose bounds no match lies, overlapping ones included.

    What is found from left to right in each block, on its own, is then what is found from left to right in all. A
    bound on which a match lies is moved to that match's end, and given up when that would go too far: the block to its
    right is empty then. Bounds are looked for when a block is taken, because looking reads a file's pages, and the
    system more around them.
    """

    def __init__(
        self, rfind: Callable[..., int], buffer: Any, needle: bytes, start: int, end: int, ignorecase: bool = False
    ) -> None:
        self._find_last = functools.partial(rfind, buffer, needle, ignorecase=ignorecase, threads=1)
        self._length = len(needle)
        self._start, self._end = start, end
        self._blocks = _number(start, end)
        self._bounds: dict[int, int | None] = {0: start, self._blocks: end}

    def __len__(self) -> int:
        return self._blocks

    def __getitem__(self, block: Any) -> Any:
        if not 0 <= block < self._blocks:
            raise IndexError(block)
        low = self._bound(block)
        if low is None:
            return self._start, self._start
        return low, next(high for high in map(self._bound, range(block + 1, self._blocks + 1)) if high is not None)

    def _bound(self, block: int) -> int | None:
        """Where a block begins, None where it is given up. Bounds keep their order: none is moved by a whole block."""
        if block not in self._bounds:
            self._bounds[block] = self._look(self._start + (self._end - self._start) * block // self._blocks)
        return self._bounds[block]

    def _look(self, bound: int) -> int | None:
        high = bound
        for _ in range(TRIES):
            across = self._find_last(max(high - self._length + 1, self._start), min(high - 1 + self._length, self._end))
            if across < 0:
                return high
            high = across + self._length
            if high - bound > BLOCK // 2:
                break
        return None


def workers(threads: SupportsIndex | None) -> int:
    """How many threads a large call gets: as asked for, or FASTMMAP_THREADS, or as many as there are CPUs for us.

    None inside another executor's worker is one: whoever made that executor has shared the CPUs out already.
    """
    if threads is None:
        demand = os.environ.get("FASTMMAP_THREADS")
        if demand:
            if not demand.isdigit() or int(demand) < 1:
                raise ValueError(f"FASTMMAP_THREADS must be a number of at least 1, not {demand!r}")
            return min(int(demand), MOST_THREADS)
        if _in_an_executor():
            return 1
        return min(_system.cpus(), MOST_THREADS)
    check_threads(threads)
    return min(threads.__index__(), MOST_THREADS)


def _in_an_executor() -> bool:
    module = sys.modules.get("concurrent.futures.thread")
    target = getattr(threading.current_thread(), "_target", None)
    return target is not None and target is getattr(module, "_worker", None)


class _Pool:
    """The process's threads. A forked child has none of its parent's, and makes its own."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.__init__)  # type: ignore[misc]

    def submit(self, task: Callable[[], None]) -> Future[None]:
        from concurrent import futures  # loads logging, so not before a large call

        with self._lock:
            if self._executor is None:
                self._executor = futures.ThreadPoolExecutor(MOST_THREADS - 1, thread_name_prefix="fastmmap")
            return self._executor.submit(task)


_pool = _Pool()


def run(
    work: Callable[..., Any],
    parts: Sequence[tuple[Any, ...]],
    threads: int,
    enough: Callable[[Any], bool] = lambda result: False,
) -> list[Any]:
    """work(*part) for each part, by the calling thread and others; the results in order.

    Parts are begun in order. After a result that is enough no later part is begun, and the list ends with it. An
    error, or an interrupt, stops all threads after their block, and is raised when none of them runs any more.
    """
    results: list[Any] = [None] * len(parts)
    upcoming = iter(range(len(parts)))  # next() on it is atomic: each part is taken once
    last = len(parts)
    lock = threading.Lock()

    def take_turns() -> None:
        nonlocal last
        try:
            for part in upcoming:
                if part >= last:
                    return
                results[part] = work(*parts[part])
                if enough(results[part]):
                    with lock:
                        last = min(last, part + 1)
        except BaseException:
            last = 0
            raise

    others: list[Future[None]] = []
    try:
        for _ in range(min(threads, len(parts)) - 1):
            others.append(_pool.submit(take_turns))
    except RuntimeError:
        pass  # at shutdown no thread can be had: the calling one does it all
    try:
        take_turns()
    finally:
        running = [other for other in others if not other.cancel()]
        while not all(other.done() for other in running):
            time.sleep(0.0002)  # not a wait on a lock, which another interrupt would leave
    for other in running:
        other.result()
    return results[:last]


def _holding(verb: Callable[..., Any]) -> Callable[..., Any]:
    """Lets a verb work on one view of a mapping, because every block takes the buffer, and a mapping that is closed
    meanwhile is no buffer any more. The view is released even if an error keeps this frame."""

    @functools.wraps(verb)
    def hold(kernel: Any, buffer: Any, *arguments: Any) -> Any:
        if not hasattr(buffer, "file_status"):
            return verb(kernel, buffer, *arguments)
        with buffer.view() as view:
            return verb(kernel, view, *arguments)

    return hold


@_holding
def find(kernel: Any, buffer: Any, needle: bytes, start: int, end: int, ignorecase: bool, threads: int) -> int:
    """The first match. Blocks are of starts: the bytes they are searched in reach into the next block."""

    def work(low: int, high: int) -> int:
        found: int = kernel.find(buffer, needle, low, high + len(needle) - 1, ignorecase=ignorecase, threads=1)
        return found

    results = run(work, blocks(start, end - len(needle) + 1), threads, lambda found: found >= 0)
    return results[-1] if results else -1


@_holding
def rfind(kernel: Any, buffer: Any, needle: bytes, start: int, end: int, ignorecase: bool, threads: int) -> int:
    """The last match: the blocks are begun from the end."""

    def work(low: int, high: int) -> int:
        found: int = kernel.rfind(buffer, needle, low, high + len(needle) - 1, ignorecase=ignorecase, threads=1)
        return found

    results = run(work, blocks(start, end - len(needle) + 1)[::-1], threads, lambda found: found >= 0)
    return results[-1] if results else -1


@_holding
def count(
    kernel: Any, buffer: Any, needle: bytes, start: int, end: int, overlapping: bool, ignorecase: bool, threads: int
) -> int:
    """How many matches there are."""

    def work(low: int, high: int) -> int:
        number: int = kernel.count(buffer, needle, low, high, overlapping=overlapping, ignorecase=ignorecase, threads=1)
        return number

    return sum(run(work, Seams(kernel.rfind, buffer, needle, start, end, ignorecase), threads))


@_holding
def find_all(
    kernel: Any, buffer: Any, needle: bytes, start: int, end: int, overlapping: bool, ignorecase: bool, threads: int
) -> Any:
    """The offsets of all matches."""
    parts = Seams(kernel.rfind, buffer, needle, start, end, ignorecase)
    return _collected(kernel, buffer, needle, parts, threads, overlapping=overlapping, ignorecase=ignorecase)


@_holding
def line_starts(kernel: Any, buffer: Any, start: int, end: int, threads: int) -> Any:
    """The offsets at which lines start: the first byte, and what follows a newline that isn't the last byte."""
    return _collected(kernel, buffer, b"\n", blocks(start, end - 1), threads, head=[start], added=1)


def _collected(
    kernel: Any,
    buffer: Any,
    needle: bytes,
    parts: Sequence[tuple[int, int]],
    threads: int,
    head: Sequence[int] = (),
    added: int = 0,
    **options: bool,
) -> Any:
    """`head`, then the matches of all parts plus `added`, in one array.

    A part's matches are found into rooms that fit into a core's cache and are used again and again. Whichever thread
    finds that the next part in order is ready copies it to its place: so every offset goes to memory once.
    """
    import numpy

    offsets = numpy.empty(ROOM, dtype=numpy.int64)
    offsets[: len(head)] = head
    filled, turn = len(head), 0
    ready: dict[int, list[Any]] = {}
    spare: list[Any] = []
    lock = threading.Lock()

    def look(part: int) -> None:
        low, high = parts[part]
        pieces = []
        found = ROOM
        while found == ROOM:
            room = spare.pop() if spare else numpy.empty(ROOM, dtype=numpy.int64)
            found = kernel.find_into(room, buffer, needle, low, high, added=added, **options)
            pieces.append(room[:found])
            if found:
                low = int(room[found - 1]) - added + (1 if options.get("overlapping") else len(needle))
        ready[part] = pieces
        store(wait=False)

    def store(wait: bool) -> None:
        nonlocal offsets, filled, turn
        while turn in ready and lock.acquire(blocking=wait):
            try:
                while turn in ready:
                    pieces = ready.pop(turn)
                    found = filled + sum(piece.size for piece in pieces)
                    if found > offsets.size:
                        # As many as there will be if they go on as before, with an eighth to spare.
                        offsets = enlarged(offsets, int(1.125 * found * len(parts) / (turn + 1)) + ROOM)
                    for piece in pieces:
                        offsets[filled : filled + piece.size] = piece
                        filled += piece.size
                        spare.append(piece.base)
                    turn += 1
            finally:
                lock.release()

    run(look, [(part,) for part in range(len(parts))], threads)
    store(wait=True)
    offsets.resize(filled, refcheck=False)
    return offsets


def enlarged(offsets: Any, room: int) -> Any:
    """An array of `room` elements that starts with `offsets`, to which nothing else may refer.

    A large one isn't copied. A small one is, because numpy asks for huge pages when it makes an array, not when it
    resizes one, and without them a large result takes twice as long to fill.
    """
    import numpy

    if offsets.size >= REMAPPED:
        offsets.resize(room, refcheck=False)
        return offsets
    larger = numpy.empty(room, dtype=numpy.int64)
    larger[: offsets.size] = offsets
    return larger


@_holding
def replace(kernel: Any, buffer: Any, rfind: Any, old: bytes, new: bytes, start: int, end: int, threads: int) -> int:
    """How many were replaced, all of them."""

    def work(low: int, high: int) -> int:
        number: int = kernel.replace(buffer, old, new, start=low, end=high, threads=1)
        return number

    return sum(run(work, Seams(rfind, buffer, old, start, end), threads))
