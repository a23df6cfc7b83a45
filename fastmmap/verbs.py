"""The kernels as methods of a mapping: m.find(needle) is fastmmap.find(m, needle)."""

from __future__ import annotations

from ._backend import chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from .lines import LineIndex
    from .reference.arguments import Data, Index, Integers, Needle, Offsets


class Verbs:
    """Mixed into a mapping."""

    __slots__ = ()

    if TYPE_CHECKING:
        mode: str
        name: Any
        _index: LineIndex

    def find(
        self,
        needle: Needle,
        start: Index = 0,
        end: Index = None,
        *,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> int:
        """fastmmap.find in this mapping."""
        offset: int = chosen.find(self, needle, start, end, ignorecase=ignorecase, threads=threads)
        return offset

    def rfind(
        self,
        needle: Needle,
        start: Index = 0,
        end: Index = None,
        *,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> int:
        """fastmmap.rfind in this mapping."""
        offset: int = chosen.rfind(self, needle, start, end, ignorecase=ignorecase, threads=threads)
        return offset

    def count(
        self,
        needle: Needle,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        threads: int | None = None,
    ) -> int:
        """fastmmap.count in this mapping."""
        number: int = chosen.count(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase, threads=threads
        )
        return number

    def find_all(
        self,
        needle: Needle,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        limit: int | None = None,
        threads: int | None = None,
    ) -> Offsets:
        """fastmmap.find_all in this mapping."""
        offsets: Offsets = chosen.find_all(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase, limit=limit, threads=threads
        )
        return offsets

    def iter_find(
        self,
        needle: Needle,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
    ) -> Iterator[int]:
        """fastmmap.iter_find in this mapping."""
        offsets: Iterator[int] = chosen.iter_find(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase
        )
        return offsets

    def line_starts(self, start: Index = 0, end: Index = None, *, threads: int | None = None) -> Offsets:
        """fastmmap.line_starts in this mapping."""
        offsets: Offsets = chosen.line_starts(self, start, end, threads=threads)
        return offsets

    def gather(self, offsets: Integers, length: Any, *, threads: int | None = None) -> Any:
        """fastmmap.gather in this mapping."""
        return chosen.gather(self, offsets, length, threads=threads)

    def replace(
        self,
        old: Data,
        new: Data,
        count: SupportsIndex = -1,
        *,
        start: Index = 0,
        end: Index = None,
        threads: int | None = None,
    ) -> int:
        """fastmmap.replace in this mapping."""
        if self.mode == "r":
            raise BufferError(f"{self.name!r} is mapped read-only: open it with mode 'r+' or 'c' to replace in it")
        self._index.forget()
        try:
            replaced: int = chosen.replace(self, old, new, count, start=start, end=end, threads=threads)
        finally:
            self._index.forget()
        return replaced
