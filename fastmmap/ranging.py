"""Lines, records and ranges: where they begin and end."""

from __future__ import annotations

import operator

from ._backend import chosen, set_kernel_methods
from .aligning import aligned_ranges
from .each import EachVerbs
from .verbs import Verbs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, SupportsIndex

    from .progress import Progress
    from .reference.arguments import Data, Index, Integers, Offsets


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

        What ends with `align` isn't split. Where that overlaps itself, as ``b"\n\n"`` does in a run of newlines, its
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

    def line_starts(
        self, start: Index = 0, end: Index = None, *, threads: int | None = None, progress: Progress | None = None
    ) -> Offsets:
        r"""The offsets at which lines start, ascending, in an array.

        The first is start itself, then comes the offset after each newline that has a byte after it: a final newline
        opens no line. An empty range has none.

        Parameters
        ----------
        start, end : int or None, default 0 and None
            Only the lines of m[start:end]. Offsets count from the mapping's start, in bytes.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        ndarray of int64, shape (n,)
            Offsets in bytes, one for each line.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or `threads` is below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one\ntwo\nthree\n")
        >>> with fastmmap.open("file") as m:
        ...     m.line_starts().tolist()
        [0, 4, 8]
        """
        return chosen.line_starts(self, start, end, threads=threads, progress=progress)  # type: ignore[no-any-return]

    def gather(self, offsets: Integers, length: Any, *, threads: int | None = None) -> Any:
        """Copies the records at many offsets together, into one array.

        Parameters
        ----------
        offsets : sequence or ndarray of int, shape (n,)
            Where the records begin, in bytes, in any order. Negative offsets are out of range.
        length : int, or sequence or ndarray of int, shape (n,)
            How many bytes each record has: one number for all of them, or a number for each.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.

        Returns
        -------
        ndarray of uint8, shape (n, length)
            One record a row, where `length` is one number. Else the next two, as a tuple:
        data : ndarray of uint8, shape (total,)
            The records, one behind the other.
        starts : ndarray of int64, shape (n + 1,)
            Record i is data[starts[i]:starts[i + 1]].

        Raises
        ------
        IndexError
            A record isn't wholly in the mapping. The error names the first such; nothing was read.
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or a length is negative, there are not as many lengths as offsets, or `threads` is
            below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one two three")
        >>> with fastmmap.open("file") as m:
        ...     m.gather([4, 0], 3).tobytes()
        b'twoone'
        """
        return chosen.gather(self, offsets, length, threads=threads)


set_kernel_methods(Ranging, "line_starts", "gather")
