"""Replaces what matches in both cases of its letters. The kernels' substitution replaces what is as it is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _imports
from .._backend import check_wanted, chosen
from ..reference.arguments import END

if TYPE_CHECKING:
    from .matching import ManyPairs

# How many bytes are copied at a time: enough for what a piece costs besides to be little, few enough for the cache.
PIECE = 1 << 19


class FoldedSubstitution:
    """view[start:end] with the first `most` matches of pairs with ignorecase replaced: read as a kernel's Substitution.

    Of one piece after the other there is a copy, in which the matches are brought into lower case, as the pairs are for
    the kernel. It finds them again there, and no others: what is as it is written matches in both cases, too.
    """

    def __init__(self, matching: ManyPairs, view: Any, span: tuple[int, int], most: int) -> None:
        self._matching, self._view, self._most = matching, view, END if most < 0 else most
        self.consumed, self._end = span
        self.replaced = 0
        self._reach = max(matching.longest_old - 1, 0)
        self._piece = max(PIECE, self._reach)  # else more would be copied for the last match than for the others
        self._copy = memoryview(b"")
        self._begin()

    def readinto(self, block: Any) -> int:
        """Fills `block` from its start. Returns how many bytes it filled: 0 at the end, else at least one."""
        while True:
            filled: int = self._inner.readinto(block)
            self.consumed = self._base + self._inner.consumed
            self.replaced = self._before + self._inner.replaced
            if filled or self.consumed >= self._end:
                return filled
            check_wanted()
            self._inner.close()
            self._begin()

    def close(self) -> None:
        """Releases the view."""
        self._inner.close()
        self._view = None

    def __enter__(self) -> FoldedSubstitution:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.close()

    def _begin(self) -> None:
        """Sets the kernel's substitution upon the next piece."""
        start, end, left = self.consumed, self._end, self._most - self.replaced
        self._before = self.replaced
        if left == 0 or start >= end:
            self._base = 0
            self._inner = self._matching.as_written(self._view, start, end, 0)
            return
        copy = self._copied(start, min(start + self._piece + self._reach, end))
        until = len(copy) if start + len(copy) == end else self._piece
        until, number = self._bring_into_lower_case(copy, until, left)
        self._base = start
        self._inner = self._matching.as_written(copy, 0, until, number)

    def _copied(self, start: int, end: int) -> memoryview:
        """A copy of a range. By a kernel, which knows what to do where a mapped file has become shorter."""
        if len(self._copy) < end - start:
            self._copy = memoryview(bytearray(end - start))
        copy, at = self._copy[: end - start], 0
        with chosen.substitution(self._view, b"\n", b"", 0, start, end) as pieces:
            while at < len(copy) and (filled := pieces.readinto(copy[at:])):
                at += filled
        return copy[:at]

    def _bring_into_lower_case(self, copy: memoryview, until: int, most: int) -> tuple[int, int]:
        """Does so with the first matches that start before a place. Returns how far that decides, and how many."""
        numpy = _imports.load("numpy")
        text = numpy.frombuffer(copy, dtype=numpy.uint8)
        bounds = numpy.zeros(len(text) + 1, dtype=numpy.int8)  # 1 where a match starts, -1 where one ends
        number = 0
        for offsets, which in self._matching.found(copy, 0, len(copy), most, until):
            ends = offsets + self._matching.lengths[which]
            bounds[offsets] += 1
            bounds[ends] -= 1
            number += len(offsets)
            until = max(until, int(ends[-1]))
        if number:
            inside = numpy.cumsum(bounds[:-1], dtype=numpy.int8).view(numpy.uint8)
            inside &= (text - ord("A")) < 26
            text |= inside << 5
        return until, number
