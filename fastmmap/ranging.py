"""line_at and ranges: where what is worked on begins and ends."""

from __future__ import annotations

from ._backend import chosen
from .aligning import aligned_ranges
from .verbs import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex

    from .reference.arguments import Data


class Ranging(Verbs):
    """Mixed into a mapping."""

    if TYPE_CHECKING:

        def __len__(self) -> int: ...

    def line_at(self, offset: SupportsIndex) -> tuple[int, int]:
        """Start and end of the line that holds the byte at `offset`, its newline not included."""
        position = range(len(self))[offset]
        end = self.find(b"\n", position)
        return self.rfind(b"\n", 0, position) + 1, end if end >= 0 else len(self)

    def ranges(self, n: int, align: Data | None = b"\n") -> list[tuple[int, int]]:
        """At most n ranges that cover the mapping, each but the last ending with `align`: work for n workers.

        What ends with `align` isn't split. Where that overlaps itself, as b"\\n\\n" does in a run of newlines, its
        occurrences count from left to right, as bytes.split finds them.
        """
        return aligned_ranges(chosen, self, 0, len(self), n, align)
