"""The verbs for several needles as methods of a mapping: m.find_each(needles) is fastmmap.find_each(m, needles)."""

from __future__ import annotations

from ._backend import chosen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, SupportsIndex

    from .progress import Progress
    from .reference.arguments import Index, Offsets, Several


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
    ) -> tuple[Offsets, Any]:
        """The offsets of all matches of several needles, and which needle stands at each: as fastmmap.find_each.

        Parameters
        ----------
        needles : Needles, or list or tuple of bytes-like, str or int
            What to look for, none of it empty. Of equal ones the first counts.
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
        found: tuple[Offsets, Any] = chosen.find_each(self, needles, start, end, progress=progress, **options)
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
            What to look for, none of it empty. Of equal ones the first counts.
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
