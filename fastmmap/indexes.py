"""The index of a mapping's lines: made by all cores, extended, pickled, and checked where it is used again."""

from __future__ import annotations

import os
from _thread import RLock

from . import _imports, parallel
from ._backend import chosen
from .blame import ours
from .progress import run
from .reference.sampling import SAMPLED, TOTALLED

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .progress import Progress

    # What the kernels find lines by, and how many lines there are.
    Index: TypeAlias = tuple[tuple[Any, Any], int]

    # A file's inode, size in bytes and time of the last change in nanoseconds.
    State: TypeAlias = tuple[int, int, int]

# By which a text is known again: so many pieces of it, each of so many bytes.
SAMPLES, SAMPLE_BYTES = 32, 256

# How often a buffer is counted that changes meanwhile. What comes of the last time isn't kept then.
TRIES = 3


class Counted:
    """How many newlines stand before each KiB of a buffer, and what that buffer was when they were counted.

    `before` and `inside` are two arrays, see src/sampled.pxi; `size` is the buffer's in bytes, `offset` where it begins
    in its file, `state` what the file was, None where there is none; `sample` a checksum of pieces of the buffer.
    """

    __slots__ = ("before", "inside", "offset", "sample", "size", "state")

    def __init__(self, arrays: tuple[Any, Any], size: int, sample: int, offset: int, state: State | None) -> None:
        self.before, self.inside = arrays
        self.size, self.sample, self.offset, self.state = size, sample, offset, state

    def __reduce__(self) -> Any:
        return Counted, ((self.before, self.inside), self.size, self.sample, self.offset, self.state)

    def begins(self, buffer: Any) -> bool:
        """Whether a buffer begins as the one did that was counted, as far as samples say."""
        return self.size <= len(buffer) and self.sample == sample_of(buffer, self.size)

    def is_of(self, mapping: Any) -> bool:
        """Whether a mapping is of the same part of the same file, which at most has grown since."""
        now = state_of(mapping)
        if now is None or self.state is None or self.offset != mapping.offset:
            return False
        inode, size, changed = self.state
        is_same = now == (inode, size, changed) or (now[0] == inode and now[1] > size)
        return is_same and self.begins(mapping)


class LineIndex:
    """How many newlines stand before each KiB of a buffer, in a 450th of its size and a KiB.

    It is made at the first use, by all cores, and again when it was told to forget.
    """

    def __init__(self) -> None:
        self._lock, self._process = RLock(), os.getpid()
        self.made: Index | None = None
        self._counted: Counted | None = None  # what was made; or before that, what the buffer begins with
        self._change = object()  # another one after each change of the buffer: a number could lose one of two at once

    def of(self, buffer: Any, threads: int | None = None, progress: Progress | None = None) -> Index:
        """What the kernels find lines by, and how many lines there are."""
        made = self.made
        if made is None:
            with self._alone():
                made = self.made or self._make(buffer, threads, progress)
        return made

    def _alone(self) -> Any:
        """The lock. A child that was forked meanwhile has another one: nobody gives back its parent's."""
        if self._process != os.getpid():
            self._lock, self._process = RLock(), os.getpid()
        return self._lock

    def _make(self, buffer: Any, threads: int | None, progress: Progress | None) -> Index:
        """Counts, and once more if the buffer changes meanwhile, by another thread or by `progress`."""
        for left in reversed(range(TRIES)):
            change, known = self._change, self._counted
            try:
                if known is not None and not known.begins(buffer):
                    known = None
                counted = _count(buffer, known, threads, progress)
                made = _index(buffer, counted)
            except (IndexError, ValueError):  # it has become shorter
                if change is self._change or not left:
                    raise
                continue
            if change is self._change:
                self._counted, self.made = counted, made
                if change is not self._change:  # by another thread, just before that was kept
                    self._counted = self.made = None
                break
        return made

    def counted(self) -> Counted | None:
        """What was made, if it was."""
        with self._alone():
            return self._counted if self.made is not None else None

    def forget(self) -> None:
        """What the buffer holds has changed, or will."""
        self._change = object()
        self._counted = self.made = None

    def extend(self) -> None:
        """The buffer has grown. If it begins as it did, only what is new is looked through."""
        self._change = object()
        self.made = None

    def take(self, counted: Counted) -> None:
        """What was counted elsewhere, of a buffer that this one begins with: that is looked at again."""
        self._change = object()
        self._counted, self.made = counted, None

    def is_dated(self, state: State | None) -> bool:
        """Whether the file's state is another than when it was counted, as far as that is known."""
        counted = self._counted
        return counted is not None and None not in (counted.state, state) and counted.state != state


def _count(buffer: Any, known: Counted | None, threads: int | None, progress: Progress | None) -> Counted:
    numpy = _imports.load("numpy")
    state = state_of(buffer)  # before, so that a change meanwhile makes another state
    size = len(buffer)
    before = numpy.zeros(-(-size // TOTALLED) + 1, dtype=numpy.int64)
    inside = numpy.zeros(-(-size // SAMPLED), dtype=numpy.uint16)
    ratio, done = TOTALLED // SAMPLED, 0
    if known is not None:
        done = min(max(known.before.size - 2, 0), size // TOTALLED)  # the last one may have been shorter
        before[1 : done + 1], inside[: done * ratio] = known.before[1 : done + 1], known.inside[: done * ratio]

    def count(view: Any, low: int, high: int) -> None:
        index = before[low + 1 : high + 1], inside[low * ratio : high * ratio]
        chosen.count_newlines(index, view, low * TOTALLED, min(high * TOTALLED, size))

    new = size - done * TOTALLED
    parts = parallel.ranges(done, before.size - 1, -(-new // parallel.BLOCK) or 1)
    workers = parallel.workers(threads) if new >= parallel.WORTHWHILE else 1
    run(count, parts, workers, None, buffer, None if progress is None else (progress, new))
    before[done:] = numpy.cumsum(before[done:])  # not in place: see parts.Sum
    return Counted((before, inside), size, sample_of(buffer, size), getattr(buffer, "offset", 0), state)


def _index(buffer: Any, counted: Counted) -> Index:
    size = counted.size
    # A final newline opens no line.
    lines = int(counted.before[-1]) + (size > 0 and buffer[size - 1] != 10)
    # Memoryviews, whose buffers are taken by a fifth of the time of arrays'.
    return (chosen.steady(memoryview(counted.before)), chosen.steady(memoryview(counted.inside))), lines


def state_of(mapping: Any) -> State | None:
    """What tells whether a mapping's file is as it was. None where there is none, or the mapping may differ."""
    descriptor, name = getattr(mapping, "_descriptor", -1), getattr(mapping, "name", None)
    if getattr(mapping, "backend", "memory") != "mmap" or mapping.mode == "c":
        return None
    try:
        if descriptor >= 0:
            status = os.fstat(descriptor)
        elif isinstance(name, (str, bytes)):
            status = os.stat(name)
        else:
            return None
    except ours(OSError):
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def sample_of(buffer: Any, size: int) -> int:
    """A checksum of pieces of the first `size` bytes, the first and the last ones among them."""
    crc32 = _imports.load("zlib").crc32
    last = max(size - SAMPLE_BYTES, 0)
    checksum = 0
    for at in sorted({last * number // (SAMPLES - 1) for number in range(SAMPLES)}):
        checksum = crc32(buffer[at : min(at + SAMPLE_BYTES, size)], checksum)
    return checksum
