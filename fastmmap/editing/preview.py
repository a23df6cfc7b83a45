"""What an edit would change, as lines before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ..reference.arguments import END

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from .model import Edit

# Of a line that is longer, so many bytes are shown before the first match in it, and as many after.
LONGEST = 1 << 12


@dataclass(frozen=True)
class Change:
    r"""A line that an edit would change, or several lines that matches lie across, as `Plan.preview` lists them.

    Attributes
    ----------
    offset : int
        The offset of the first match in it, in bytes, in the old file.
    number : int
        The number of its line, from 0, as in `MappedFile.lines`.
    before, after : bytes
        The line as it is and as it would be, without its newline. Of a line of more than 8 KiB: what is around the
        match.

    Examples
    --------
    >>> import fastmmap, pathlib
    >>> pathlib.Path("notes.txt").write_bytes(b"one\nmy colour\n")
    14
    >>> fastmmap.plan_replace("notes.txt", "colour", "color").preview(1)
    [Change(offset=7, number=1, before=b'my colour', after=b'my color')]
    """

    offset: int
    number: int
    before: bytes
    after: bytes


@dataclass(frozen=True)
class _Shown:
    """What is replaced at an offset, by what: without the newlines that both begin or end with, if there are.

    Such a newline stays what it is: the lines before and behind it aren't changed.
    """

    offset: int
    match: int  # where the whole match is
    length: int
    new: bytes


@dataclass
class _Stretch:
    """Lines that change together: bytes [start, end) of the source, and the matches in them."""

    start: int
    end: int
    shown: list[_Shown]


def changes(source: MappedFile, edit: Edit, most: int) -> list[Change]:
    """The first changes in a file."""
    found: list[Change] = []
    number = counted = 0
    for stretch in islice(_stretches(source, edit), min(most, END)):
        number += source.count(b"\n", counted, stretch.start)
        pieces, counted = [], stretch.start
        for each in stretch.shown:
            pieces += [source[counted : each.offset], each.new]
            counted = each.offset + each.length
        after = b"".join([*pieces, source[counted : stretch.end]])
        counted = stretch.start
        found.append(Change(stretch.shown[0].match, number, source[stretch.start : stretch.end], after))
    return found


def _shown(match: int, old: bytes, new: bytes) -> _Shown:
    lead = 0
    if old.endswith(b"\n") and new.endswith(b"\n"):
        old, new = old[:-1], new[:-1]
    if old.startswith(b"\n") and new.startswith(b"\n"):
        old, new, lead = old[1:], new[1:], 1
    return _Shown(match + lead, match, len(old), new)


def _stretches(source: MappedFile, edit: Edit) -> Iterator[_Stretch]:
    """Each begins where the one before has ended, or later."""
    stretch: _Stretch | None = None
    ended = 0
    for match, pair in islice(edit.matching.matches(source), END if edit.most < 0 else edit.most):
        each = _shown(match, *edit.matching.pair(pair))
        offset, match_end = each.offset, each.offset + each.length
        if stretch is not None and (offset > stretch.end or offset >= stretch.shown[0].offset + LONGEST):
            ended = stretch.end
            yield stretch
            stretch = None
        if stretch is None:
            low = max(ended, offset - LONGEST)
            newline = source.rfind(b"\n", low, offset)
            stretch = _Stretch(newline + 1 if newline >= 0 else low, 0, [])
        stretch.shown.append(each)
        high = max(match_end, min(stretch.shown[0].offset + LONGEST, len(source)))
        newline = source.find(b"\n", match_end, high)
        stretch.end = newline if newline >= 0 else high
    if stretch is not None:
        yield stretch
