"""The kernels as methods of a mapping: m.find(needle) is fastmmap.find(m, needle)."""

from __future__ import annotations

from ._backend import chosen, set_kernel_methods

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, SupportsIndex

    from .indexes import LineIndex
    from .progress import Progress
    from .reference.arguments import Data, Index, Needle, Offsets, Pairs, Several


class Verbs:
    """Mixed into a mapping."""

    __slots__ = ()

    if TYPE_CHECKING:
        mode: str
        name: Any
        _index: LineIndex

    def find(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        ignorecase: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """The offset of the first match, or -1: as bytes.find in every case.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            The offset in bytes, or -1 where nothing matches.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or an int isn't a byte, or `threads` is below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"Hello, hello")
        >>> with fastmmap.open("file") as m:
        ...     m.find("hello")
        7
        """
        options = {"ignorecase": ignorecase, "threads": threads, "progress": progress}
        return chosen.find(self, needle, start, end, **options)  # type: ignore[no-any-return]

    def rfind(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        ignorecase: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """The offset of the last match, or -1: as bytes.rfind in every case.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        ignorecase : bool, default False
            Whether ASCII letters match in both cases. Other letters don't.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            The offset in bytes, or -1 where nothing matches.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"hello, Hello")
        >>> with fastmmap.open("file") as m:
        ...     m.rfind("hello")
        0
        """
        offset: int = chosen.rfind(self, needle, start, end, ignorecase=ignorecase, threads=threads, progress=progress)
        return offset

    def count(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """How many matches there are: as bytes.count in every case.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            The number of matches. An empty needle matches before each byte and at the end.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"banana")
        >>> with fastmmap.open("file") as m:
        ...     m.count("ana"), m.count("ana", overlapping=True)
        (1, 2)
        """
        number: int = chosen.count(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase, threads=threads, progress=progress
        )
        return number

    def find_all(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
        limit: int | None = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Offsets:
        """The offsets of all matches that `count` counts, ascending, in an array.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.
        limit : int or None, default None
            How many offsets at most, the first ones. None: all.
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        ndarray of int64, shape (n,)
            Offsets in bytes. Those of an empty needle are all from start to end, the end included.

        Raises
        ------
        TypeError
            An argument has the wrong type.
        ValueError
            The mapping is closed, or an int isn't a byte, `limit` is negative, or `threads` is below 1.
        MappedFileError
            The file was truncated meanwhile.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"banana")
        >>> with fastmmap.open("file") as m:
        ...     m.find_all("an").tolist()
        [1, 3]
        """
        offsets: Offsets = chosen.find_all(
            self,
            needle,
            start,
            end,
            overlapping=overlapping,
            ignorecase=ignorecase,
            limit=limit,
            threads=threads,
            progress=progress,
        )
        return offsets

    def iter_find(
        self,
        needle: Needle | Several,
        start: Index = 0,
        end: Index = None,
        *,
        overlapping: bool = False,
        ignorecase: bool = False,
    ) -> Iterator[int]:
        """An iterator over the offsets that find_all returns, in constant memory.

        Parameters
        ----------
        needle : bytes-like, str or int; or Needles, or list or tuple of those
            What to look for. A str is encoded as UTF-8; an int from 0 to 255 is one byte. Several: see find_each.
        start, end : int or None, default 0 and None
            Only matches in m[start:end]. Offsets count from the mapping's start, in bytes.
        overlapping, ignorecase : bool, default False
            Whether matches that overlap the one before count, too; whether ASCII letters match in both cases.

        Returns
        -------
        iterator of int
            Offsets in bytes, ascending. The mapping can't be resized until it is exhausted or gone.

        Raises
        ------
        TypeError, ValueError, MappedFileError
            As find does.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"banana")
        >>> with fastmmap.open("file") as m:
        ...     list(m.iter_find("an"))
        [1, 3]
        """
        offsets: Iterator[int] = chosen.iter_find(
            self, needle, start, end, overlapping=overlapping, ignorecase=ignorecase
        )
        return offsets

    def replace(
        self,
        old: Data | Pairs,
        new: Data | None = None,
        count: SupportsIndex = -1,
        *,
        start: Index = 0,
        end: Index = None,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Replaces `old` by `new`, which is as long, in place. Nothing but the matches is written.

        Matches are taken from left to right and don't overlap, as in bytes.replace; those of several pairs are what
        find_each finds. What has been replaced isn't searched again. For other lengths there is replace_file.

        Parameters
        ----------
        old : bytes-like or str; or mapping {old: new, ...}
            What to replace, not empty. A str is encoded as UTF-8. A mapping names several, and what by.
        new : bytes-like, str or None
            What to replace it by, of the same length in bytes. It is left out beside a mapping.
        count : int, default -1
            How many matches are replaced at most. A negative number: all.
        start, end : int or None, default 0 and None
            Only matches in m[start:end].
        threads : int or None, default None
            How many threads may work at most. None: as many as pay. 1: only the calling one.
        progress : callable or None, default None
            Called as progress(done, total) in the calling thread, in bytes, at most ten times a second and at the end.

        Returns
        -------
        int
            How many matches were replaced.

        Raises
        ------
        BufferError
            The mode is "r".
        TypeError, ValueError
            An argument has the wrong type, `old` is empty, `new` has another length, `threads` is below 1, or the
            mapping is closed.
        MappedFileError
            The file was truncated meanwhile, or has a hole and the disk is full. Some matches may be replaced.

        Examples
        --------
        >>> import fastmmap, pathlib
        >>> number = pathlib.Path("file").write_bytes(b"one two one")
        >>> with fastmmap.open("file", "r+") as m:
        ...     m.replace("one", "ONE")
        2
        >>> pathlib.Path("file").read_bytes()
        b'ONE two ONE'
        """
        if self.mode == "r":
            raise BufferError(f"{self.name!r} is mapped read-only: open it with mode 'r+' or 'c' to replace in it")
        self._index.forget()
        try:
            options = {"start": start, "end": end, "threads": threads, "progress": progress}
            replaced: int = chosen.replace(self, old, new, count, **options)
        finally:
            self._index.forget()
        return replaced


set_kernel_methods(Verbs, "find", "rfind", "count", "find_all", "iter_find")
