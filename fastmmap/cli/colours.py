"""Colours, as GNU grep and ripgrep have them."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterable

NAME, NUMBER, MATCH, SIGN, OLD, NEW = b"35", b"32", b"1;31", b"36", b"1;31", b"1;32"


def are_wanted(when: str) -> bool:
    """Whether output is coloured: `when` is auto, always or never."""
    if when != "auto":
        return when == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("CLICOLOR_FORCE", "0") != "0":
        return True
    return os.isatty(1) and os.environ.get("TERM") != "dumb" and _obeys(1)


def _obeys(fd: int) -> bool:
    """Whether a terminal takes colours: Windows' own has to be told to do so."""
    if sys.platform == "win32":
        from .. import system

        return system.native.make_obey(fd)
    return True


class Palette:
    """Gives texts colours, or none."""

    def __init__(self, coloured: bool) -> None:
        self.coloured = coloured

    def paint(self, text: bytes, colour: bytes) -> bytes:
        """A text in a colour."""
        return b"\x1b[%bm%b\x1b[0m" % (colour, text) if self.coloured and text else text

    def marked(self, line: bytes, pattern: re.Pattern[bytes]) -> bytes:
        """A line, in which all that a pattern matches has the colour of matches."""
        return self.marked_at(line, [match.span() for match in pattern.finditer(line)], MATCH)

    def marked_at(self, line: bytes, spans: Iterable[tuple[int, int]], colour: bytes) -> bytes:
        """A line, in which some spans have a colour."""
        pieces, done = [], 0
        for start, end in spans:
            pieces += [line[done:start], self.paint(line[start:end], colour)]
            done = end
        return b"".join([*pieces, line[done:]])
