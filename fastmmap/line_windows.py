"""A text in windows of whole lines, so that what is found in one can be told before the next is looked at."""

from __future__ import annotations

from collections import deque

from ._backend import Mapping, chosen
from .reference.arguments import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .streams import Fill

# How much of a stream is read at a time.
STREAMED = 1 << 18

# The first window has so many bytes, the next GROWTH times as many, up to MOST, which is enough for all threads. Behind
# a dense one they get smaller again, so that the offsets of all that is found in one fit in memory.
FIRST, GROWTH, MOST = 1 << 16, 8, 1 << 25


# About how many bytes a line has, of those around a match: they are copied together.
GUESS = 160

# From how far back lines are counted again, at most, whichever is asked for.
COUNTED = 1 << 22


class Window:
    """Lines: [start, end) of a buffer, of which byte 0 is the text's byte `offset`.

    `numbers` counts the text's lines. `earlier` is None where the buffer is the whole text. Else the buffer, and what
    counts in it, is there for this window alone. `is_dense` is set by who finds much in it.
    """

    __slots__ = ("buffer", "earlier", "end", "is_dense", "numbers", "offset", "start")

    def __init__(self, buffer: Any, start: int, end: int, numbers: Numbers, earlier: Earlier | None = None) -> None:
        self.buffer, self.start, self.end = buffer, start, end
        self.numbers, self.offset, self.earlier = numbers, numbers.offset, earlier
        self.is_dense = False

    def part(self, start: int, end: int) -> Window:
        """Some of its lines."""
        return Window(self.buffer, start, end, self.numbers, self.earlier)


class Numbers:
    """The numbers of lines, counted on from the nearest place before that is known.

    Byte 0 of the buffer is the text's byte `offset`, where line `first` begins.
    """

    def __init__(self, buffer: Any, offset: int = 0, first: int = 0) -> None:
        self._buffer, self.offset = buffer, offset
        self._last = 0, first
        self._known = {0: first}  # numbers at multiples of COUNTED, as far as lines were counted

    def of(self, start: int) -> int:
        """The number of the line that begins at a byte of the text."""
        place = start - self.offset
        at, number = self._last
        if not 0 <= place - at <= COUNTED:
            step = place // COUNTED
            while step not in self._known:
                step -= 1
            at, number = step * COUNTED, self._known[step]
            while place - at > COUNTED:
                number += self._between(at, at + COUNTED)
                at += COUNTED
                self._known[at // COUNTED] = number
        number += self._between(at, place)
        self._last = place, number
        return number

    def _between(self, start: int, end: int) -> int:
        newlines: int = chosen.count(self._buffer, b"\n", start, end)
        return newlines


def size_of(buffer: Any) -> int:
    """How many bytes a buffer has. TypeError for what isn't one."""
    with readable(buffer) as view:
        return len(view)


def windows_of(buffer: Any, size: int) -> Iterator[Window]:
    """A buffer that is there as a whole."""
    numbers = Numbers(buffer)
    start, step = 0, FIRST
    while start < size:
        end = line_end(buffer, min(start + step, size), size)
        window = Window(buffer, start, end, numbers)
        yield window
        start, step = end, max(step // GROWTH, FIRST) if window.is_dense else min(step * GROWTH, MOST)


def windows_in_stream(fill: Fill, before: int) -> Iterator[Window]:
    """What a stream gives, each window as soon as it has whole lines. So many lines before it are at hand."""
    room = memoryview(bytearray(STREAMED))
    earlier, begun = Earlier(before), [b""]  # lines that were in windows before; a line that hasn't ended yet
    offset = first = 0
    while number := fill(room):
        block = bytes(room[:number])
        cut = block.rfind(b"\n") + 1
        if not cut:
            begun.append(block)
            continue
        buffer = b"".join([*begun, block[:cut]])
        yield Window(buffer, 0, len(buffer), Numbers(buffer, offset, first), earlier)
        lines = buffer.count(b"\n")
        earlier.add(buffer, lines)
        first, offset, begun = first + lines, offset + len(buffer), [block[cut:]]
    buffer = b"".join(begun)
    if buffer:
        yield Window(buffer, 0, len(buffer), Numbers(buffer, offset, first), earlier)


class Earlier:
    """The last lines of windows that have passed: `most` of them, and some more."""

    def __init__(self, most: int) -> None:
        self._most, self._lines = most, 0
        self._texts: deque[tuple[bytes, int]] = deque()

    def add(self, text: bytes, lines: int) -> None:
        """A window has passed."""
        self._texts.append((text, lines))
        self._lines += lines
        while self._texts and self._lines - self._texts[0][1] >= self._most:
            self._lines -= self._texts.popleft()[1]

    def last(self, size: int, most: int) -> list[bytes]:
        """The last lines of all, at most so many, within the last `size` bytes, which begin with a line."""
        lines: list[bytes] = []
        for text, _ in reversed(self._texts):
            low, end = max(len(text) - size, 0), len(text)
            while len(lines) < most and low < end:
                start = text.rfind(b"\n", low, end - 1) + 1 or low
                lines.append(text[start : end - 1])
                end = start
            size -= len(text)
            if size <= 0 or len(lines) == most:
                break
        return lines[::-1]


def line_end(buffer: Any, place: int, size: int) -> int:
    """Behind the newline of the line that holds the byte before a place."""
    newline: int = chosen.find(buffer, b"\n", place - 1, size)
    return newline + 1 if newline >= 0 else size


def first_lines(window: Window, start: int, end: int, most: int) -> tuple[list[bytes], int]:
    """The first lines of [start, end) of a window's text, and where the next one begins."""
    low, high = start - window.offset, end - window.offset
    if most == 0 or low >= high:
        return [], start
    size = min(most, high - low) * GUESS
    while True:
        text = copy_of(window.buffer, low, min(low + size, high))
        lines = text.split(b"\n", most)
        if len(lines) > most or low + size >= high:
            break
        size *= GROWTH
    if len(lines) > most or not lines[-1]:  # what follows the last newline
        lines.pop()
    return lines, min(start + sum(map(len, lines)) + len(lines), end)


def last_lines(window: Window, start: int, end: int, most: int) -> list[bytes]:
    """The last lines of [start, end) of a window's text, which is behind a newline, as far as they are at hand."""
    low, high = max(start - window.offset, 0), end - window.offset
    lines: list[bytes] = []
    if most and low < high:
        size = min(most, high - low) * GUESS
        while True:
            lines = copy_of(window.buffer, max(high - size, low), high - 1).rsplit(b"\n", most)
            if len(lines) > most or high - size <= low:
                break
            size *= GROWTH
        del lines[:-most]
    if window.earlier is not None and len(lines) < most and start < window.offset:
        lines = window.earlier.last(window.offset - start, most - len(lines)) + lines
    return lines


def copy_of(buffer: Any, start: int, end: int) -> bytes:
    """A part of a buffer, as bytes."""
    if isinstance(buffer, (bytes, Mapping)):
        return bytes(buffer[start:end])
    with readable(buffer) as view:
        return bytes(view[start:end])
