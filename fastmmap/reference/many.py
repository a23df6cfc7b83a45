"""Search for many needles at once: the definition. Each is searched for by itself, and the matches are merged."""

from __future__ import annotations

import heapq
from contextlib import closing
from itertools import groupby, islice
from operator import itemgetter

from .. import _imports
from .arguments import END, clamp, haystack, readable, writable
from .replace import Filling
from .search import matches, rfind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from .arguments import Readable

    Span = tuple[int, int, int]

name = "python"


class Prepared:
    """Needles made ready: bytes, none of them empty. Of equal ones the first counts."""

    def __init__(self, needles: tuple[bytes, ...], fold: bool) -> None:
        self.needles = tuple(each.lower() for each in needles) if fold else needles
        self.fold = fold
        self.longest = max(map(len, needles), default=0)
        self._distinct = {each: index for index, each in reversed(list(enumerate(self.needles)))}

    def __len__(self) -> int:
        return len(self.needles)

    def occurrences(self, view: memoryview, start: int, end: int) -> Iterator[tuple[int, int]]:
        """All that stands in view[start:end]: offsets and numbers of needles, in their order."""

        def of_one(needle: bytes, index: int) -> Iterator[tuple[int, int]]:
            for offset in matches(view, needle, start, end, overlapping=True, ignorecase=self.fold):
                yield offset, index

        return heapq.merge(*(of_one(*each) for each in self._distinct.items()))

    def length(self, index: int) -> int:
        """How many bytes a needle has."""
        return len(self.needles[index])

    def matches(
        self, view: memoryview, start: int, end: int, until: int, overlapping: bool
    ) -> Iterator[tuple[int, int]]:
        """Those that start in [start, until) and end at `end` at most.

        Without `overlapping`: the one that starts first, the longest of those that start there, and on behind it.
        """
        for offset, together in groupby(self.occurrences(view, start, end), key=itemgetter(0)):
            if offset >= until:
                return
            if overlapping:
                yield from together
            elif offset >= start:
                longest = max((index for _, index in together), key=self.length)
                yield offset, longest
                start = offset + self.length(longest)


def workers(buffer: Readable, threads: Any, start: int) -> int:
    """How many threads work on a large buffer: the reference's would take turns."""
    return 1


def is_copied(buffer: Readable) -> bool:
    """Whether what is searched is copied first: the reference reads safely as it is."""
    return False


def find_first(buffer: Readable, prepared: Prepared, span: Span) -> int:
    """The offset at which the first match starts, or -1.

    `span` is start, end and until: it starts in [start, until), and ends at `end` at most.
    """
    with readable(buffer) as view, closing(prepared.matches(view, *span, True)) as found:  # type: ignore[type-var]
        return next(found, (-1, 0))[0]


def find_last(buffer: Readable, prepared: Prepared, span: Span) -> int:
    """The offset at which the last one of all that stand there starts, or -1."""
    start, end, until = span
    fold = prepared.fold
    found = (rfind(buffer, each, start, min(end, until + len(each) - 1), ignorecase=fold) for each in prepared.needles)
    return max(found, default=-1)


def count_all(
    buffer: Readable, prepared: Prepared, span: Span, overlapping: bool, counts: Any = None, most: int = END
) -> int:
    """How many matches there are, up to `most` of them, the first ones. Adds those of each needle to its place in
    an int64 array, if there is one.
    """
    number = 0
    with readable(buffer) as view:
        for _, index in islice(prepared.matches(view, *span, overlapping), most):
            number += 1
            if counts is not None:
                counts[index] += 1
    return number


class ManyMatches:
    """A search that goes on."""

    def __init__(self, buffer: Readable, prepared: Prepared, span: Span, overlapping: bool) -> None:
        self._view = haystack(buffer)
        self._found = prepared.matches(self._view, *span, overlapping)

    def find_into(self, offsets: Any, which: Any = None) -> int:
        """Writes the next matches into an int64 array, and into an int32 array of that length which needle each is.

        How many there were: fewer than there is room for only at the end.
        """
        number = 0
        for offset, index in islice(self._found, len(offsets)):
            offsets[number] = offset
            if which is not None:
                which[number] = index
            number += 1
        return number

    def release(self) -> None:
        """Lets go of the buffer."""
        self._found.close()  # type: ignore[attr-defined]
        self._view.__exit__(None, None, None)  # not `release` alone: see `held`


scan = ManyMatches


def find_all(
    buffer: Readable, prepared: Prepared, span: Span, overlapping: bool, most: int, each: bool
) -> list[tuple[Any, Any]]:
    """The matches up to `most` of them, as pairs of arrays: offsets, and if `each` needles, else None."""
    numpy = _imports.load("numpy")
    with readable(buffer) as view:
        found = list(islice(prepared.matches(view, *span, overlapping), most))
    offsets = numpy.array([offset for offset, _ in found], dtype=numpy.int64)
    return [(offsets, numpy.array([index for _, index in found], dtype=numpy.int32) if each else None)]


def past_matches(buffer: Readable, prepared: Prepared, span: Span, bound: int) -> int:
    """The first place from a bound on that no match lies across, overlapping ones included."""
    with readable(buffer) as view:
        for offset, index in prepared.matches(view, *span, True):
            if offset >= bound:
                break
            bound = max(bound, offset + prepared.length(index))
    return bound


class Replacements:
    """What each of several needles is replaced by, made ready."""

    def __init__(self, prepared: Prepared, news: tuple[bytes, ...]) -> None:
        self.prepared, self.news = prepared, news
        self.longest = max(map(len, news), default=0)

    def places(self, view: memoryview, span: Span, most: int) -> Iterator[tuple[int, int, bytes]]:
        """Where a needle stands, how many bytes it has, and what it is replaced by."""
        found = self.prepared.matches(view, *span, False)
        for offset, index in islice(found, END if most < 0 else most):
            yield offset, self.prepared.length(index), self.news[index]


def replace(buffer: Any, pairs: Replacements, span: Span, most: int) -> int:
    """Replaces each needle by what is as long, in place. Returns how many: `most` of them, all if that is negative."""
    replaced = 0
    with writable(buffer, "replace") as view:
        for offset, length, new in pairs.places(view, span, most):
            if view[offset : offset + length] != new:
                view[offset : offset + length] = new
            replaced += 1
    return replaced


class Substitution(Filling):
    """The bytes of buffer[start:end] with every one of several needles replaced, read in blocks."""

    def __init__(self, buffer: Readable, pairs: Replacements, span: Span, most: int) -> None:
        view = haystack(buffer)
        start, end = clamp(span[0], span[1], len(view))
        super().__init__(view, (start, end), pairs.places(view, (start, end, end), most), pairs.longest)


substitution = Substitution
