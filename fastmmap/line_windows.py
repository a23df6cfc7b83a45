"""A text in windows of whole lines, so that what is found in one can be told before the next is looked at."""

from __future__ import annotations

from ._backend import chosen
from .reference.arguments import readable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

# The first window has so many bytes, the next GROWTH times as many, up to MOST: large enough for all threads, small
# enough for the offsets of all that stands in one to fit in memory.
FIRST, GROWTH, MOST = 1 << 16, 8, 1 << 25


class Window:
    """Lines: [start, end) of a buffer, of which byte 0 is the text's byte `offset`.

    `numbers` counts lines: of(start) is the number of the line that begins at a byte of the buffer.
    """

    __slots__ = ("buffer", "end", "numbers", "offset", "start")

    def __init__(self, buffer: Any, start: int, end: int, offset: int, numbers: Numbers) -> None:
        self.buffer, self.start, self.end, self.offset, self.numbers = buffer, start, end, offset, numbers


class Numbers:
    """The numbers of a buffer's lines, counted on from the last one that was asked for, or from the first."""

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer
        self._last = 0, 0

    def of(self, start: int) -> int:
        """The number of the line that begins at a byte."""
        before, number = self._last
        if start < before:
            before, number = 0, 0
        number += int(chosen.count(self._buffer, b"\n", before, start))
        self._last = start, number
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
        yield Window(buffer, start, end, 0, numbers)
        start, step = end, min(step * GROWTH, MOST)


def line_end(buffer: Any, place: int, size: int) -> int:
    """Behind the newline of the line that holds the byte before a place."""
    newline: int = chosen.find(buffer, b"\n", place - 1, size)
    return newline + 1 if newline >= 0 else size


def first_lines(buffer: Any, start: int, end: int, most: int) -> tuple[list[bytes], int]:
    """The first lines of [start, end), and where the next one begins."""
    lines: list[bytes] = []
    while len(lines) < most and start < end:
        behind = line_end(buffer, start + 1, end)
        lines.append(copy_of(buffer, start, behind).removesuffix(b"\n"))
        start = behind
    return lines, start


def last_lines(buffer: Any, start: int, end: int, most: int) -> list[bytes]:
    """The last lines of [start, end), which is behind a newline."""
    lines: list[bytes] = []
    while len(lines) < most and start < end:
        first = max(chosen.rfind(buffer, b"\n", start, end - 1) + 1, start)
        lines.append(copy_of(buffer, first, end - 1))
        end = first
    return lines[::-1]


def copy_of(buffer: Any, start: int, end: int) -> bytes:
    """A part of a buffer, as bytes."""
    with readable(buffer) as view:
        return bytes(view[start:end])
