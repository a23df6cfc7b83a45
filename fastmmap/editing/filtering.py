"""Replaces in what can only be read on, such as a pipe: block by block, in constant memory."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from ..reference.arguments import END
from ..streams import windows
from .writing import BLOCK

if TYPE_CHECKING:
    from ..streams import Fill
    from .model import Edit


def substituted(fill: Fill, edit: Edit) -> Generator[memoryview, None, int]:
    """What a stream gives, with its matches replaced, in order; and how many those were, in the end (`StopIteration`).

    A piece is good until the next one is asked for. What is decided is given before the next read, which may block: a
    match is decided when the longest would have room at its start.
    """
    work = _Filter(edit)
    window: tuple[Any, int, int] = (b"", 0, 0)
    for window in windows(fill, work.shared):
        yield from work.decided(window, is_last=False)
    yield from work.decided(window, is_last=True)
    return work.replaced


class _Filter:
    """How far a stream is: `done` counts its bytes that were given, replaced or not."""

    def __init__(self, edit: Edit) -> None:
        self._matching, self._most = edit.matching, END if edit.most < 0 else edit.most
        self.done = self.replaced = 0
        self.shared = max(edit.matching.longest_old - 1, 0)
        self._block = memoryview(bytearray(max(BLOCK, edit.matching.longest_new)))

    def decided(self, window: tuple[Any, int, int], *, is_last: bool) -> Generator[memoryview, None, None]:
        """What a window decides, from where the one before has left off."""
        buffer, end, offset = window
        start = self.done - offset
        until = end if is_last else end - self.shared
        cut = start
        if start < until and self.replaced != self._most:
            cut, number = self._matches(buffer, (start, end), until)
            self.done = offset + cut
            if number:
                with self._matching.substitution(buffer, start, cut, number) as pieces:
                    while filled := pieces.readinto(self._block):
                        yield self._block[:filled]
            else:
                yield memoryview(buffer)[start:cut]
        if self.replaced == self._most and cut < end:  # what is behind the last one that is replaced
            self.done = offset + end
            yield memoryview(buffer)[cut:end]

    def _matches(self, buffer: Any, span: tuple[int, int], until: int) -> tuple[int, int]:
        """Where what is decided ends, given which starts are; and how many matches there are before."""
        start, end = span
        number = 0
        for offsets, which in self._matching.found(buffer, start, end, self._most - self.replaced, until):
            number += len(offsets)
            old, _ = self._matching.pair(0 if which is None else int(which[-1]))
            until = max(until, int(offsets[-1]) + len(old))
        self.replaced += number
        return until, number
