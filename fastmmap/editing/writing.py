"""Writes parts of an edited file to their places; several at once, because their places are known."""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import parallel
from .._backend import check_wanted, run
from .model import Edit, Part

if TYPE_CHECKING:
    from ..mapped import MappedFile

# What is assembled before it is written: large enough for one system call to cost nothing, small enough for the cache.
BLOCK = 1 << 20

# What is said where other matches are replaced than were counted.
CHANGED = "The file changed while it was being edited (matches)"


def placed(parts: list[Part], place: int = 0) -> list[tuple[Part, int]]:
    """Parts with their places, the first of which is known."""
    found = []
    for part in parts:
        found.append((part, place))
        place += part.new_length
    return found


def write_parts(
    source: MappedFile,
    edit: Edit,
    places: list[tuple[Part, int]],
    threads: int,
    put: Callable[[memoryview, int], None],
) -> None:
    """Has `put` write each piece to its place. OSError where a part isn't what it was when its matches were counted."""

    def fill(view: Any, part: Part, place: int) -> None:
        at, end = place, place + part.new_length
        block = memoryview(bytearray(max(min(BLOCK, end - at), edit.matching.longest_new, 1)))
        with edit.matching.substitution(view, part.start, part.end, part.number) as pieces:
            while filled := pieces.readinto(block):
                check_wanted()
                if at + filled > end:
                    raise OSError(errno.EBUSY, CHANGED)  # there are fewer matches than were counted, or shorter ones
                put(block[:filled], at)
                at += filled
            if at != end or pieces.replaced != part.number:
                raise OSError(errno.EBUSY, CHANGED)

    total = sum(part.new_length for part, _ in places)
    # A byte that is edited and written takes some four times as long as one that is looked at.
    run(fill, places, threads if total >= parallel.WORTHWHILE // 4 else 1, buffer=source)
