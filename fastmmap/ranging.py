"""line_at and ranges: where what is worked on begins and ends."""

from __future__ import annotations

import operator

from ._backend import chosen
from .aligning import aligned_ranges
from .each import EachVerbs
from .verbs import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import SupportsIndex

    from .reference.arguments import Data


class Ranging(Verbs, EachVerbs):
    """Mixed into a mapping."""

    if TYPE_CHECKING:

        def __len__(self) -> int: ...

    def line_at(self, offset: SupportsIndex) -> tuple[int, int]:
        r"""Where the line begins and ends that holds a byte. No index of the lines is made for it.

        Parameters
        ----------
        offset : int
            The byte's offset; a negative one counts from the end.

        Returns
        -------
        tuple of int
            Start and end of the line in bytes, its newline not included.

        Raises
        ------
        IndexError, TypeError
            The offset isn't within the mapping, or is no integer.
        ValueError
            The mapping is closed.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.line_at(5)
        (4, 7)
        """
        size = len(self)
        position = operator.index(offset) + (size if operator.index(offset) < 0 else 0)
        if not 0 <= position < size:
            raise IndexError(f"offset {operator.index(offset)} is outside the mapping of {size} bytes")
        end = self.find(b"\n", position)
        return self.rfind(b"\n", 0, position) + 1, end if end >= 0 else len(self)

    def ranges(self, n: int, align: Data | None = b"\n") -> list[tuple[int, int]]:
        r"""Cuts the mapping into ranges of about one size, each but the last ending with `align`: work for n workers.

        What ends with `align` isn't split. Where that overlaps itself, as b"\n\n" does in a run of newlines, its
        occurrences count from left to right, as bytes.split finds them.

        Parameters
        ----------
        n : int
            How many ranges there are at most.
        align : bytes-like, str or None, default b"\n"
            What ranges end with. None or an empty one: anything, so that they are of one size.

        Returns
        -------
        list of tuple of int
            Start and end of each range, in bytes. Together they cover the mapping.

        Raises
        ------
        ValueError
            `n` is below 1, or the mapping is closed.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.ranges(2)
        [(0, 8), (8, 14)]
        """
        return aligned_ranges(chosen, self, 0, len(self), n, align)
