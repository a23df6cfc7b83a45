"""Where matches are that are replaced by what is as long: found, kept in a journal, and found there again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .. import _imports
from .._backend import run
from ..unfinished import DAMAGED
from .journal import Kind, Redo
from .model import Part

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from .matching import Matching

# Between matches that are nearer than this, all is written: a call costs as much as so many bytes.
_NEAR = 4096


class Positions:
    """Offsets of matches, in ascending order, and the numbers of their pairs."""

    # How many bytes one takes in a journal, at most.
    LONGEST = 8

    def __init__(self, offsets: Any, which: Any, pairs: list[tuple[bytes, bytes]]) -> None:
        numpy = _imports.load("numpy")
        self._offsets, self._which, self._pairs = offsets, which, pairs
        lengths = numpy.array([len(old) for old, _ in pairs], dtype=numpy.int64)
        self._ends = offsets + (lengths[0] if which is None else lengths[which])

    @classmethod
    def found(cls, source: MappedFile, matching: Matching, parts: list[Part], most: int, threads: int) -> Positions:
        """The first matches of some parts: no more than `most` of them, and none that weren't counted."""
        numpy = _imports.load("numpy")

        def find(view: Any, start: int, end: int, number: int) -> list[Any]:
            taken = matching.found(view, start, end, number)
            return [(offsets.copy(), None if which is None else which.copy()) for offsets, which in taken]

        spans = [(part.start, part.end, min(part.number, most)) for part in parts]
        pieces = [piece for result in run(find, spans, threads, buffer=source) for piece in result]
        offsets = numpy.concatenate([piece[0] for piece in pieces] or [numpy.empty(0, dtype=numpy.int64)])
        numbered = bool(pieces) and pieces[0][1] is not None
        return cls(offsets, numpy.concatenate([piece[1] for piece in pieces]) if numbered else None, matching.all_pairs)

    @classmethod
    def decoded(cls, redo: Redo, pairs: list[tuple[bytes, bytes]]) -> Positions:
        """What `encoded_into` has put into a slot. OSError for what it can't have put there."""
        numpy = _imports.load("numpy")
        width, numbers_width = redo.widths
        if width not in (1, 2, 4) or numbers_width not in (0, 1, 2, 4):
            raise OSError(DAMAGED, "The journal has positions of an unknown kind")
        count = redo.length // (width + numbers_width)
        steps = numpy.frombuffer(redo.data, dtype=f"<u{width}", count=count)
        which = None
        if numbers_width:
            which = numpy.frombuffer(redo.data, dtype=f"<u{numbers_width}", count=count, offset=count * width)
            if count and int(which.max()) >= len(pairs):
                raise OSError(DAMAGED, "The journal has positions of an unknown pair")
        return cls(redo.at + numpy.cumsum(steps, dtype=numpy.int64), which, pairs)

    def encoded_into(self, block: memoryview, start: int) -> Redo:
        """Puts them into a slot: how far each is behind the one before, as few bytes each as will do."""
        numpy = _imports.load("numpy")
        steps = numpy.diff(self._offsets, prepend=start)
        width = _width(int(steps.max(initial=0)))
        data = steps.astype(f"<u{width}").tobytes()
        numbers_width = 0
        if self._which is not None:
            numbers_width = _width(len(self._pairs) - 1)
            data += self._which.astype(f"<u{numbers_width}").tobytes()
        block[: len(data)] = data
        return Redo(Kind.POSITIONS, start, len(data), (width, numbers_width))

    @property
    def count(self) -> int:
        return int(self._offsets.size)

    @property
    def end(self) -> int:
        """Where the last match ends."""
        return int(self._ends.max(initial=0))

    def replacements(self) -> Iterator[tuple[int, bytes]]:
        """Where each match is, and what it is replaced by."""
        offsets = self._offsets.tolist()
        if self._which is None:
            new = self._pairs[0][1]
            return ((offset, new) for offset in offsets)
        return ((offset, self._pairs[number][1]) for offset, number in zip(offsets, self._which.tolist(), strict=True))

    def runs(self, start: int, end: int) -> list[tuple[int, int]]:
        """What of a range has matches: stretches from a match's start to the end of one, the gaps within them short."""
        numpy = _imports.load("numpy")
        low, high = numpy.searchsorted(self._offsets, (start, end)).tolist()
        if low == high:
            return []
        offsets, ends = self._offsets[low:high], self._ends[low:high]
        far = numpy.flatnonzero(offsets[1:] - ends[:-1] > _NEAR)
        starts = [0, *(far + 1).tolist()]
        stops = [*far.tolist(), high - low - 1]
        return [(int(offsets[first]), int(ends[last])) for first, last in zip(starts, stops, strict=True)]


def _width(largest: int) -> int:
    """How many bytes a number takes."""
    return 1 if largest < 1 << 8 else 2 if largest < 1 << 16 else 4
