"""Ranges that can be worked on apart, and how their results are put together exactly."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from .reference.arguments import data_bytes


def ranges(start: int, end: int, parts: int) -> list[tuple[int, int]]:
    """At most `parts` ranges of about the same size that cover [start, end), none of them empty."""
    if parts < 1:
        raise ValueError(f"the number of ranges must be at least 1, not {parts}")
    bounds = [start + (end - start) * part // parts for part in range(parts + 1)]
    return [(low, high) for low, high in itertools.pairwise(bounds) if low < high]


def aligned_ranges(buffer: Any, size: int, parts: int, align: Any, find: Callable[..., int]) -> list[tuple[int, int]]:
    """At most `parts` ranges that cover the buffer's `size` bytes, each but the last ending with `align`.

    No record, which is what ends with `align`, is split: a bound is moved to the end of the record it falls into.
    """
    mark = b"" if align is None else data_bytes(align, "align")
    bounds = [0]
    for _, high in ranges(0, size, parts):
        if mark and bounds[-1] < high < size:
            found = find(buffer, mark, max(high - len(mark), bounds[-1]))
            high = found + len(mark) if found >= 0 else size
        bounds.append(max(high, bounds[-1]))
    return [(low, high) for low, high in itertools.pairwise(bounds) if low < high]
