"""What an edit would change, as lines before and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from ._backend import chosen

if TYPE_CHECKING:
    from .mapped import MappedFile
    from .rewriting import Edit

# Of a line that is longer, so many bytes are shown before the first match in it, and as many after.
LONGEST = 1 << 12


@dataclass(frozen=True)
class Change:
    """A line that would change, or several that matches lie across.

    offset: of the first match in it, in the old file. number: of its line, from 0, as in `lines`. before, after: the
    line without its newline; of a line of more than 8 KiB what is around the match.
    """

    offset: int
    number: int
    before: bytes
    after: bytes


@dataclass
class _Stretch:
    """Lines that change together: bytes [start, end) of the source, with so many matches, the first at `offset`."""

    offset: int
    start: int
    end: int
    matches: int = 0


def changes(source: MappedFile, edit: Edit, most: int) -> list[Change]:
    """The first changes in a file."""
    found: list[Change] = []
    number = counted = 0
    for stretch in islice(_stretches(source, edit), most):
        number += source.count(b"\n", counted, stretch.start)
        counted = stretch.start
        before = source[stretch.start : stretch.end]
        after = before.replace(edit.old, edit.new, stretch.matches)
        found.append(Change(stretch.offset, number, before, after))
    return found


def _stretches(source: MappedFile, edit: Edit) -> Iterator[_Stretch]:
    """Each begins where the one before has ended, or later, so it has the same matches on its own as in the whole."""
    stretch: _Stretch | None = None
    ended = 0
    offsets = chosen.iter_find(source, edit.old)
    for offset in offsets if edit.most < 0 else islice(offsets, edit.most):
        match_end = offset + len(edit.old)
        if stretch is not None and offset > stretch.end:
            ended = stretch.end
            yield stretch
            stretch = None
        if stretch is None:
            low = max(ended, offset - LONGEST)
            newline = source.rfind(b"\n", low, offset)
            stretch = _Stretch(offset, newline + 1 if newline >= 0 else low, 0)
        high = max(match_end, min(stretch.offset + LONGEST, len(source)))
        newline = source.find(b"\n", match_end, high)
        stretch.end = newline if newline >= 0 else high
        stretch.matches += 1
    if stretch is not None:
        yield stretch
