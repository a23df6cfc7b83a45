"""Counts the matches of a file in parts, so that each part's place in the edited file is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import parallel
from .._backend import run
from .model import Edit, Part

if TYPE_CHECKING:
    from ..mapped import MappedFile


def first_match(source: MappedFile, edit: Edit, threads: int) -> int:
    """Where the first match is that is to be replaced, -1 without any."""
    return edit.matching.find(source, threads) if edit.most else -1


def all_parts(source: MappedFile, edit: Edit, first: int, threads: int) -> list[Part]:
    """The parts of a whole file, given where its first match is, or -1."""
    start = len(source) if first < 0 else first
    before = [Part(low, high, 0, 0) for low, high in parallel.blocks(0, start)]
    return [*before, *survey(source, edit, start, threads)]


def survey(
    source: MappedFile, edit: Edit, start: int, threads: int, *, block: int | None = None, peaks: bool = False
) -> list[Part]:
    """Parts of about `block` bytes from a place on, across whose bounds no match lies.

    block: None is parallel.BLOCK. peaks: whether those are counted, too.
    What is behind the last match that is to be replaced is there, too, in parts without any.
    """
    matching = edit.matching
    seams = matching.seams(source, start, block)

    def count(view: Any, number: int, most: int = -1) -> Part:
        low, high = seams.within(view, number)
        counts = matching.count_block(view, low, high, most)
        peak = matching.peak(view, (low, high), counts, most) if peaks else 0
        return Part(low, high, sum(counts), matching.grown(counts), peak)

    numbers = seams.numbers()
    if edit.most < 0:
        counting = threads if len(source) - start >= parallel.WORTHWHILE else 1
        found: list[Part] = run(count, numbers, counting, buffer=source)
        return found
    parts, left = [], edit.most
    for (number,) in numbers:
        parts.append(count(source, number, left) if left else Part(*seams.within(source, number), 0, 0))
        left -= parts[-1].number
    return parts
