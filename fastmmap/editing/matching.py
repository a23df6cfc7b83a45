"""What an edit replaces: one pair of old and new, or several. How each is found, counted and replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .. import _imports
from .._backend import chosen
from ..many import verbs_of
from ..pairs import Pairs
from ..parallel import ROOM, Seams
from ..parts import ManySeams, Search
from ..reference.arguments import END

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from ..progress import Progress


class Matching(Protocol):
    """What is asked of either. Numbers of pairs are those of the mapping that was given; one alone is number 0."""

    @property
    def all_pairs(self) -> list[tuple[bytes, bytes]]:
        """What is replaced by what, in the order of the mapping."""

    @property
    def ignorecase(self) -> bool:
        """Whether ASCII letters match in both cases."""

    @property
    def changes(self) -> bool:
        """Whether any match is replaced by something else."""

    @property
    def keeps_lengths(self) -> bool:
        """Whether each replacement is as long as what it replaces."""

    @property
    def longest_old(self) -> int:
        """How many bytes the longest match has, 0 where there can be none."""

    @property
    def longest_new(self) -> int:
        """How many bytes the longest replacement has."""

    def pair(self, number: int) -> tuple[bytes, bytes]:
        """What is replaced by what."""

    def find(self, source: MappedFile, threads: int) -> int:
        """Where the first match is, or -1."""

    def count(
        self, source: MappedFile, start: int, most: int, threads: int, progress: Progress | None = None
    ) -> list[int]:
        """How many matches each pair has from a match on: among the first `most`, if that isn't negative."""

    def seams(self, source: MappedFile, start: int, block: int | None) -> Seams | ManySeams:
        """Blocks from a place on, of about so many bytes, across whose bounds no match lies."""

    def count_block(self, view: Any, start: int, end: int, most: int) -> list[int]:
        """`count` for such a block, by the calling thread alone."""

    def grown(self, counts: list[int]) -> int:
        """By how many bytes so many replacements make a file longer."""

    def peak(self, view: Any, span: tuple[int, int], counts: list[int], most: int) -> int:
        """By how many bytes at most the first of a block's replacements make it longer, however many those are."""

    def matches(self, source: MappedFile) -> Iterator[tuple[int, int]]:
        """Where matches are, and which pair's."""

    def found(self, view: Any, start: int, end: int, most: int, until: int | None = None) -> Iterator[tuple[Any, Any]]:
        """The first matches in a block: arrays of their offsets and of their pairs' numbers; None where there is one.

        They start before `until`, if that is given. The arrays are overwritten by the next ones.
        """

    def substitution(self, view: Any, start: int, end: int, most: int) -> Any:
        """The bytes of a part with the first `most` matches replaced."""


@dataclass(frozen=True)
class OnePair:
    """What is replaced by what: by the kernels for one needle."""

    old: bytes
    new: bytes

    @property
    def all_pairs(self) -> list[tuple[bytes, bytes]]:
        return [(self.old, self.new)]

    @property
    def ignorecase(self) -> bool:
        return False

    @property
    def changes(self) -> bool:
        return self.old != self.new

    @property
    def keeps_lengths(self) -> bool:
        return len(self.old) == len(self.new)

    @property
    def longest_old(self) -> int:
        return len(self.old)

    @property
    def longest_new(self) -> int:
        return len(self.new)

    def pair(self, number: int) -> tuple[bytes, bytes]:
        return self.old, self.new

    def find(self, source: MappedFile, threads: int) -> int:
        return source.find(self.old, threads=threads)

    def count(
        self, source: MappedFile, start: int, most: int, threads: int, progress: Progress | None = None
    ) -> list[int]:
        number = source.count(self.old, start, threads=threads, progress=progress)
        return [number if most < 0 else min(most, number)]

    def seams(self, source: MappedFile, start: int, block: int | None) -> Seams:
        return Seams(chosen.rfind, source, self.old, start, len(source), block)

    def count_block(self, view: Any, start: int, end: int, most: int) -> list[int]:
        number = chosen.count(view, self.old, start, end, threads=1)
        return [number if most < 0 else min(most, number)]

    def grown(self, counts: list[int]) -> int:
        return counts[0] * (len(self.new) - len(self.old))

    def peak(self, view: Any, span: tuple[int, int], counts: list[int], most: int) -> int:
        return max(self.grown(counts), 0)

    def found(self, view: Any, start: int, end: int, most: int, until: int | None = None) -> Iterator[tuple[Any, Any]]:
        if until is not None:
            end = min(end, until + len(self.old) - 1)
        offsets = _imports.load("numpy").empty(ROOM, dtype="int64")
        number = ROOM
        while most and number == ROOM:
            number = chosen.find_into(offsets, view, self.old, start, end)
            taken = min(number, most)
            if taken:
                yield offsets[:taken], None
                start = int(offsets[taken - 1]) + len(self.old)
            most -= taken

    def matches(self, source: MappedFile) -> Iterator[tuple[int, int]]:
        return ((offset, 0) for offset in chosen.iter_find(source, self.old))

    def substitution(self, view: Any, start: int, end: int, most: int) -> Any:
        return chosen.substitution(view, self.old, self.new, most, start, end)


