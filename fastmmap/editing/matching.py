"""What an edit replaces: one pair of old and new, or several. How each is found, counted and replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from .. import _imports
from .._backend import chosen
from ..many import verbs_of
from ..pairs import Pairs
from ..parallel import Seams
from ..parts import ManySeams, Search
from ..reference.arguments import END

if TYPE_CHECKING:
    from ..mapped import MappedFile
    from ..progress import Progress


class Matching(Protocol):
    """What is asked of either. Numbers of pairs are those of the mapping that was given; one alone is number 0."""

    @property
    def changes(self) -> bool:
        """Whether any match is replaced by something else."""

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

    def seams(self, source: MappedFile, start: int) -> Seams | ManySeams:
        """Blocks from a match on, across whose bounds no match lies."""

    def count_block(self, view: Any, start: int, end: int) -> list[int]:
        """`count` for such a block, by the calling thread alone."""

    def grown(self, counts: list[int]) -> int:
        """By how many bytes so many replacements make a file longer."""

    def matches(self, source: MappedFile) -> Iterator[tuple[int, int]]:
        """Where matches are, and which pair's."""

    def substitution(self, view: Any, start: int, end: int, most: int) -> Any:
        """The bytes of a part with the first `most` matches replaced."""


@dataclass(frozen=True)
class OnePair:
    """What is replaced by what: by the kernels for one needle."""

    old: bytes
    new: bytes

    @property
    def changes(self) -> bool:
        return self.old != self.new

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

    def seams(self, source: MappedFile, start: int) -> Seams:
        return Seams(chosen.rfind, source, self.old, start, len(source))

    def count_block(self, view: Any, start: int, end: int) -> list[int]:
        return [chosen.count(view, self.old, start, end, threads=1)]

    def grown(self, counts: list[int]) -> int:
        return counts[0] * (len(self.new) - len(self.old))

    def matches(self, source: MappedFile) -> Iterator[tuple[int, int]]:
        return ((offset, 0) for offset in chosen.iter_find(source, self.old))

    def substitution(self, view: Any, start: int, end: int, most: int) -> Any:
        return chosen.substitution(view, self.old, self.new, most, start, end)


@dataclass(frozen=True)
class ManyPairs:
    """Several such, none or two and more: by the kernels for many needles."""

    pairs: Pairs

    @property
    def changes(self) -> bool:
        return any(old != new for old, new in zip(self.pairs.needles, self.pairs.news, strict=True))

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

    def seams(self, source: MappedFile, start: int) -> ManySeams:
        search = Search(self._kernel, source, self._prepared.prepared, (start, END), False, None)
        return ManySeams(search)

    def count_block(self, view: Any, start: int, end: int) -> list[int]:
        return self._count(view, (start, end, end), END)

    def grown(self, counts: list[int]) -> int:
        lengths = zip(self.pairs.needles, self.pairs.news, strict=True)
        return sum(number * (len(new) - len(old)) for number, (old, new) in zip(counts, lengths, strict=True) if number)

    def matches(self, source: MappedFile) -> Iterator[tuple[int, int]]:
        search = Search(self._kernel, source, self._prepared.prepared, (0, END), False, 1)
        return search.iterate()

    def substitution(self, view: Any, start: int, end: int, most: int) -> Any:
        return self._kernel.substitution(view, self._prepared, (start, end, end), most)

    def _count(self, buffer: Any, span: tuple[int, int, int], most: int) -> list[int]:
        numpy = _imports.load("numpy")
        counts = numpy.zeros(len(self.pairs), dtype=numpy.int64)
        self._kernel.count_all(buffer, self._prepared.prepared, span, False, counts, most)
        return counts.tolist()  # type: ignore[no-any-return]

    @property
    def _kernel(self) -> Any:
        return verbs_of(chosen.name).kernel

    @property
    def _prepared(self) -> Any:
        return self.pairs.prepared(self._kernel)


def matching_of(pairs: Pairs) -> OnePair | ManyPairs:
    """The quicker way for so many."""
    return OnePair(pairs.needles[0], pairs.news[0]) if len(pairs) == 1 else ManyPairs(pairs)
