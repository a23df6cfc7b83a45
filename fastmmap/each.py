"""The verbs for several needles, and grep, as methods of a mapping: m.grep(pattern) is fastmmap.grep(m, pattern)."""

from __future__ import annotations

from . import _imports
from ._backend import chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from ._backend import Match
    from .progress import Progress
    from .reference.arguments import Index, Needle, Offsets, Several, Which


class EachVerbs:
    """Mixed into a mapping."""

    __slots__ = ()

    def find_each(
        self,
        needles: Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        limit: SupportsIndex | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Offsets, Which]:
        """The offsets of all matches of several needles, and which needle stands at each: as fastmmap.find_each.

        Parameters
        ----------
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Where two are equal, matches are the first one's.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether every occurrence of every needle counts; whether ASCII letters match in both cases.
        limit : int or None, default None
            How many matches at most, the first ones. None: all.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        tuple of ndarray
            The offsets, in bytes, as int64 of shape (n,); the needles' places in `needles`, as int32 of shape (n,).

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find and find_all do; and ValueError for an empty needle.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"a catalog of dogs")
        >>> with fastmmap.open("file") as m:
        ...     offsets, which = m.find_each(["cat", "catalog", "dog"])
        >>> offsets.tolist(), which.tolist()
        ([2, 13], [1, 2])
        """
        options = {"overlapping": overlapping, "ignorecase": ignorecase, "limit": limit, "threads": threads}
        found: tuple[Offsets, Which] = chosen.find_each(self, needles, start, end, progress=progress, **options)
        return found

    def count_each(
        self,
        needles: Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Offsets:
        """How many matches each of several needles has: as fastmmap.count_each.

        Parameters
        ----------
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Where two are equal, matches are the first one's.
        start, end : int or None, default 0 and None
            Only matches in m[start:end].
        overlapping, ignorecase : bool, default False
            Whether every occurrence of every needle counts; whether ASCII letters match in both cases.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        ndarray of int64, shape (len(needles),)
            One number a needle.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find_each does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"a catalog of dogs")
        >>> with fastmmap.open("file") as m:
        ...     m.count_each(["cat", "catalog", "dog"]).tolist()
        [0, 1, 1]
        """
        options = {"overlapping": overlapping, "ignorecase": ignorecase, "threads": threads}
        counts: Offsets = chosen.count_each(self, needles, start, end, progress=progress, **options)
        return counts

    def grep(
        self,
        pattern: Needle | Several | re.Pattern[bytes],
        *,
        before: SupportsIndex = 0,
        after: SupportsIndex = 0,
        ignorecase: bool = False,
        invert: bool = False,
        limit: SupportsIndex | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Match]:
        r"""The lines in which a needle, one of several, or a regular expression is found.

        They come one by one, the first at once. A line has no newline, so what holds one is found nowhere.

        Parameters
        ----------
        pattern : bytes-like, str or int; or Needles, or list or tuple of those; or re.Pattern of bytes
            What to look for. A str is encoded as UTF-8. A pattern that `re` has compiled matches where
            `pattern.search(line)` finds something.
        before, after : int, default 0
            How many lines before and behind each match are wanted, too.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases.
        invert : bool, default False
            Whether the lines are wanted that do not match.
        limit : int or None, default None
            How many lines at most, the first ones. None: all. `after` of the last has more, if they follow.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the thread that asks for matches, in bytes, at most ten times a second
            and, if no limit comes before, at the end.

        Returns
        -------
        iterator of Match
            One for each line, from the first to the last.

        Raises
        ------
        TypeError, ValueError
            An argument has the wrong type; a number is negative; one of several needles is empty; the mapping is
            closed.
        MappedFileError
            The file was truncated meanwhile.

        Notes
        -----
        What is found is copied: it stays when the file changes or is closed. Only `number` needs the mapping: ask for
        it before. A str is a needle: for a regular expression use ``re.compile(rb"...")``.
        The literals that a regular expression needs are looked for first, and `re` sees only the lines that hold one. A
        pattern without literals, such as ``rb"\d\d\d"``, is as fast as `re` is.

        Examples
        --------
        >>> import fastmmap, pathlib, re
        >>> size = pathlib.Path("log").write_bytes(b"1 ok\n2 error: disk\n3 ok\n4 error: net\n")
        >>> with fastmmap.open("log") as m:
        ...     [(match.number, match.line) for match in m.grep(re.compile(rb"error: \w+"), limit=1)]
        [(1, b'2 error: disk')]
        """
        options: dict[str, Any] = {"before": before, "after": after, "ignorecase": ignorecase, "invert": invert}
        options |= {"limit": limit, "threads": threads, "progress": progress}
        return _imports.load("fastmmap.grepping").grep(self, pattern, **options)  # type: ignore[no-any-return]
