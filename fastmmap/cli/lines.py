"""fastmmap lines: lines by their numbers."""

from __future__ import annotations

import os
import re
import sys

from ..errors import naming
from . import shared
from .files import label_of, on_each_file
from .options import Argument, Command, Given, Option, inputs
from .output import out
from .sources import Source, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_RANGE = re.compile(r"(-?\d+)|(-?\d+)?:(-?\d+)?", re.ASCII)

# How much is copied, or looked through for newlines, at a time: far from a line, and near by.
_BLOCK, _NEAR = 16 << 20, 1 << 16


class Range:
    """Lines from one to another, both included, counted from 1, or from -1 at the end; None for no bound."""

    def __init__(self, text: str) -> None:
        found = _RANGE.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no RANGE such as 5, 5:9, -1 or 5:")
        one, first, last = (None if number is None else _bounded(int(number)) for number in found.groups())
        self.text, self.is_one = text, one is not None
        self.first, self.last = (one, one) if self.is_one else (first, last)
        if 0 in (self.first, self.last):
            raise ValueError(f"{text!r}: lines are counted from 1, and from -1 at the end")

    def counts_from_start(self) -> bool:
        """Whether it can be found without knowing where the end is."""
        return (self.first or 1) > 0 and (self.last or 1) > 0

    def counts_from_end(self) -> bool:
        """Whether it is among so many of the last lines."""
        return (self.first or 0) < 0 and (self.last or -1) < 0


def _bounded(number: int) -> int:
    """A number that is no larger than a size may be."""
    return max(-sys.maxsize, min(number, sys.maxsize))


def fits(text: str) -> bool:
    """Whether an argument looks like a range, and not like a file."""
    return _RANGE.fullmatch(text) is not None


def run(given: Given) -> int:
    """Prints the lines of each file, and returns the status."""
    try:
        ranges = [Range(text) for text in given.ranges]
    except ValueError as error:
        given.command.fail(str(error))
    given.files = inputs(given)

    def print_lines(given: Given, file: str) -> bool:
        label = label_of(file) + b":" if len(given.files) > 1 else b""
        with Source(file) as source, naming(source.name):
            if source.data is not None:
                _Text(source.data, given.line_number, label).show(ranges)
                source.leave(None)
            elif _are_ascending(ranges):
                _show_in_stream(source, ranges, given.line_number, label)
            elif all(each.counts_from_end() for each in ranges):
                _show_end_of_stream(source, ranges, given.line_number, label)
            else:
                from ..mapped import MappedFile

                fd = 0 if file == "-" else opened(file)
                try:
                    with MappedFile(fd) as copy:  # of all that the stream has
                        _Text(copy, given.line_number, label).show(ranges)
                finally:
                    if fd:
                        os.close(fd)
        return True

    return on_each_file(print_lines, given)


class _Text:
    """A text in memory, of which some lines are printed. Numbers are from 0 here."""

    def __init__(self, data: Any, numbered: bool, label: bytes) -> None:
        from .kernels import chosen

        self._data, self._numbered, self._label = data, numbered, label
        self._count, self._find = chosen.count, chosen.find
        self._end = len(data)
        self._known = [(0, 0)]  # lines, and where they begin, in ascending order
        self._lines: int | None = None

    def show(self, ranges: list[Range]) -> None:
        """Prints the lines of each range."""
        for each in ranges:
            first = self._number(each.first or 1)
            last = None if each.last is None else self._number(each.last)
            start = self._start(first) if first >= 0 else (None if each.is_one else 0)
            if each.is_one and start is None:
                raise no_line(each, self._total())
            end = self._end if last is None else self._start(last + 1) if last >= 0 else 0
            if start is not None:
                self._put(start, self._end if end is None else end, max(first, 0))

    def _number(self, number: int) -> int:
        """From 0, of a line that may be counted from the end; negative where there is none."""
        return number - 1 if number > 0 else self._total() + number

    def _total(self) -> int:
        """How many lines there are."""
        if self._lines is None:
            newlines = self._count(self._data, b"\n")
            self._lines = newlines + (self._end > 0 and self._data[self._end - 1] != 10)
        return self._lines

    def _start(self, number: int) -> int | None:
        """Where a line begins; None behind the last."""
        line, place = max((each for each in self._known if each[0] <= number), key=lambda each: each[0])
        end = place
        for step in (_BLOCK, _NEAR):
            while True:
                end = min(place + step, self._end)
                newlines = self._count(self._data, b"\n", place, end) if place < end else 0
                if line + newlines >= number:
                    break
                if end == self._end:
                    return None
                line, place = line + newlines, end  # in the midst of that line
        for _ in range(number - line):
            place = self._find(self._data, b"\n", place, end) + 1
        if place >= self._end:
            return None
        self._known.append((number, place))
        return place

    def _put(self, start: int, end: int, number: int) -> None:
        if self._numbered or self._label:
            while start < end:
                newline = self._find(self._data, b"\n", start, end)
                behind = newline if newline >= 0 else end
                shown = b"%d:" % (number + 1) if self._numbered else b""
                out.put(self._label + shown + self._data[start:behind] + b"\n")
                start, number = behind + 1, number + 1
            return
        for low in range(start, end, _BLOCK):
            out.put(self._data[low : min(low + _BLOCK, end)])
        if start < end and self._data[end - 1] != 10:
            out.put(b"\n")


