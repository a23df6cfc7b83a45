"""What a search is for: the needles, or the regular expressions, of a command line."""

from __future__ import annotations

import os

from ..errors import naming
from .values import literal, unescaped

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from typing import Any

    from ..needles import Needles
    from .options import Given


class Wanted:
    """One needle or several, in the order in which they were given; or regular expressions, of which `pattern` is one.

    ignorecase: whether ASCII letters match in either case.
    """

    def __init__(self, needles: list[bytes], ignorecase: bool, is_pattern: bool) -> None:
        self.needles, self.ignorecase, self.is_pattern = needles, ignorecase, is_pattern
        self._pattern: re.Pattern[bytes] | None = None
        self._several: Needles | None = None

    @property
    def sought(self) -> Any:
        """What `grep` takes. It is made ready once, for all files."""
        if self.is_pattern:
            return self.pattern
        return self.needles[0] if len(self.needles) == 1 else self.several

    @property
    def several(self) -> Needles:
        """The needles, made ready."""
        if self._several is None:
            from ..needles import Needles

            self._several = Needles(self.needles, self.ignorecase)
        return self._several

    @property
    def pattern(self) -> re.Pattern[bytes]:
        """One regular expression for all of it: what it finds in a line is what the needles are."""
        if self._pattern is None:
            self._pattern = self._joined()
        return self._pattern

    def _joined(self) -> re.Pattern[bytes]:
        import re

        # The longest of the needles that begin at a place is the match, so the longest come first.
        needles = self.needles if self.is_pattern else map(re.escape, sorted(self.needles, key=len, reverse=True))
        alternatives = list(needles)
        whole = alternatives[0] if len(alternatives) == 1 else b"|".join(b"(?:%b)" % each for each in alternatives)
        if not alternatives:
            whole = rb"(?!)"  # found nowhere
        flags = re.IGNORECASE if self.ignorecase else 0
        if self.is_pattern and len(alternatives) > 1:
            for each in alternatives:
                _check_alone(_compiled(each, flags))
        return _compiled(whole, flags)


def _compiled(text: bytes, flags: int) -> re.Pattern[bytes]:
    """A regular expression. ValueError for what is none."""
    import re

    try:
        return re.compile(text, flags)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{os.fsdecode(text)!r} is not a regular expression: {error}") from None


def _check_alone(pattern: re.Pattern[bytes]) -> None:
    """ValueError for what would mean something else as one of several: numbers and names of groups, and flags."""
    import re

    refers = pattern.groups and re.search(rb"\\[1-9]|\(\?P=|\(\?\(", pattern.pattern)
    if refers or pattern.groupindex or re.match(rb"\(\?[aiLmsux]+\)", pattern.pattern):
        text = os.fsdecode(pattern.pattern)
        raise ValueError(f"{text!r} has named groups, references to groups or flags, and so must be the only -E")


def wanted(given: Given) -> Wanted:
    """What a command line is looking for. An error in it ends the command."""
    is_pattern = bool(given.extended_regexp)
    if is_pattern and given.fixed_strings:
        given.command.fail("-E and -F don't go together")
    texts = [*given.needle, *([] if given.needle or given.file else [given.the_needle])]
    needles = []
    try:
        for text in texts:
            needles.append(literal(text, given.escapes and not is_pattern))
        for file in given.file:
            needles += _from_file(file, given.escapes and not is_pattern)
    except ValueError as error:
        given.command.fail(f"NEEDLE: {error}")
    if b"" in needles and not is_pattern:
        hint = r"a NUL byte, which no argument can hold, is \0 with --escapes"
        given.command.fail(f"NEEDLE is empty; {hint}")
    found = Wanted(needles, bool(given.ignore_case), is_pattern)
    if is_pattern:
        try:
            found.pattern  # noqa: B018  # an error in it is one of the command line
        except ValueError as error:
            given.command.fail(str(error))
    return found


def _from_file(file: str, escapes: bool) -> list[bytes]:
    """The lines of a file of needles."""
    from .sources import Source

    with Source(file) as source:
        data = bytes(source.data) if source.data is not None else _rest(source)
    lines = data.removesuffix(b"\n").split(b"\n") if data else []
    for number, line in enumerate(lines, 1):
        if not line:
            raise ValueError(f"line {number} of {file} is empty")
    return [unescaped(line) for line in lines] if escapes else lines


def _rest(source: Any) -> bytes:
    """All that a stream has."""
    blocks = []
    with naming(source.name):
        while block := source.read(1 << 16):
            blocks.append(block)
    return b"".join(blocks)