@dataclass(frozen=True)
class ManyPairs:
    """Several such, none or two and more, or one that matches in both cases: by the kernels for many needles."""

    pairs: Pairs

    @property
    def all_pairs(self) -> list[tuple[bytes, bytes]]:
        return list(zip(self.pairs.needles, self.pairs.news, strict=True))

    @property
    def keeps_lengths(self) -> bool:
        return not any(self._growths())

    @property
    def ignorecase(self) -> bool:
        return self.pairs.needles.ignorecase

    @property
    def changes(self) -> bool:
        """With ignorecase a match may differ from `old`, and so from what is the same, if that has letters."""
        return any(old != new or (self.ignorecase and old.lower() != old.upper()) for old, new in self.all_pairs)

    @property
    def longest_old(self) -> int:
        longest: int = self._searched.longest
        return longest

    @property
    def longest_new(self) -> int:
        return max(map(len, self.pairs.news), default=0)

    def pair(self, number: int) -> tuple[bytes, bytes]:
        return self.pairs.needles[number], self.pairs.news[number]

    def find(self, source: MappedFile, threads: int) -> int:
        return source.find(self.pairs.needles, threads=threads)

    def count(
        self, source: MappedFile, start: int, most: int, threads: int, progress: Progress | None = None
    ) -> list[int]:
        if most < 0:
            counts = chosen.count_each(source, self.pairs.needles, start, threads=threads, progress=progress)
            return counts.tolist()  # type: ignore[no-any-return]
        return self._count(source, (start, len(source), len(source)), most)

    def seams(self, source: MappedFile, start: int, block: int | None) -> ManySeams:
        search = Search(self._kernel, source, self._searched, (start, END), False, None)
        return ManySeams(search, block)

    def count_block(self, view: Any, start: int, end: int, most: int) -> list[int]:
        return self._count(view, (start, end, end), END if most < 0 else most)

    def grown(self, counts: list[int]) -> int:
        return sum(number * growth for number, growth in zip(counts, self._growths(), strict=True))

    def peak(self, view: Any, span: tuple[int, int], counts: list[int], most: int) -> int:
        growths = self._growths()
        present = [growth for number, growth in zip(counts, growths, strict=True) if number]
        if min(present, default=0) >= 0 or max(present) <= 0:
            return max(self.grown(counts), 0)
        numpy = _imports.load("numpy")
        each = numpy.array(growths, dtype=numpy.int64)
        grown = peak = 0
        for _, which in self.found(view, *span, sum(counts)):
            reached = each[which].cumsum() + grown
            grown, peak = int(reached[-1]), max(peak, int(reached.max()))
        return peak

    def found(self, view: Any, start: int, end: int, most: int, until: int | None = None) -> Iterator[tuple[Any, Any]]:
        numpy = _imports.load("numpy")
        offsets, which = numpy.empty(ROOM, dtype=numpy.int64), numpy.empty(ROOM, dtype=numpy.int32)
        scan = self._kernel.scan(view, self._searched, (start, end, end if until is None else until), False)
        try:
            number = ROOM
            while most and number == ROOM:
                number = scan.find_into(offsets, which)
                taken = min(number, most)
                most -= taken
                if taken:
                    yield offsets[:taken], which[:taken]
        finally:
            scan.release()

    def _growths(self) -> list[int]:
        """By how many bytes each pair's replacement is longer."""
        return [len(new) - len(old) for old, new in self.all_pairs]

    def matches(self, source: MappedFile) -> Iterator[tuple[int, int]]:
        search = Search(self._kernel, source, self._searched, (0, END), False, 1)
        return search.iterate()

    def substitution(self, view: Any, start: int, end: int, most: int) -> Any:
        kernel = self._kernel
        return kernel.substitution(view, self.pairs.prepared(kernel), (start, end, end), most)

    def _count(self, buffer: Any, span: tuple[int, int, int], most: int) -> list[int]:
        numpy = _imports.load("numpy")
        counts = numpy.zeros(len(self.pairs), dtype=numpy.int64)
        self._kernel.count_all(buffer, self._searched, span, False, counts, most)
        return counts.tolist()  # type: ignore[no-any-return]

    @property
    def _kernel(self) -> Any:
        return verbs_of(chosen.name).kernel

    @property
    def _searched(self) -> Any:
        return self.pairs.searched(self._kernel)


def matching_of(pairs: Pairs) -> OnePair | ManyPairs:
    """The quicker way for so many. Needles for many alone carry that letters match in both cases."""
    one = len(pairs) == 1 and not pairs.needles.ignorecase
    return OnePair(pairs.needles[0], pairs.news[0]) if one else ManyPairs(pairs)
