"""What grep prints: lines as GNU grep and ripgrep print them, coloured where a terminal shows them."""

from __future__ import annotations

from .colours import MATCH, NAME, NUMBER, SIGN, Palette
from .files import label_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

    from .._backend import Match
    from .files import Put
    from .options import Given


class Stats:
    """What a search has found: for --stats and --json."""

    def __init__(self) -> None:
        self.matches = self.matched_lines = self.bytes_searched = self.bytes_printed = 0
        self.searches = self.searches_with_match = 0
        self.seconds = 0.0

    def add(self, other: Stats) -> None:
        """Those of a file."""
        for name, number in vars(other).items():
            setattr(self, name, getattr(self, name) + number)


class Layout:
    """How lines are printed, whichever file they are of."""

    def __init__(self, given: Given, named: bool, coloured: bool) -> None:
        self.named, self.palette = named, Palette(coloured)
        self.numbered: bool = given.line_number
        self.offsets: bool = given.byte_offset
        self.only: bool = given.only_matching
        self.around = bool(_around(given, "before") or _around(given, "after"))
        self.ends_name = b"\0" if given.null else None
        self.separator = self.palette.paint(b"--", SIGN) + b"\n"  # between groups of lines

    def label(self, file: str, sign: bytes) -> bytes:
        """The file's name before a line, where it is printed."""
        if not self.named:
            return b""
        behind = self.palette.paint(sign, SIGN) if self.ends_name is None else self.ends_name
        return self.palette.paint(label_of(file), NAME) + behind


def _around(given: Given, name: str) -> int:
    lines: int = getattr(given, f"{name}_context")
    return lines


class Walk:
    """Goes through lines that match and those around them, from one to the next: where each begins, and its number."""

    def __init__(self, numbered: bool) -> None:
        self._counts = numbered  # a match's number is found out when it is asked for
        self._end, self._number = -1, 0  # of the last line that was printed

    def _line(self, is_match: bool, number: int, offset: int, line: bytes) -> None:
        """Prints one line."""
        raise NotImplementedError

    def _separate(self) -> None:
        """Is called where lines were left out, and before the first."""

    def _show_with_others(self, match: Match) -> None:
        """Prints a line that matches, behind those before it that go with it."""
        number, place = match.number if self._counts else 0, match.start - sum(len(line) + 1 for line in match.before)
        if place > self._end:
            self._separate()
        for at, line in enumerate(match.before, -len(match.before)):
            self._line(False, number + at, place, line)
            place += len(line) + 1
        self._line(True, number, match.start, match.line)
        self._end, self._number = match.end + 1, number

    def show_behind(self, lines: list[bytes]) -> None:
        """Prints lines that are behind the last one."""
        for line in lines:
            self._number += 1
            self._line(False, self._number, self._end, line)
            self._end += len(line) + 1


class Lines(Walk):
    """Prints the lines of one file."""

    def __init__(self, layout: Layout, file: str, put: Put, pattern: re.Pattern[bytes] | None) -> None:
        super().__init__(layout.numbered)
        self._layout, self._put, self._pattern = layout, put, pattern
        self._labels = {sign: layout.label(file, sign) for sign in (b":", b"-")}
        self._is_plain = not (layout.offsets or layout.only or layout.palette.coloured or layout.around)

    def show(self, matches: list[Match]) -> None:
        """Prints lines that match, with those around them."""
        layout, label = self._layout, self._labels[b":"]
        if not matches:
            return
        if self._is_plain and not layout.numbered:
            # Nothing is called for each line: that would be most of what it takes to print many.
            self._put(b"%b%b\n" % (label, (b"\n" + label).join([match.line for match in matches])))
        elif self._is_plain:
            self._put(b"".join([b"%b%d:%b\n" % (label, match.number + 1, match.line) for match in matches]))
        else:
            show = self._only if layout.only else self._show_with_others
            for match in matches:
                show(match)

    def _separate(self) -> None:
        if self._layout.around:
            self._put(self._layout.separator)

    def _line(self, is_match: bool, number: int, offset: int, line: bytes) -> None:
        if is_match and self._pattern is not None:
            line = self._layout.palette.marked(line, self._pattern)
        self._text(b":" if is_match else b"-", number, offset, line)

    def _only(self, match: Match) -> None:
        """Prints what matches, each in a line of its own."""
        if self._pattern is None:  # of a line that doesn't match, there is nothing
            return
        number = match.number if self._layout.numbered else 0
        for found in self._pattern.finditer(match.line):
            if found[0]:
                text = self._layout.palette.marked_at(found[0], [(0, len(found[0]))], MATCH)
                self._text(b":", number, match.start + found.start(), text)

    def _text(self, sign: bytes, number: int, offset: int, text: bytes) -> None:
        layout, paint = self._layout, self._layout.palette.paint
        pieces = [self._labels[sign]]
        behind = paint(sign, SIGN)
        if layout.numbered:
            pieces += [paint(b"%d" % (number + 1), NUMBER), behind]
        if layout.offsets:
            pieces += [paint(b"%d" % offset, NUMBER), behind]
        self._put(b"".join([*pieces, text, b"\n"]))


def spans_of(line: bytes, pattern: re.Pattern[bytes] | None) -> list[tuple[int, int]]:
    """Where a pattern matches in a line; nowhere if there is none, as in lines that don't match."""
    return [] if pattern is None else [match.span() for match in pattern.finditer(line)]


def report(stats: Stats, seconds: float) -> bytes:
    """What --stats prints, in ripgrep's words."""
    rows: list[tuple[Any, str]] = [
        (stats.matches, "matches"),
        (stats.matched_lines, "matched lines"),
        (stats.searches_with_match, "files contained matches"),
        (stats.searches, "files searched"),
        (stats.bytes_printed, "bytes printed"),
        (stats.bytes_searched, "bytes searched"),
        (f"{stats.seconds:.6f}", "seconds spent searching"),
        (f"{seconds:.6f}", "seconds"),
    ]
    return b"\n" + b"".join(f"{number} {what}\n".encode() for number, what in rows)