def _are_ascending(ranges: list[Range]) -> bool:
    """Whether they can be printed in one go through a stream."""
    done = 0
    for each in ranges:
        if not each.counts_from_start() or (each.first or 1) <= done:
            return False
        done = each.last or 1 << 62
    return True


def _show_in_stream(source: Source, ranges: list[Range], numbered: bool, label: bytes) -> None:
    """Prints lines as they come, and reads no further than it must."""
    lines, number = _lines_of(source), 0
    for each in ranges:
        for line in lines:
            number += 1
            if number >= (each.first or 1):
                out.put(label + (b"%d:" % number if numbered else b"") + line + b"\n")
            if number == each.last:
                break
        if each.is_one and number != each.last:
            raise no_line(each, number)


def _show_end_of_stream(source: Source, ranges: list[Range], numbered: bool, label: bytes) -> None:
    """Prints some of the last lines, and keeps no more of them."""
    from collections import deque

    most = max(-(each.first or 0) for each in ranges)
    last: deque[bytes] = deque(maxlen=most)
    number = 0
    for line in _lines_of(source):
        last.append(line)
        number += 1
    for each in ranges:
        first, end = len(last) + (each.first or 0), len(last) + 1 + (each.last or -1)
        if each.is_one and first < 0:
            raise no_line(each, number)
        for at in range(max(first, 0), end):
            shown = b"%d:" % (number - len(last) + at + 1) if numbered else b""
            out.put(label + shown + last[at] + b"\n")


def no_line(each: Range, lines: int) -> ValueError:
    """The error for a single line that isn't there."""
    return ValueError(f"there is no line {each.text}: there {'is' if lines == 1 else 'are'} {lines}")


def _lines_of(source: Source) -> Iterator[bytes]:
    """The lines of a stream."""
    room, begun = memoryview(bytearray(1 << 16)), [b""]
    while number := source.readinto(room):
        first, *pieces = bytes(room[:number]).split(b"\n")
        begun.append(first)
        if pieces:
            yield b"".join(begun)
            begun = [pieces.pop()]
            yield from pieces
    if any(begun):
        yield b"".join(begun)


COMMAND = Command(
    "lines",
    "Print lines by their numbers",
    run,
    [
        Argument("RANGE", "N, or FIRST:LAST with both included; from 1, or from -1 at the end; either bound may be "
                 "left out", many=True, fits=fits),
        shared.FILES,
    ],
    about="In the order in which they are named. Nothing behind the last of them is read, unless a number counts from "
    "the end. A single line that isn't there is an error.",
    options=[Option("-n --line-number", "print line numbers, too")],
    examples=[
        ("fastmmap lines 1000000 corpus.txt", "one line"),
        ("fastmmap lines 5:9 -1 app.log", "lines 5 to 9, and the last one"),
        ("fastmmap lines -10: app.log", "the last ten"),
        ("fastmmap lines :3 *.csv", "the first three of each file"),
    ],
    counts=True,
)  # fmt: skip
