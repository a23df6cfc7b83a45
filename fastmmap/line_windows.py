"""A text in windows of whole lines, so that what is found in one can be told before the next is looked at."""

from __future__ import annotations

from ._backend import chosen
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


class Window:
    """Lines: [start, end) of a buffer, of which byte 0 is the text's byte `offset`.

    `numbers` counts the text's lines. `passes`: the buffer is there for this window alone, and numbers with it.
    `is_dense` is set by who finds much in it.
    """

    __slots__ = ("buffer", "end", "is_dense", "numbers", "offset", "passes", "start")

    def __init__(self, buffer: Any, start: int, end: int, numbers: Numbers, passes: bool = False) -> None:
        self.buffer, self.start, self.end = buffer, start, end
        self.numbers, self.offset, self.passes = numbers, numbers.offset, passes
        self.is_dense = False


class Numbers:
    """The numbers of lines, counted on from the last one that was asked for, or from the first in the buffer.

    Byte 0 of the buffer is the text's byte `offset`, where line `first` begins.
    """

    def __init__(self, buffer: Any, offset: int = 0, first: int = 0) -> None:
        self._buffer, self.offset, self._first = buffer, offset, first
        self._last = 0, first

    def of(self, start: int) -> int:
        """The number of the line that begins at a byte of the text."""
        place = start - self.offset
        before, number = self._last
        if place < before:
            before, number = 0, self._first
        number += int(chosen.count(self._buffer, b"\n", before, place))
        self._last = place, number
        return number


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
    """What a stream gives, each window as soon as it has whole lines. So many lines before it stay in its buffer."""
    room = memoryview(bytearray(STREAMED))
    context, begun = b"", [b""]  # lines that were in the window before; a line that hasn't ended yet
    offset = first = 0
    while number := fill(room):
        block = bytes(room[:number])
        cut = block.rfind(b"\n") + 1
        if not cut:
            begun.append(block)
            continue
        buffer = b"".join([context, *begun, block[:cut]])
        yield Window(buffer, len(context), len(buffer), Numbers(buffer, offset, first), True)
        kept = _start_of_last(buffer, before)
        first += buffer.count(b"\n", 0, kept)
        offset, context, begun = offset + kept, buffer[kept:], [block[cut:]]
    buffer = b"".join([context, *begun])
    if len(buffer) > len(context):
        yield Window(buffer, len(context), len(buffer), Numbers(buffer, offset, first), True)


def _start_of_last(text: bytes, lines: int) -> int:
    """Where so many lines begin, the last ones of a text that ends with a newline."""
    start = len(text)
    for _ in range(lines):
        if start == 0:
            break
        start = text.rfind(b"\n", 0, start - 1) + 1
    return start


def line_end(buffer: Any, place: int, size: int) -> int:
    """Behind the newline of the line that holds the byte before a place."""
    newline: int = chosen.find(buffer, b"\n", place - 1, size)
    return newline + 1 if newline >= 0 else size


def first_lines(window: Window, start: int, end: int, most: int) -> tuple[list[bytes], int]:
    """The first lines of [start, end) of a window's text, and where the next one begins."""
    buffer, low, high = window.buffer, start - window.offset, end - window.offset
    lines: list[bytes] = []
    while len(lines) < most and low < high:
        behind = line_end(buffer, low + 1, high)
        lines.append(copy_of(buffer, low, behind).removesuffix(b"\n"))
        low = behind
    return lines, low + window.offset


def last_lines(window: Window, start: int, end: int, most: int) -> list[bytes]:
    """The last lines of [start, end) of a window's text, which is behind a newline, as far as the buffer has them."""
    buffer, low, high = window.buffer, max(start - window.offset, 0), end - window.offset
    lines: list[bytes] = []
    while len(lines) < most and low < high:
        first = max(chosen.rfind(buffer, b"\n", low, high - 1) + 1, low)
        lines.append(copy_of(buffer, first, high - 1))
        high = first
    return lines[::-1]


def copy_of(buffer: Any, start: int, end: int) -> bytes:
    """A part of a buffer, as bytes."""
    with readable(buffer) as view:
        return bytes(view[start:end])
