"""Ranges that split no record: bounds that are moved to the ends of records."""

from __future__ import annotations

import itertools

from .parallel import number_of_ranges
from .reference.arguments import data_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .reference.arguments import Data

# How many marks are stepped over backwards for a place that none lies across, before all are counted instead.
TRIES = 64


def aligned_ranges(
    kernel: Any, buffer: Any, start: int, end: int, parts: int, align: Data | None
) -> list[tuple[int, int]]:
    """At most `parts` ranges that cover buffer[start:end], each but the last ending with `align`.

    No record, which is what ends with `align`, is split: a bound is moved to the end of the record it falls into. Marks
    count from left to right, without overlaps, from `start` on, as bytes.split finds them.
    """
    mark = b"" if align is None else data_bytes(align, "align")
    size = end - start
    number = number_of_ranges(size, parts)
    bounds, part = [start], 1
    while bounds[-1] < end:
        high = start + size * part // number
        if mark and high < end:
            found = kernel.find(buffer, mark, _free(kernel, buffer, mark, bounds[-1], high), end)
            high = found + len(mark) if found >= 0 else end
        bounds.append(high)
        # The next bound behind that, however many have fallen into the record: there may be billions of them.
        part = -(-(high - start + 1) * number // size)
    return list(itertools.pairwise(bounds))


def _free(kernel: Any, buffer: Any, mark: bytes, base: int, bound: int) -> int:
    """From where on the first mark that ends at `bound` or later is the next occurrence. No mark lies across `base`.

    Only marks that overlap themselves need more than a look: which of their occurrences are marks depends on all that
    overlap each other up to there. Counting finds that out, in linear time.
    """
    low = max(bound - len(mark), base)
    if not any(mark.startswith(mark[shift:]) for shift in range(1, len(mark))):
        return low
    first = _uncrossed(kernel, buffer, mark, base, low)
    number = kernel.count(buffer, mark, first, bound - 1)
    # The last mark that ends before the bound may end behind `low`: where the count comes to what it is there.
    below, above = low, bound - 1
    if kernel.count(buffer, mark, first, below) == number:
        return low
    while above - below > 1:
        middle = (below + above) // 2
        if kernel.count(buffer, mark, first, middle) == number:
            above = middle
        else:
            below = middle
    return above


def _uncrossed(kernel: Any, buffer: Any, mark: bytes, base: int, place: int) -> int:
    """A place at or before `place` that no occurrence lies across: marks are counted from there as from `base`."""
    for _ in range(TRIES):
        found = kernel.find(buffer, mark, max(place - len(mark) + 1, base), place - 1 + len(mark))
        if found < 0 or found >= place:
            return place
        place = found
    return base
